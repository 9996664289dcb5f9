/** How long a listener rests, in milliseconds, when the system is out of descriptors or memory. */
const REST = 100;

/** What a dispatcher needs only to listen. */
export class Listening {
  /** How many of those it has accepted, and counted, are open. */
  connections = 0;
  /** An exception in handle_accepted is being handled, which must not close the listener. */
  sparing = false;
  /** Being out of descriptors was logged, and nothing accepted since. */
  exhausted = false;
  /** No accepting before this time. The timer tells a loop, passes look. */
  #rest: { until: number; timer: NodeJS.Timeout } | null = null;

  isResting(): boolean {
    return this.#rest !== null && performance.now() < this.#rest.until;
  }

  /** Calls `rested` when it is over. */
  rest(rested: () => void): void {
    this.restNoMore();
    const timer = setTimeout(() => {
      this.#rest = null;
      rested();
    }, REST);
    this.#rest = { until: performance.now() + REST, timer };
  }

  restNoMore(): void {
    clearTimeout(this.#rest?.timer);
    this.#rest = null;
  }
}
