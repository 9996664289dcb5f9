/** Line ends of type A, which are '\n' on the disk and '\r\n' on the way. The one is the other's reverse. */

const CR = 0x0d;

/** Makes '\r\n' of each '\n'. */
export function withLineEnds(data: Buffer): Buffer {
  return Buffer.from(data.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
}

/** Makes '\n' of each '\r\n', wherever it is cut in two. */
export class LineEnds {
  #held = false;

  /** What is known of it now; a '\r' at the end is kept back. */
  take(data: Buffer): Buffer {
    const whole = this.#held ? Buffer.concat([Buffer.of(CR), data]) : data;
    this.#held = whole.at(-1) === CR;
    const known = this.#held ? whole.subarray(0, -1) : whole;
    return Buffer.from(known.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
  }

  /** What was kept back, when nothing more comes. */
  rest(): Buffer {
    return this.#held ? Buffer.of(CR) : Buffer.alloc(0);
  }
}
