import { wrong } from '@asyncore/core';

/**
 * A producer of one string or byte array, in pieces of `buffer_size`: asynchat's own example of one.
 */
export class simple_producer<T extends string | Uint8Array = string | Uint8Array> {
  /** What is left. */
  data: T;
  /** The most bytes, or characters of a string, in a piece. */
  buffer_size: number;

  /** @throws TypeError when `data` is neither, RangeError when `buffer_size` is not a whole number above 0 */
  constructor(data: T, buffer_size = 512) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw wrong.type(`data must be bytes or a string: got ${typeof data}`);
    }
    if (!Number.isInteger(buffer_size) || buffer_size < 1) {
      throw wrong.range(`buffer_size must be a whole number above 0: got ${buffer_size}`);
    }
    this.data = data;
    this.buffer_size = buffer_size;
  }

  /** The next piece; an empty one when there are no more. */
  more(): T {
    const piece = cut(this.data, 0, this.buffer_size);
    this.data = cut(this.data, this.buffer_size);
    return piece;
  }
}

// A view, where Python copies what is left for every piece.
function cut<T extends string | Uint8Array>(data: T, from: number, to?: number): T {
  return (typeof data === 'string' ? data.slice(from, to) : data.subarray(from, to)) as T;
}
