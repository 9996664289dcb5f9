/// <reference types="node" preserve="true" />
export { type Address, type Socket, type Transport, wrong } from '@asyncore/socket';
export { announce_changes } from './announced.js';
export { type channel, type channel_map, socket_map } from './channel.js';
export { close_all } from './close_all.js';
export { compact_traceback, condensed, type frame } from './compact_traceback.js';
export { type channel_row, inspect_map, map_report } from './diagnostics/inspect_map.js';
export type {
  address_message,
  bytes_message,
  channel_message,
  close_message,
  connect_message,
  error_message,
  living,
} from './diagnostics/life.js';
export { erred } from './diagnostics/life.js';
export { measure_channels } from './diagnostics/measure_channels.js';
export { dispatcher } from './dispatcher/dispatcher.js';
export { dispatcher_with_send } from './dispatcher/dispatcher_with_send.js';
export type { connection_options, socket_option } from './dispatcher/racing.js';
export type { server_options } from './dispatcher/serving.js';
export type { timer } from './dispatcher/timers.js';
export { type Endpoint, endpoint, NOTICE, type Watcher } from './endpoint.js';
export { ExitNow } from './exit_now.js';
// For classes with handlers and output of their own, as @asyncore/chat has one.
export { handling, report, settle } from './handlers/handling.js';
export { run_as_handler } from './handlers/run_as_handler.js';
export type { keep_alive_options } from './keep_alive.js';
export { keep_alive_while, loop, type loop_options } from './loop/loop.js';
export { poll, poll2, poll3 } from './loop/poll.js';
export { bytes } from './output/bytes.js';
export { type file_options, file_range } from './output/file_range.js';
export { Output } from './output/output.js';
export type { Source } from './output/output_channel.js';
export { output_queue } from './output/output_queue.js';
export { _exception, read, readwrite, write } from './read_write.js';
