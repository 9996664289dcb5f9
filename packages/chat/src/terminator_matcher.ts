import { inspect } from 'node:util';
import { wrong } from '@asyncore/core';
import { collect, copied } from './collected.js';
import { find_prefix_at_end } from './find_prefix_at_end.js';
import { endingsAfter, equalBytes, needle_list } from './needle_list.js';

/**
 * What ends a piece of input: these bytes or this text, any of several such, that number of bytes, or
 * nothing (`null`, 0, no bytes, an empty list: everything is collected).
 */
export type Terminator = encoded_terminator | string | readonly (Uint8Array | string)[];
/** The same without text, as `get_terminator` gives it. */
export type encoded_terminator = Uint8Array | readonly Uint8Array[] | number | null;

/** What a `terminator_matcher` calls with what it finds. */
export interface terminator_consumer {
  /**
   * The most bytes to collect before a terminator; 0 is any number. Nothing past it is handed on.
   * What is collected while no terminator is set does not count.
   */
  readonly max_incoming: number;
  /** Some bytes, never none: a view of those fed, or a copy where that would keep many more in memory. */
  collect_incoming_data(data: Buffer): void;
  /** What was collected is complete. */
  found_terminator(): void;
  /**
   * One byte more than `max_incoming` has come. Everything up to the terminator, and the terminator,
   * is now discarded without a word, whatever is set meanwhile: that is the terminator for what
   * follows. After a number that would be 0, so its successor is to be set here.
   */
  handle_overflow(): void;
}

/** A terminator made ready to be looked for: 0 is none. */
type Searched = Uint8Array | needle_list | number;

const NO_BYTES = Buffer.alloc(0);
/** Keeping a chunk of this size, in bytes, costs too little memory to matter. */
const SMALL = 2048;
const NO_ENDINGS: readonly Uint8Array[] = [];

/**
 * Divides bytes at terminators by asynchat's rules. It knows nothing of sockets.
 *
 * Data is handed on as soon as it can no longer be part of a terminator, so that no more is kept than
 * the terminator's length less one. How the input was cut into chunks makes no difference to what is
 * collected between two terminators, only to how many calls bring it.
 *
 * Of a list, the terminator that begins first counts, and of those that begin at the same place the
 * longest. With `['\r', '\r\n']` a line is nevertheless complete as soon as `\r` has come, for its
 * sender may be waiting for an answer; a `\n` that comes next, in this chunk or a later one, is passed
 * as the rest of the terminator. Only a terminator inside of another has to wait until the outer one
 * fails: with `['abcd', 'bc']`, of "xabc" no more than "x" is certain.
 *
 * Everything may be called from within the consumer's methods and takes effect at once. A terminator
 * set there holds for all bytes behind those reported; but one set in `collect_incoming_data` comes
 * too late for the terminator that has been found behind those data, if it has. What is fed there is
 * looked at after the method has returned. What a method throws leaves `feed` or `resume`, and the
 * bytes not yet reported wait for the next call of either.
 */
export class terminator_matcher {
  private readonly consumer: terminator_consumer;

  private given: encoded_terminator = null;
  private wanted: Searched = 0;
  /** After an overflow: everything up to and including this terminator is discarded. */
  private skipping: Searched = 0;

  private buffer: Buffer = NO_BYTES;
  private start = 0;
  /** What was fed behind the buffer. */
  private waiting: Buffer[] = [];
  private collected = 0;
  /** Whether one of the consumer's methods is running. */
  running = false;
  private paused = false;

  /** What `locate` found: where the data ends, where to go on, and whether a terminator lies between. */
  private end = 0;
  private next = 0;
  private located = false;

  /** A terminator was passed and is not yet reported. */
  private matched = false;
  /** If one of these comes next, it is the rest of the terminator that was passed. */
  private endings = NO_ENDINGS;

  /** With no terminator set: all that is fed goes to `consumer`. */
  constructor(consumer: terminator_consumer) {
    this.consumer = consumer;
  }

  /** The terminator in force; of a number, what is left of it: 0 once it was reached. */
  get terminator(): encoded_terminator {
    return typeof this.given === 'number' ? (this.wanted as number) : this.given;
  }

