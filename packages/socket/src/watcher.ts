import { binding } from './binding.js';
import { checked } from './os_error.js';

// What there is to prepare, as watcher.c reads it.

/** `prepare` is not called. */
export const NOTHING = 0;
/** `prepare` is called on the next turn. */
export const NEXT_TURN = 1;
/** `prepare` is called once more in this turn too. */
export const BEFORE_WAITING = 2;

/**
 * Lets Node's event loop wait for a kernel queue (epoll or kqueue). `ready` is called when
 * something in the queue is ready, `prepare` just before Node would wait, if `pending` asks for it.
 * When `ready` returns true it is called again at once, after the microtasks, whatever the queue
 * says, but not when something is pending, or a millisecond after the first call.
 * Keeps the process alive, and the queue open, until closed.
 */
export class Watcher {
  #pending = new Int32Array(1);
  #id: number;

  /** Starts to watch `queue`, a descriptor. It stays the caller's to close, after this is. */
  constructor(queue: number, ready: () => unknown, prepare: () => void) {
    this.#id = checked('poll', binding.watcher_start(queue, this.#pending, ready, prepare));
  }

  /**
   * NOTHING: `prepare` is not called. NEXT_TURN: on the next turn of Node's loop. BEFORE_WAITING:
   * also once more in this turn, when it is set in a microtask that follows `prepare`.
   */
  set pending(when: typeof NOTHING | typeof NEXT_TURN | typeof BEFORE_WAITING) {
    this.#pending[0] = when;
  }

  /** Stops watching: neither function is called any more. */
  close(): void {
    binding.watcher_stop(this.#id);
  }
}
