export { socket_stream, type socket_stream_options } from './socket_stream.js';
export { stream_channel } from './stream_channel.js';
export { type stream_consumer, stream_server } from './stream_server.js';