  /**
   * Takes another one.
   *
   * @throws TypeError when it is anything but bytes, a list of them, a number or null
   * @throws RangeError when it is a number that is negative or not whole
   */
  set terminator(term: encoded_terminator) {
    this.wanted = searched(term);
    this.given = term;
  }

  /** How many bytes are kept: those that may begin a terminator, or that came during a pause. */
  get kept(): number {
    return this.waiting.reduce((sum, { length }) => sum + length, this.buffer.length - this.start);
  }

  /** Takes the next bytes, which must not change afterwards, and reports what they bring. */
  feed(data: Uint8Array): void {
    collect(this.waiting, asBuffer(data));
    if (this.running || this.paused) return;
    // First, so that a terminator changed since is looked for in all there is now.
    this.refill();
    this.parse();
  }

  /** Reports nothing more until `resume`. */
  pause(): void {
    this.paused = true;
  }

  /** Reports what the bytes kept bring. */
  resume(): void {
    this.paused = false;
    this.parse();
  }

  /**
   * Drops the bytes that are kept. As with asynchat's `discard_buffers`, a terminator that came before them
   * is still reported, and the rest of an over-long line is still discarded.
   */
  discard(): void {
    // What comes now follows on the dropped bytes, so it cannot be the rest of the terminator.
    if (this.kept > 0) this.endings = NO_ENDINGS;
    this.drop();
  }

  /** Takes out the bytes that are kept, as `discard` drops them. */
  take(): Buffer {
    const kept = Buffer.concat([this.buffer.subarray(this.start), ...this.waiting]);
    this.discard();
    return kept;
  }

  /** Forgets everything but the terminator, since the stream is over and another may begin. */
  reset(): void {
    this.drop();
    this.paused = false;
    this.matched = false;
    this.skipping = 0;
    this.endings = NO_ENDINGS;
  }

  private drop(): void {
    this.buffer = NO_BYTES;
    this.start = 0;
    this.waiting = [];
    this.collected = 0;
  }

  private parse(): void {
    if (this.running) return;
    this.running = true;
    try {
      while (!this.paused && (this.report() || this.advance() || this.refill()));
    } finally {
      this.running = false;
    }
  }

  /** Reports the terminator that was passed; returns false if there is none. */
  private report(): boolean {
    if (this.endings.length > 0) this.lengthen();
    if (!this.matched) return false;
    this.matched = false;
    this.collected = 0;
    this.consumer.found_terminator();
    return true;
  }

  /** Passes the bytes that make the terminator before them a longer one, as far as they have come. */
  private lengthen(): void {
    while (this.endings.length > 0 && this.start < this.buffer.length) {
      const { buffer, start } = this;
      const left = buffer.length - start;
      const ending = this.endings.find(
        (ending) => equalBytes(buffer, start, ending) === Math.min(ending.length, left),
      );
      if (ending !== undefined && ending.length > left) return;
      this.endings = ending === undefined ? NO_ENDINGS : endingsAfter(ending, this.endings);
      this.start += ending === undefined ? 0 : ending.length;
    }
  }

  /** Goes on to the end of the data, or behind the terminator; returns false if that takes more bytes. */
  private advance(): boolean {
    if (this.start === this.buffer.length || this.endings.length > 0) return false;
    return this.skipping === 0 ? this.collect(this.wanted) : this.skip(this.skipping);
  }

  private locate(term: Searched): void {
    const { buffer, start } = this;
    if (typeof term === 'number') {
      // 1) so many bytes, or with 0 all there are
      this.located = term > 0 && buffer.length - start >= term;
      this.end = this.located ? start + term : buffer.length;
      this.next = this.end;
    } else if (term instanceof Uint8Array) {
      // 2) these bytes: what may be their beginning is held back
      const index = find(buffer, term, start);
      this.located = index !== -1;
      this.end = this.located
        ? index
        : buffer.length - find_prefix_at_end(buffer.subarray(start), term);
      this.next = this.located ? index + term.length : this.end;
    } else {
      // 3) the first of several: what may be its beginning is held back
      this.end = term.find(buffer, start);
      this.located = term.found !== null;
      this.next = term.found === null ? this.end : this.end + term.found.length;
    }
  }

