import { binding } from './binding.js';
import { checked } from './os_error.js';

/** What there is to prepare, as watcher.c reads it. */
export const NOTHING = 0;
export const NEXT_TURN = 1;
export const BEFORE_WAITING = 2;

/**
 * Lets Node's event loop wait for a kernel queue (epoll or kqueue). `ready` is called when
 * something in the queue is ready, `prepare` just before Node would wait, if `pending` asks for it.
 * Keeps the process alive, and the queue open, until closed.
 */
export class Watcher {
  #pending = new Int32Array(1);
  #id: number;

  constructor(queue: number, ready: () => void, prepare: () => void) {
    this.#id = checked('poll', binding.watcher_start(queue, this.#pending, ready, prepare));
  }

  /**
   * NOTHING: `prepare` is not called. NEXT_TURN: on the next turn of Node's loop. BEFORE_WAITING:
   * also once more in this turn, when it is set in a microtask that follows `prepare`.
   */
  set pending(when: typeof NOTHING | typeof NEXT_TURN | typeof BEFORE_WAITING) {
    this.#pending[0] = when;
  }

  close(): void {
    binding.watcher_stop(this.#id);
  }
}
