/** A Wakeup without libuv: looks into the queue on every turn of the runtime's loop. */
import {
  close,
  dup,
  LookAgain,
  NOTHING,
  type Pending,
  POLLIN,
  poll,
  type Wakeup,
} from '@asyncore/socket';

export class TurningWakeup implements Wakeup {
  /** How many there were. */
  static made = 0;

  pending: Pending = NOTHING;
  /** A duplicate, since the queue may be closed first. */
  #queue: number;
  #poller = new poll();
  #looks = new LookAgain();
  #start = 0;
  #ready: (again: boolean) => unknown;
  #prepare: () => void;
  #immediate: NodeJS.Immediate;

  constructor(queue: number, ready: (again: boolean) => unknown, prepare: () => void) {
    TurningWakeup.made += 1;
    this.#queue = dup(queue);
    this.#poller.register(this.#queue, POLLIN);
    this.#ready = ready;
    this.#prepare = prepare;
    this.#immediate = setImmediate(() => this.#turn());
  }

  close(): void {
    if (this.#queue < 0) return;
    clearImmediate(this.#immediate);
    close(this.#queue);
    this.#queue = -1;
  }

  /** Calls one at a time, by immediates and ticks, so that microtasks run after each. */
  #turn(): void {
    this.#immediate = setImmediate(() => this.#turn());
    if (this.pending !== NOTHING) this.#prepare();
    process.nextTick(() => this.#look(false));
  }

  #look(again: boolean): void {
    if (this.#queue < 0 || (again && this.pending !== NOTHING)) return;
    if (!again) {
      if (this.#poller.poll(0).length === 0) return;
      this.#start = performance.now();
    } else if (this.#looks.isLate((performance.now() - this.#start) * 1000)) {
      return;
    }
    const found = this.#ready(again) === true;
    if (this.#looks.isWorthIt(again, found)) process.nextTick(() => this.#look(true));
  }
}
