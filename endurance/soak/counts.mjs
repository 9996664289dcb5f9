/** What must be back where it began. */
import { readdirSync } from 'node:fs';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { async_chat } from '@asyncore/chat';
import { dispatcher } from '@asyncore/core';
import { file_wrapper } from '@asyncore/file';
import { epoll, Socket } from '@asyncore/socket';
// No public names: what a loop keeps for each channel, and what wakes it.
import { Registration } from '../../packages/core/dist/loop/registration.js';
import { LibuvWakeup } from '../../packages/socket/dist/wakeup/libuv.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
process.report.excludeNetwork = true; // it would look up every address

const timer = setTimeout(() => {});
const Timeout = timer.constructor;
clearTimeout(timer);

const classes = {
  dispatcher,
  async_chat,
  Socket,
  file_wrapper,
  Registration,
  epoll,
  LibuvWakeup,
  Timeout,
};

/** uv's handles by their types: unlike getActiveResourcesInfo, also those of native code. */
function handles() {
  const counts = {};
  for (const { type, is_active } of process.report.getReport().libuv) {
    // Node opens and keeps timers and such of its own; what is ours would be active.
    if (is_active) counts[`uv ${type}`] = (counts[`uv ${type}`] ?? 0) + 1;
  }
  return counts;
}

/** What was forgotten is closed by the collector, a little later. */
export async function collect() {
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise(setImmediate);
  }
}

/** Exact numbers, to be compared as they are. */
export function counts(maps) {
  const objects = Object.entries(classes).map(([name, made]) => [name, queryObjects(made)]);
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    channels: maps.reduce((sum, map) => sum + map.size, 0),
    ...Object.fromEntries(objects),
    ...handles(),
  };
}

/** Bytes, which are never quite the same. */
export function memory() {
  for (let i = 0; i < 3; i++) gc();
  const { rss, heapUsed, arrayBuffers, external } = process.memoryUsage();
  return { rss, heapUsed, arrayBuffers, external };
}
