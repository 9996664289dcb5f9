import { binding } from './binding.js';
import { clock } from './clock.js';
import { checked, errno } from './os_error.js';
import { wrong } from './wrong.js';

const LONGEST = 0x7fffffff;

/**
 * Calls `wait` with `timeout` in milliseconds, rounded up so as not to wake too early. After a
 * signal it calls again with the time that is left, be it none. `into` is where the answers go.
 */
export function waiting(
  call: string,
  into: Int32Array,
  timeout: number | null,
  wait: (milliseconds: number) => number,
): number {
  if (!(into instanceof Int32Array) || into.length < 2) {
    throw wrong.type(`${call}: into must be an Int32Array of 2 or more elements`);
  }
  if (timeout !== null && (typeof timeout !== 'number' || !(timeout >= 0))) {
    throw wrong.range(`${call}: timeout must be a number of seconds from 0, or null`);
  }
  let left = timeout === null ? Infinity : timeout * 1000;
  const end = left > 0 ? clock.now() + left : 0;
  for (;;) {
    const result = wait(left === Infinity ? -1 : Math.min(Math.ceil(left), LONGEST));
    if (result !== -errno.EINTR) return checked(call, result);
    left = Math.max(0, end - clock.now());
  }
}

/** Memory for the answers of `count` descriptors. */
export function roomFor(count: number): Int32Array {
  return new Int32Array(2 * Math.max(count, 1));
}

/** Pairs fd, events as `poll` of every poller gives them. */
export function pairsOf(into: Int32Array, count: number): [fd: number, events: number][] {
  return Array.from({ length: count }, (_, i) => [into[2 * i], into[2 * i + 1]]);
}

/** Memory for as many answers as a queue gives at once. */
export function roomForBatch(): Int32Array {
  return roomFor(binding.batch);
}
