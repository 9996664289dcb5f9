/// <reference types="node" preserve="true" />
export { type tls_facts, tls_of } from './connection_of.js';
export { type secured, start_tls } from './start_tls.js';
export { tls_dispatcher } from './tls_dispatcher.js';
export { TLSError } from './tls_error.js';
export type { tls_options } from './tls_options.js';
export { tls_transport } from './tls_transport.js';
export { type tls_channel, with_tls } from './with_tls.js';
