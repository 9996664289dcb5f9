import type { ByteQueue } from './byte_queue.js';
import { C, E, RCV } from './numbers.js';
import type { Options } from './options.js';

/**
 * The urgent byte that one end of a connection was told of: tcp(7). It stays in the stream, as a mark
 * at which reading stops, and is left out when it is read past, unless SO_OOBINLINE is set.
 */
export class Urgent {
  /** 'announced': it has not arrived. 'read': it was, out of band, and the mark is still there. */
  state: 'none' | 'announced' | 'there' | 'read' = 'none';
  /** The byte's place in the stream, and its value once it has arrived. */
  #at = 0;
  #byte = 0;

  constructor(
    readonly input: ByteQueue,
    readonly options: Options,
  ) {}

  get #isInline(): boolean {
    return this.options.isOn(C.SOL_SOCKET, C.SO_OOBINLINE);
  }

  /** The byte at place `at` of the stream is urgent. */
  announce(at: number): void {
    if (at < this.input.end) return;
    if (this.state !== 'none' && at <= this.#at) return;
    if (this.isNext) this.input.skip(1); // the one before, at which reading had stopped, is left out
    this.state = 'announced';
    this.#at = at;
  }

  /** More has arrived. */
  look(): void {
    if (this.state !== 'announced' || this.input.end <= this.#at) return;
    const found = new Uint8Array(1);
    this.input.copy(found, 1, this.#at - this.input.start);
    this.arrived(found[0]);
  }

  /** The byte that was announced has arrived. */
  arrived(byte: number): void {
    this.#byte = byte;
    this.state = 'there';
  }

  /** Whether the next byte is the mark, which reading leaves out. */
  get isNext(): boolean {
    if (this.state === 'none' || this.#isInline) return false;
    return this.#at === this.input.start && this.input.length > 0;
  }

  /** How many bytes there are to read before reading stops at the mark. */
  get before(): number {
    const distance = this.#at - this.input.start;
    return this.state !== 'none' && distance > 0 ? distance : Infinity;
  }

  /** The answer of FIONREAD. */
  get unread(): number {
    const { length, start, end } = this.input;
    const isAhead = this.state !== 'none' && this.#at >= start && this.#at < end;
    return isAhead && !this.#isInline ? this.#at - start : length;
  }

  /** Something was read. A mark that has been passed is no mark any more. */
  passed(): void {
    if (this.state !== 'none' && this.input.start > this.#at) this.state = 'none';
  }

  forget(): void {
    this.state = 'none';
  }

  /** recv(2) with MSG_OOB: 1 and the byte, or the negative errno. */
  receive(into: Uint8Array, length: number, flags: number, socket: Ending): number {
    if (this.#isInline || this.state === 'none' || this.state === 'read') return -E.EINVAL;
    if (socket.state === 'closed' && !socket.atEnd) return -E.ENOTCONN;
    if (this.state === 'announced') {
      return socket.state === 'closed' || socket.shut & RCV ? 0 : -E.EAGAIN;
    }
    if (!(flags & C.MSG_PEEK)) this.state = 'read';
    if (length === 0) return 0;
    into[0] = this.#byte;
    return 1;
  }
}

/** The part of a socket that shows whether more can come. */
interface Ending {
  readonly state: string;
  readonly atEnd: boolean;
  readonly shut: number;
}
