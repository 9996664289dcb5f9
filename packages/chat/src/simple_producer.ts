import { wrong } from '@asyncore/core';

/**
 * A producer of one string or byte array, in pieces of `buffer_size`: asynchat's own example of one.
 */
export class simple_producer<T extends string | Uint8Array = string | Uint8Array> {
  /** What is left. */
  data: T;
  /**
   * The most bytes, or UTF-16 code units of a string, in a piece. A character of two of these is never
   * cut: it goes into the next piece, or with a `buffer_size` of 1 is a piece of its own.
   */
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
    const end = endOfPiece(this.data, this.buffer_size);
    const piece = cut(this.data, 0, end);
    this.data = cut(this.data, end);
    return piece;
  }
}

function endOfPiece(data: string | Uint8Array, size: number): number {
  if (typeof data !== 'string' || !isWithinPair(data, size)) return size;
  return size > 1 ? size - 1 : 2;
}

/** Whether a cut there would leave two halves of a character, neither of which can be encoded. */
function isWithinPair(text: string, at: number): boolean {
  return isHigh(text.charCodeAt(at - 1)) && isLow(text.charCodeAt(at));
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

// A view, where Python copies what is left for every piece.
function cut<T extends string | Uint8Array>(data: T, from: number, to?: number): T {
  return (typeof data === 'string' ? data.slice(from, to) : data.subarray(from, to)) as T;
}
