/** A connection: requests are parsed where they lie, in whatever pieces they come. */
import { async_chat } from '@asyncore/chat';
import type { Socket } from '@asyncore/socket';
import type { Bytes } from './bytes.js';
import { execute } from './commands.js';
import { words } from './words.js';

// Redis's own limits, in bytes; and as many arguments as it took before version 7.
const LONGEST_LINE = 64 * 1024;
const LONGEST_BULK = 512 * 1024 * 1024;
const LONGEST_REQUEST = 1024 * 1024 * 1024;
const MOST_ARGUMENTS = 1024 * 1024;

/** Longer bulk strings are received into memory of their own. */
const LONG = 64 * 1024;

export class RedisHandler extends async_chat {
  #args: Bytes[] = [];
  /** How many arguments of the request have come, how many it has, and their bytes. */
  #given = 0;
  #count = 0;
  #size = 0;
  /** What was cut off at the end of a chunk: a line, a bulk string with the line before it … */
  #cut = '';
  /** … or a long bulk string, and how much of it has come. */
  #long: Buffer | null = null;
  #filled = 0;

  constructor(sock: Socket) {
    super(sock);
    this.use_encoding = true; // latin1: a character is a byte
    this.ac_out_high_water = 1024 * 1024;
  }

  collect_incoming_data(data: Buffer) {
    if (this.closing) return;
    if (this.#long !== null) this.#filled += data.copy(this.#long, this.#filled);
    else if (this.get_terminator() === null) this.#parse(data.toString('latin1'));
    else this.#cut += data.toString('latin1');
  }

  #parse(text: string): void {
    let at = 0;
    while (at < text.length && !this.closing) {
      const next = text.indexOf('\n', at) + 1;
      if (next === 0) {
        this.#awaitLine(text.slice(at));
        return;
      }
      if (this.#count > 0) {
        at = this.#bulk(text, at, next);
      } else {
        if (text[at] === '*') this.#begin(numberIn(text, at, next));
        else this.#inline(text.slice(at, next));
        at = next;
      }
    }
  }

  #begin(count: number): void {
    if (!(count <= MOST_ARGUMENTS)) {
      this.#refuse('invalid multibulk length');
    } else if (count > 0) {
      this.#count = count;
      this.#args = new Array(Math.min(count, 100)); // growing an array costs more than filling it
    }
  }

  /** Takes the bulk string whose line is at `at`, and gives the place behind it. */
  #bulk(text: string, at: number, start: number): number {
    const length = numberIn(text, at, start);
    const end = start + length;
    if (text[at] !== '$') this.#refuse(`expected '$', got '${text[at]}'`);
    else if (!(length >= 0 && length <= LONGEST_BULK)) this.#refuse('invalid bulk length');
    else if (end + 2 <= text.length) this.#argument(text.slice(start, end));
    else if (length <= LONG) this.#awaitRest(text.slice(at), end + 2 - text.length);
    else this.#awaitLong(text.slice(start), length);
    return end + 2;
  }

  #awaitLine(cut: string): void {
    this.#cut = cut;
    this.max_incoming = LONGEST_LINE - cut.length;
    if (this.max_incoming > 0) this.set_terminator('\n');
    else this.handle_overflow();
  }

  #awaitRest(cut: string, missing: number): void {
    this.#cut = cut;
    this.set_terminator(missing);
  }

  #awaitLong(cut: string, length: number): void {
    this.#long = Buffer.allocUnsafeSlow(length + 2);
    this.#filled = this.#long.write(cut, 'latin1');
    this.set_terminator(length + 2 - this.#filled);
  }

  found_terminator() {
    const { max_incoming } = this;
    this.max_incoming = 0;
    this.set_terminator(null);
    if (this.#long !== null) {
      this.#argument(this.#long.subarray(0, -2));
      this.#long = null;
    } else {
      this.#parse(max_incoming > 0 ? `${this.#cut}\n` : this.#cut);
    }
  }

  handle_overflow() {
    const count = this.#cut.startsWith('*') ? 'mbulk count string' : 'inline request';
    this.#refuse(`too big ${this.#count > 0 ? 'bulk count string' : count}`);
  }

  #argument(bytes: Bytes): void {
    this.#args[this.#given++] = bytes;
    this.#size += bytes.length;
    if (this.#size > LONGEST_REQUEST) {
      this.close();
    } else if (this.#given === this.#count) {
      this.#given = this.#count = this.#size = 0;
      execute(this, this.#args);
    }
  }

  #inline(line: string): void {
    const args = words(line);
    if (args === null) this.#refuse('unbalanced quotes in request');
    else if (args.length > 0) execute(this, args);
  }

  #refuse(reason: string): void {
    this.error(`Protocol error: ${reason}`);
    this.close_when_done();
  }

  // ---- answers ----

  status(text: string) {
    this.push(`+${text}\r\n`);
  }

  error(text: string) {
    this.push(`-ERR ${text.replaceAll(/[\r\n]/g, ' ')}\r\n`);
  }

  integer(number: number | bigint) {
    this.push(`:${number}\r\n`);
  }

  bulk(bytes: Bytes | undefined) {
    if (bytes === undefined) {
      this.push('$-1\r\n');
    } else if (typeof bytes === 'string') {
      this.push(`$${bytes.length}\r\n${bytes}\r\n`);
    } else {
      this.push(`$${bytes.length}\r\n`);
      this.push(bytes);
      this.push('\r\n');
    }
  }

  array(items: Bytes[]) {
    this.push(`*${items.length}\r\n`);
    for (const item of items) this.bulk(item);
  }
}

/** The number in a line like '*3\r\n', that at `at` and before `next`; NaN if it is none. */
function numberIn(text: string, at: number, next: number): number {
  let number = 0;
  for (let i = at + 1; i < next - 2; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9) || (number === 0 && i > at + 1)) {
      return /^.-[1-9]\d*\r$/s.test(text.slice(at, next - 1)) ? -1 : Number.NaN;
    }
    number = number * 10 + digit;
  }
  return next - at > 3 && text[next - 2] === '\r' ? number : Number.NaN;
}