  private collect(term: Searched): boolean {
    this.locate(term);
    const { start } = this;
    if (term !== 0 && this.end - start > this.room()) {
      if (this.room() < 1) return this.overflow(term);
      // First what there is room for. The next turn finds the rest, and no room.
      this.end = this.next = start + this.room();
      this.located = false;
    }

    const { end, next } = this;
    this.pass(term);
    if (typeof term === 'number') this.wanted = Math.max(term - (end - start), 0);
    if (term !== 0) this.collected += end - start;
    this.matched = this.located;
    // Last, since the consumer may change any of this.
    if (end > start) this.consumer.collect_incoming_data(this.piece(start, end));
    return next > start;
  }

  /**
   * The bytes to hand on. The beginning of a line may be kept for long, so a few bytes are copied, or they
   * would keep the large chunk that they came in.
   */
  private piece(start: number, end: number): Buffer {
    const { buffer } = this;
    const piece = view(buffer, start, end);
    const isScrap = buffer.length > SMALL && piece.length * 2 < buffer.length;
    return this.located || !isScrap ? piece : copied(piece);
  }

  private skip(term: Searched): boolean {
    this.locate(term);
    const passed = this.next - this.start;
    this.pass(term);
    if (typeof term === 'number') this.skipping = term - passed;
    else if (this.located) this.skipping = 0;
    return passed > 0;
  }

  private pass(term: Searched): void {
    this.start = this.next;
    if (this.located && term instanceof needle_list) this.endings = term.endings;
  }

  private room(): number {
    const { max_incoming } = this.consumer;
    if (typeof max_incoming === 'number' && max_incoming > 0) {
      return Math.floor(max_incoming) - this.collected;
    }
    return withoutLimit(max_incoming);
  }

  private overflow(term: Searched): true {
    this.skipping = term;
    if (typeof term === 'number') this.wanted = 0;
    this.collected = 0;
    this.consumer.handle_overflow();
    return true;
  }

  /** Joins what was fed meanwhile to what is held back; returns false if nothing was fed. */
  private refill(): boolean {
    const { waiting } = this;
    const rest = view(this.buffer, this.start, this.buffer.length);
    this.start = 0;
    if (waiting.length === 0) {
      this.buffer = rest.length === 0 ? NO_BYTES : copied(rest);
      return false;
    }
    this.waiting = [];
    if (rest.length === 0 && waiting.length === 1) [this.buffer] = waiting;
    else this.buffer = Buffer.concat([rest, ...waiting]);
    return true;
  }
}

function searched(term: encoded_terminator): Searched {
  if (typeof term === 'number') {
    if (Number.isInteger(term) && term >= 0) return term;
    throw wrong.range(`term must be a whole number of bytes, 0 or more: got ${term}`);
  }
  if (term === null) return 0;
  if (term instanceof Uint8Array) return term.length === 0 ? 0 : term;
  if (!Array.isArray(term)) {
    const got = inspect(term, { depth: 0, breakLength: Infinity });
    throw wrong.type(`term must be bytes, a string, a list of these, a number or null: got ${got}`);
  }
  for (const each of term as readonly unknown[]) {
    if (!(each instanceof Uint8Array) || each.length === 0) {
      throw wrong.type('term, when it is a list, must hold bytes, and none of them empty');
    }
  }
  return term.length === 0 ? 0 : new needle_list(term);
}

/** What `max_incoming` means when it is no number above 0: only 0 and null are no limit. */
function withoutLimit(value: unknown): number {
  if (value === 0 || value === null || value === undefined) return Infinity;
  throw wrong.range(
    `max_incoming must be a number of bytes, 0 or more (0 is no limit): got ${inspect(value)}`,
  );
}

/** Looks at some bytes before it asks `indexOf`: with short lines that call is what takes time. */
function find(buffer: Buffer, needle: Uint8Array, from: number): number {
  const ends = buffer.length - needle.length + 1;
  const near = Math.min(from + 32, ends);
  for (let at = from; at < near; at += 1) {
    if (buffer[at] === needle[0] && equalBytes(buffer, at, needle) === needle.length) return at;
  }
  return near < ends ? buffer.indexOf(needle, near) : -1;
}

/** Like `subarray`, but free when the result is empty or the whole buffer. */
function view(buffer: Buffer, start: number, end: number): Buffer {
  if (start === end) return NO_BYTES;
  return start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
