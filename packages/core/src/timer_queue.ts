import { clock } from '@asyncore/socket/kernel';
import type { channel_map } from './channel.js';

/** The longest that a timer of Node's can wait, in milliseconds. */
const LONGEST = 0x7fffffff;

/** Something that is to happen at a time. */
export interface Due {
  /** When, by the clock, in milliseconds. */
  at: number;
  /** Of two for the same time the one with the smaller number comes first. */
  turn: number;
  /** Its place in the queue; -1 when it is not there. */
  place: number;
  /** `isPass`: a synchronous pass calls, out of which errors are thrown. */
  happen(isPass: boolean): void;
}

/**
 * The timers of a map's channels: a binary heap, the next on top, with one timer of Node's for all of
 * them, which keeps no process alive. To put in, to move and to take out cost the logarithm of their number.
 */
export class TimerQueue {
  static readonly #queues = new WeakMap<channel_map, TimerQueue>();

  readonly #heap: Due[] = [];
  #turns = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When Node's timer goes off. */
  #wakesAt = Infinity;
  #clock = clock;

  static of(map: channel_map): TimerQueue {
    const known = TimerQueue.#queues.get(map);
    if (known !== undefined) return known;
    const made = new TimerQueue();
    TimerQueue.#queues.set(map, made);
    return made;
  }

  /** That of `map`, if a channel of it has had a timer. */
  static known(map: channel_map): TimerQueue | undefined {
    return TimerQueue.#queues.get(map);
  }

  /** Lets `due` happen at a time, or now if that is past, and not when it was to before. */
  put(due: Due, at: number): void {
    if (due.place >= 0) this.remove(due);
    due.at = Math.max(at, clock.now());
    due.turn = ++this.#turns;
    this.#heap.push(due);
    this.#rise(due, this.#heap.length - 1);
    if (this.#heap[0] === due) this.#wake();
  }

  remove(due: Due): void {
    const { place } = due;
    if (place < 0) return;
    due.place = -1;
    const last = this.#heap.pop() as Due; // `due` is in the heap
    if (last === due) return;
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  /** The milliseconds until the next is due. */
  untilNext(): number {
    return this.#heap.length === 0 ? Infinity : Math.max(0, this.#heap[0].at - clock.now());
  }

  /** Lets happen what is due now. What is put in meanwhile waits for the next time. */
  run(isPass: boolean): void {
    const now = clock.now();
    const last = this.#turns;
    try {
      for (;;) {
        const next = this.#heap.at(0);
        if (next === undefined || next.at > now || next.turn > last) return;
        this.remove(next);
        next.happen(isPass);
      }
    } finally {
      this.#wake();
    }
  }

  /** Sets Node's timer, unless it goes off early enough. One that is early only looks again. */
  #wake(): void {
    const [next] = this.#heap;
    if (this.#clock !== clock) {
      this.#clock.clearTimeout(this.#timer);
      this.#clock = clock;
      this.#wakesAt = Infinity;
    }
    if (next === undefined || next.at >= this.#wakesAt) return;
    this.#wakesAt = next.at;
    clock.clearTimeout(this.#timer);
    const milliseconds = Math.min(Math.ceil(this.untilNext()), LONGEST);
    this.#timer = clock.setTimeout(this.#woken, milliseconds).unref();
  }

  #woken = (): void => {
    this.#wakesAt = Infinity;
    this.run(false);
  };

  #rise(due: Due, from: number): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (isBefore(heap[parent], due)) break;
      heap[place] = heap[parent];
      heap[place].place = place;
      place = parent;
    }
    heap[place] = due;
    due.place = place;
  }

  #sink(due: Due, from: number): void {
    const heap = this.#heap;
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (isBefore(due, heap[child])) break;
      heap[place] = heap[child];
      heap[place].place = place;
      place = child;
    }
    heap[place] = due;
    due.place = place;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.turn < b.turn);
}
