import { isNativeError } from 'node:util/types';
import { condensed, type file_range, wrong } from '@asyncore/core';
import { encoded } from './encoding.js';
import { file_producer } from './file_producer.js';

/** Bytes as a producer gives them, or a string where an encoding is known. */
export type Piece = NodeJS.ArrayBufferView | string;

/**
 * Where outgoing data comes from, piece by piece: asynchat's producers, whose `more()` gives nothing
 * (no bytes, or null) when there are no more; and what can be iterated over, such as a generator, a
 * stream, the body of a response. A piece must not change once it was given.
 */
export type Producer =
  | {
      /** The next piece; nothing when there are no more. */
      more(): Piece | null | undefined;
      /** Called when the channel closes before that. */
      return?(): unknown;
    }
  | Iterable<Piece>
  | AsyncIterable<Piece>;

type Result = IteratorResult<Piece, unknown>;

interface Pieces {
  next(): Result | PromiseLike<Result>;
  return?(): unknown;
}

/** Asks a producer for its pieces one at a time, and for none before it is needed. */
export class running_producer {
  /** A piece was asked for and has not come yet. */
  waiting = false;
  /** What it is the producer of, if that is a file. */
  readonly file: file_range | null;

  private readonly producer: Producer;
  private readonly ready: () => void;
  private readonly pieces: Pieces;
  /** How a piece that was waited for has come: this returns it, or throws why there is none. */
  private outcome: (() => Result) | null = null;
  private running = false;
  private ended = false;
  /** The first half of a character, whose second half the next string begins with. */
  private half = '';

  /**
   * @param ready called when it is time to `pull` again after `'wait'`, from a turn of its own
   * @throws TypeError when `producer` is not a producer
   */
  constructor(producer: Producer, ready: () => void) {
    this.producer = producer;
    this.ready = ready;
    this.pieces = piecesOf(producer);
    this.file = producer instanceof file_producer ? producer._range : null;
    // A stream may fail before it is asked. Its iterator throws the error later, but if nobody listened
    // now, the error would end the process.
    if (isStream(producer)) producer.on('error', () => {});
  }

  /**
   * The next piece, null when there are no more, or `'wait'`.
   *
   * @param encoding for a producer that gives strings; null if it may not
   * @throws what the producer throws or rejects with, and TypeError when it gives no bytes; it is
   * then at its end
   */
  pull(encoding: string | null): Uint8Array | 'wait' | null {
    if (this.ended) return null;
    // When `next` itself has led to this call, the call of `next` that is under way gives the piece.
    if (this.waiting || this.running) return 'wait';
    const result = this.result();
    if (result === 'wait') return 'wait';
    if (this.ended) return null;
    try {
      return result.done ? this.rest(encoding) : this.bytesOf(result.value, encoding);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  private bytesOf(piece: Piece, encoding: string | null): Uint8Array {
    if (typeof piece === 'string' && encoding !== null) {
      const text = this.half + piece;
      this.half = isHigh(text.at(-1)) ? text.slice(-1) : '';
      return encoded(text.slice(0, text.length - this.half.length), encoding);
    }
    const bytes = bytesOf(piece);
    const before = bytes.length > 0 ? this.takeHalf(encoding) : null;
    return before === null ? bytes : Buffer.concat([before, bytes]);
  }

  /** After the last piece. */
  private rest(encoding: string | null): Uint8Array | null {
    const bytes = this.takeHalf(encoding);
    this.ended = bytes !== null;
    return bytes;
  }

  private takeHalf(encoding: string | null): Uint8Array | null {
    if (this.half === '') return null;
    const text = this.half;
    this.half = '';
    return encoded(text, encoding ?? 'utf8');
  }

  /** Ends the producer, whatever it has still to give: calls its `return()`, and destroys a stream. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    if (!this.running) this.close();
  }

  private result(): Result | 'wait' {
    const outcome = this.outcome;
    this.outcome = null;
    try {
      return outcome === null ? this.ask() : outcome();
    } catch (error) {
      this.ended = true;
      throw error;
    }
  }

  private ask(): Result | 'wait' {
    this.running = true;
    try {
      const result = this.pieces.next();
      if (!('then' in result)) return result;
      this.waiting = true;
      Promise.resolve(result).then(
        (value) => this.arrive(() => value),
        (error) =>
          this.arrive(() => {
            throw error;
          }),
      );
      return 'wait';
    } finally {
      this.running = false;
      // `end` was called within `next`, where a generator cannot be returned from yet.
      if (this.ended) this.close();
    }
  }

  private arrive(outcome: () => Result): void {
    this.waiting = false;
    this.outcome = outcome;
    if (!this.ended) this.ready();
  }

  private close(): void {
    // An iterator that has not begun, or that waits for data, would leave its stream open. One that
    // is returned from first has the stream emit an AbortError, from Node 26 on.
    if (isStream(this.producer)) this.producer.destroy();
    try {
      Promise.resolve(this.pieces.return?.()).catch(warn);
    } catch (error) {
      warn(error);
    }
  }
}

function piecesOf(producer: Producer): Pieces {
  if (typeof producer === 'object' && producer !== null && !ArrayBuffer.isView(producer)) {
    if ('more' in producer) return classic(producer);
    if (Symbol.asyncIterator in producer) return producer[Symbol.asyncIterator]();
    if (Symbol.iterator in producer) return producer[Symbol.iterator]();
  }
  throw wrong.type('producer must have a method more() or be an iterable of bytes');
}

function classic(producer: { more(): Piece | null | undefined; return?(): unknown }): Pieces {
  return {
    return: () => producer.return?.(),
    next() {
      const value = producer.more();
      const nothing = value === null || value === undefined || sizeOf(value) === 0;
      return nothing ? { done: true, value } : { done: false, value };
    },
  };
}

/** Whether it is the first half of a character that takes two code units of UTF-16. */
function isHigh(unit = ''): boolean {
  return unit >= '\ud800' && unit < '\udc00';
}

function bytesOf(piece: Piece): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  if (ArrayBuffer.isView(piece)) {
    return new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
  }
  if (typeof piece !== 'string') throw wrong.type(`a producer gave ${typeof piece}, not bytes`);
  throw wrong.type('a producer gave a string: encode it, or set use_encoding');
}

function sizeOf(piece: Piece): number {
  return typeof piece === 'string' ? piece.length : piece.byteLength;
}

function isStream(producer: object): producer is NodeJS.ReadableStream & { destroy(): void } {
  return 'on' in producer && 'destroy' in producer;
}

// A warning, since the channel is closed and has no handler to call.
function warn(error: unknown): void {
  process.emitWarning(isLegible(error) ? error : condensed(error));
}

/** Whether it is an error that Node can print later, when nothing would catch what a getter or a Proxy throws. */
function isLegible(error: unknown): error is Error {
  try {
    return isNativeError(error) && `${error.name}${error.message}${error.stack}` !== '';
  } catch {
    return false;
  }
}
