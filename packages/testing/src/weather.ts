/** How a network may be, beside the plain case, which is the first of each list. */

/** Milliseconds that something takes. */
const LATENCIES = [0.05, 0, 0.3, 1, 7, 40, 200, 1500];
/** From here on it is slow, which a run can be so often and no more: none is slow for ever. */
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
