/// <reference types="node" preserve="true" />
export { async_chat } from './async_chat.js';
export { file_producer } from './file_producer.js';
export { find_prefix_at_end } from './find_prefix_at_end.js';
export type { Piece, Producer } from './running_producer.js';
export { simple_producer } from './simple_producer.js';
export {
  type encoded_terminator,
  type Terminator,
  type terminator_consumer,
  terminator_matcher,
} from './terminator_matcher.js';
