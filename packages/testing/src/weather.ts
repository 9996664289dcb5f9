/** How a network may behave. The first entry of each list is the plain case. */

/** Milliseconds that something takes. */
const LATENCIES = [0.05, 0, 0.3, 1, 7, 40, 200, 1500];
/** Delays from here on count as slow. A run may have only a limited number of them. */
const SLOW = 4;
const MOST_SLOW = 30;
/** Bytes in a send or receive buffer. */
const BUFFERS = [1 << 17, 4608, 1000, 64, 7, 1];

/** Turns decisions into delays and sizes. */
export class Weather {
  #slow = MOST_SLOW;

  constructor(
    readonly choose: (n: number, label: string) => number,
    /** Notes what is not plain. */
    readonly note: (what: string) => void,
  ) {}

  latency(kind: string): number {
    const chosen = this.choose(this.#slow > 0 ? LATENCIES.length : SLOW, kind);
    if (chosen >= SLOW) this.#slow -= 1;
    if (chosen > 0) this.note(`${kind} takes ${LATENCIES[chosen]} ms`);
    return LATENCIES[chosen];
  }

  buffer(which: string): number {
    const chosen = this.choose(BUFFERS.length, which);
    if (chosen > 0) this.note(`${which} of ${BUFFERS[chosen]} bytes`);
    return BUFFERS[chosen];
  }
}
