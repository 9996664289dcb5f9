/// <reference types="node" preserve="true" />
export { file_dispatcher } from './file_dispatcher.js';
export type { file_like } from './file_like.js';
export { file_wrapper } from './file_wrapper.js';
