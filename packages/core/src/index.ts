export { type Address, type Socket, wrong } from '@asyncore/socket';
export { type channel, type channel_map, socket_map } from './channel.js';
export { close_all } from './close_all.js';
export { compact_traceback, type frame } from './compact_traceback.js';
export { dispatcher, type socket_like } from './dispatcher.js';
export { dispatcher_with_send } from './dispatcher_with_send.js';
export { ExitNow } from './exit_now.js';
// For classes with handlers and output of their own, as @asyncore/chat has one.
export { gather, handling, type sender, settle } from './handling.js';
export type { keep_alive_options } from './keep_alive.js';
export { loop, type loop_options } from './loop.js';
export { bytes, output_queue } from './output_queue.js';
export { outside } from './outside.js';
export { settle_predicates } from './plumbing.js';
export { poll, poll2, poll3 } from './poll.js';
export { _exception, read, readwrite, write } from './read_write.js';
