/** Something that will happen at a moment of virtual time. */
export interface Event {
  /** In milliseconds. */
  readonly at: number;
  readonly number: number;
  readonly action: () => void;
  /** Whether it was cancelled. */
  cancelled: boolean;
}

/**
 * The events that are to come, ordered by time. Of two for the same moment, the one that was added first
 * comes first.
 */
export class EventQueue {
  #heap: Event[] = [];
  #count = 0;

  add(at: number, action: () => void): Event {
    const event = { at, number: this.#count++, action, cancelled: false };
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent], event)) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = event;
    return event;
  }

  /** The time of the next event, Infinity if there is none. */
  get next(): number {
    while (this.#heap.length > 0 && this.#heap[0].cancelled) this.take();
    return this.#heap.length > 0 ? this.#heap[0].at : Infinity;
  }

  /** Removes and returns the next event. */
  take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (isBefore(last, heap[child])) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}
