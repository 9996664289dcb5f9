/// <reference types="node" preserve="true" />
export { socket_stream, type socket_stream_options, type stream_address } from './socket_stream.js';
export { stream_channel } from './stream_channel.js';
export { type node_server, type stream_consumer, stream_server } from './stream_server.js';
