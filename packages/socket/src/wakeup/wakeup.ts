/**
 * Who waits for a kernel queue (epoll or kqueue) on JavaScript's behalf. libuv does in Node.js; a
 * runtime without it, or a test, puts another in its place.
 */
/** Nothing is to be prepared. */
export const NOTHING = 0;
/** `prepare` is to be called on the runtime's next turn. */
export const NEXT_TURN = 1;
/** `prepare` is to be called before the runtime waits, in this turn if it may still wait in it. */
export const BEFORE_WAITING = 2;

/** What there is to prepare: NOTHING, NEXT_TURN or BEFORE_WAITING. */
export type Pending = typeof NOTHING | typeof NEXT_TURN | typeof BEFORE_WAITING;

/**
 * Waits for one queue, from when it was made until `close`, and keeps the process alive so long. It
 * never blocks the thread, and never calls back from within a call of its own methods.
 *
 * **`prepare()`** is called before the runtime waits, while `pending` is not NOTHING: once on each
 * turn for NEXT_TURN; for BEFORE_WAITING once more in the same turn whenever it stands when
 * `prepare` and its microtasks have run. Whoever is called sets `pending` to what is left to do, so
 * a callee that leaves it as it is will be called again. After many calls in one turn BEFORE_WAITING
 * means NEXT_TURN, so that the rest of the runtime goes on.
 *
 * **`ready(again)`** is called while something in the queue is ready, with `again` false. Whoever
 * is called takes the events out of the queue, or will be called on every turn. When it returns
 * true, there may be more already: then the wakeup may call it once more in the same turn, whatever
 * the queue says, with `again` true, and so on. It need not ({@link LookAgain} decides well), and
 * must not before `prepare` when something is pending.
 *
 * **After each call**, next ticks and microtasks run, as after any callback of the runtime. What a
 * call throws is an uncaught exception; the wakeup goes on.
 *
 * **After `close()`** neither function is called any more; it may be called within either of them.
 */
export interface Wakeup {
  /** What there is to prepare. May be set at any time, after `close` too. */
  set pending(when: Pending);
  /** Whether it keeps the process alive, as it does from the start. One without this always does. */
  keep_alive?(on: boolean): void;
  /** Stops waiting, at once. A second time does nothing. */
  close(): void;
}

/**
 * Makes a Wakeup for `queue`, a descriptor that is readable when something in the queue is ready.
 * The queue stays the caller's to close, before the wakeup or after it. Throws what the system says
 * when it cannot wait for that.
 */
export type WakeupFactory = (
  queue: number,
  ready: (again: boolean) => unknown,
  prepare: () => void,
) => Wakeup;
