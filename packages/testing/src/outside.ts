/**
 * What goes on outside the simulation: Node's own timers, files, look-ups, worker threads. Virtual time
 * does not know of them, so the driver lets them run before it gives up a wait.
 */
const { setImmediate: realImmediate } = globalThis;
const { nextTick } = process;
const realNow = performance.now.bind(performance);

/** Resolves when all microtasks and next ticks that there are have run. */
export function drained(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve));
}

/** Resolves after a turn of Node's real event loop. */
export function turned(): Promise<void> {
  return new Promise((resolve) => realImmediate(resolve));
}

/** Milliseconds of real time. */
export function real_now(): number {
  return realNow();
}

/** How many requests Node is waiting for that are neither sockets nor timers. */
export function pending_requests(): number {
  return process.getActiveResourcesInfo().filter((name) => /Req|Job|Zlib/i.test(name)).length;
}

/** How many of Node's own timers are running. */
export function real_timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}
