import { type channel_map, keep_alive_while, loop } from '@asyncore/core';

/** Where streams and their servers go that are given no map: a loop runs on it while it has any. */
export const stream_map: channel_map = new Map();

/** Those in it that are to keep the process alive. */
const kept = new Set<object>();
let isRunning = false;

/** `channel` was put into `map`, or taken out, or is to keep the process alive or not. */
export function serve(map: channel_map, channel: object, keeps: boolean): void {
  if (map !== stream_map) return; // of the program's own, with a loop of its own
  if (keeps) kept.add(channel);
  else kept.delete(channel);
  if (!isRunning && map.size > 0) run();
  keepAlive();
}

/** Without any channel the loop is about to end by itself, for which Node has to go on. */
function keepAlive(): void {
  keep_alive_while(stream_map, kept.size > 0 || stream_map.size === 0);
}

function run(): void {
  isRunning = true;
  const ended = () => {
    isRunning = false;
    if (stream_map.size > 0) run();
    keepAlive();
  };
  loop({ map: stream_map, timeout: null }).then(ended, (error: unknown) => {
    ended();
    toProcess(error);
  });
}

/** What a listener throws ends the process, as with node:net, unless somebody listens for that. */
export function toProcess(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
