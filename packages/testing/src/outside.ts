/**
 * What goes on outside the simulation: Node's own timers, files, look-ups, worker threads. Virtual time
 * does not know of them, so the driver lets them run before it gives up a wait.
 */
const {
  setImmediate: realImmediate,
  setInterval: realInterval,
  clearInterval: realClear,
} = globalThis;
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

/**
 * Calls `say` once if, for four times so many milliseconds of real time, `restingSince` gives the same number and
 * nothing goes on in Node that was not there at the beginning. Returns a function that ends this.
 */
export function on_standstill(
  restingSince: () => number | null,
  say: () => void,
  milliseconds = 250,
): () => void {
  const { length: before } = process.getActiveResourcesInfo();
  let since: number | null = null;
  let quiet = 0;
  const look = () => {
    const now = restingSince();
    const isQuiet =
      now !== null && now === since && process.getActiveResourcesInfo().length <= before;
    quiet = isQuiet ? quiet + 1 : 0;
    since = now;
    if (quiet < 3) return; // the first look has only noted the number
    realClear(timer);
    say();
  };
  const timer = realInterval(look, milliseconds);
  timer.unref(); // it is no reason to go on
  return () => realClear(timer);
}
