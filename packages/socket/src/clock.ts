/**
 * Time as the packages see it. Whatever they wait for, and whenever they look at the time, they ask
 * this object, so that a test can put its own in the place of Node's.
 */
export interface Clock {
  /** Milliseconds since some moment in the past; never goes back. */
  now(): number;
  /** Calls `callback` once, in a turn of the event loop of its own, not before the time is over. */
  setTimeout(callback: () => void, milliseconds: number): NodeJS.Timeout;
  clearTimeout(timer: NodeJS.Timeout | undefined): void;
  /** Calls `callback` once, when what is ready now has been dealt with. */
  setImmediate(callback: () => void): NodeJS.Immediate;
  clearImmediate(immediate: NodeJS.Immediate | undefined): void;
}

/** Node's globals as they are at the call: a test's fake timers are obeyed, as they were ever. */
const real: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
  setImmediate: (callback) => setImmediate(callback),
  clearImmediate: (immediate) => clearImmediate(immediate),
};

/** What the packages ask. Import it as it is: it changes. */
export let clock = real;

/**
 * Puts `other` in the place of Node's clock (null: puts that back), and gives the one before. Who
 * keeps a time or a timer has to forget it when `clock` is another object.
 */
export function use_clock(other: Clock | null): Clock {
  const before = clock;
  clock = other ?? real;
  return before;
}
