import { checked, errno } from './os_error.js';

const LONGEST = 0x7fffffff;

/**
 * Calls `wait` with `timeout` seconds as milliseconds, rounded up so as not to wake too early, and
 * again with what is left of them after a signal.
 */
export function waiting(
  call: string,
  timeout: number | null,
  wait: (milliseconds: number) => number,
): number {
  if (timeout !== null && (typeof timeout !== 'number' || Number.isNaN(timeout) || timeout < 0)) {
    throw new RangeError(`${call}: timeout must be a number of seconds from 0, or null`);
  }
  let result = wait(timeout === null ? -1 : Math.min(Math.ceil(timeout * 1000), LONGEST));
  if (result >= 0) return result;
  const end = timeout === null ? Infinity : performance.now() + timeout * 1000;
  while (result === -errno.EINTR) {
    const left = Math.max(0, end - performance.now());
    result = wait(left === Infinity ? -1 : Math.min(Math.ceil(left), LONGEST));
  }
  return checked(call, result);
}

/** Pairs fd, events as `poll` of every poller gives them. */
export function pairsOf(into: Int32Array, count: number): [fd: number, events: number][] {
  return Array.from({ length: count }, (_, i) => [into[2 * i], into[2 * i + 1]]);
}

/** How many a poller's `poll` tells at most at once. */
export const BATCH = 512;
