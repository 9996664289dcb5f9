import {
  announce_changes,
  bytes,
  dispatcher,
  endpoint,
  handling,
  type Output,
  run_as_handler,
  type Socket,
  settle,
  type Transport,
} from '@asyncore/core';
import { collect } from './collected.js';
import { encoded, encoding } from './encoding.js';
import { file_producer } from './file_producer.js';
import { producer_fifo } from './producer_fifo.js';
import type { Producer } from './running_producer.js';
import {
  type Terminator,
  type terminator_consumer,
  terminator_matcher,
} from './terminator_matcher.js';

type Text = string;

/**
 * A channel for protocols of commands and responses: what comes in is handed to
 * `collect_incoming_data`, and `found_terminator` is called at each terminator; what goes out is
 * queued, bytes and producers alike.
 *
 * https://docs.python.org/3.11/library/asynchat.html#asynchat.async_chat
 */
export class async_chat<S extends Transport = Socket> extends dispatcher<S> {
  // As in Python, the class has the usual values: a subclass or an instance may set its own.

  /** What one recv(2) asks for, in bytes. Default 65536. */
  declare ac_in_buffer_size: number;
  /** What one send(2) is given at most, in bytes. Default 65536. */
  declare ac_out_buffer_size: number;
  /** More bytes than this waiting to be sent and `push` returns false; 0: no limit. Default 0. */
  declare ac_out_high_water: number;
  /** The most bytes to collect before a terminator (see `handle_overflow`); 0: no limit. Default 0. */
  declare max_incoming: number;
  /** Whether strings may be pushed; they are encoded as `encoding`. Default false. */
  declare use_encoding: boolean | number;
  /** Any encoding of Node's; Python's spelling will do, `'latin-1'`. Default 'latin1'. */
  declare encoding: string;

  static {
    Object.assign(async_chat.prototype, {
      ac_in_buffer_size: 65536,
      ac_out_buffer_size: 65536,
      ac_out_high_water: 0,
      max_incoming: 0,
      use_encoding: false,
      encoding: 'latin1',
    } satisfies Partial<async_chat>);
  }

  /** What `_collect_incoming_data` has collected. */
  incoming: Buffer[] = [];

  readonly #matcher = new terminator_matcher(new Consumer(this));
  /** The attribute `terminator` of the class or the instance, as it was last taken. */
  #attribute: unknown;
  /** A handler of the input is waiting for a promise, or there is too much output: no parsing. */
  #pending = 0;

  // ---- input ----

  /** Some of the input, never none. A subclass must override it, for one with the method below. */
  collect_incoming_data(_data: Buffer): void {
    throw new Error(`${this.constructor.name} must have a collect_incoming_data`);
  }

  /** The terminator was found. A subclass must override it. */
  found_terminator(): void {
    throw new Error(`${this.constructor.name} must have a found_terminator`);
  }

  /** Collects `data` in `incoming`. */
  _collect_incoming_data(data: Buffer): void {
    collect(this.incoming, data);
  }

  /** What was collected, and forgets it. */
  _get_data(): Buffer {
    const pieces = this.incoming;
    this.incoming = [];
    const [first] = pieces;
    // A small piece would keep the whole block alive that it was received in.
    const whole = pieces.length === 1 && first.byteLength * 2 >= first.buffer.byteLength;
    return whole ? first : Buffer.concat(pieces);
  }

  /**
   * What ends the next piece of input: bytes or a string, several of such (the earliest counts, of
   * those the longest), a number of bytes, or null for nothing: everything is collected. Set in
   * `found_terminator` it holds for what has already been received.
   *
   * @throws TypeError for anything else, RangeError for a number that is negative or not whole
   */
  set_terminator(term: Terminator | Text | readonly (Uint8Array | Text)[]): void {
    const asBytes = (item: Uint8Array | Text) =>
      typeof item === 'string' ? encoded(item, this.encoding) : item;
    if (typeof term === 'string') this.#matcher.terminator = asBytes(term);
    else if (Array.isArray(term)) this.#matcher.terminator = term.map(asBytes);
    else this.#matcher.terminator = term as Terminator; // which it checks
  }

  /** The terminator in force; of a number, what is left of it: 0 once it was reached. */
  get_terminator(): Terminator {
    return this.#matcher.terminator;
  }

  // Some Python programs set the attribute `terminator`, of an instance or the class. It is not
  // declared, so that a class may have it as a field, which then hides the accessor here.
  static {
    Object.defineProperty(async_chat.prototype, 'terminator', {
      configurable: true,
      get(this: async_chat) {
        return #matcher in this ? this.get_terminator() : undefined;
      },
      set(this: async_chat, value: Terminator) {
        if (#matcher in this) this.set_terminator(value);
        else Object.defineProperty(this, 'terminator', { value, writable: true }); // a prototype
      },
    });
  }

  /** Takes what a field of the class, or its prototype, has as terminator. */
  #takeAttribute(): void {
    const value = (this as { terminator?: unknown }).terminator;
    if (value === this.#matcher.terminator || value === this.#attribute) return;
    this.#attribute = value;
    this.set_terminator(value as Terminator); // which checks it
  }

  /** Receives, and hands on what comes. When there is nothing it returns, as asynchat's does. */
  override handle_read(): void {
    let data: Buffer | Text;
    try {
      data = this.recv(this.ac_in_buffer_size);
    } catch (error) {
      const { code } = Object(error) as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return;
      throw error;
    }
    this.#takeAttribute();
    // A recv of the subclass's own may give a string, as in asynchat.
    this.#matcher.feed(typeof data === 'string' ? encoded(data, this.encoding) : data);
  }

  /**
   * What a method of the input gave. While it is a promise that is pending, nothing more is parsed,
   * and what comes is parsed afterwards, in order: a Python handler that blocks does just so.
   */
  _input_handled(result: unknown): void {
    this.#takeAttribute(); // it holds for what has already been received
    const { life } = this[endpoint];
    const isPending = settle(this, result, undefined, () => {
      if (this[endpoint].life === life) handling(this, () => this.#goOn());
    });
    if (!isPending) return;
    this.#pending += 1;
    this.#matcher.pause();
    this._changed();
  }

  #goOn(): void {
    this.#pending -= 1;
    this.#takeAttribute();
    this.#resume();
  }

  #resume(): void {
    if (this.#pending === 0 && !this.#isFull && this.connected) this.#matcher.resume();
  }

  get #isFull(): boolean {
    return this[endpoint].output?.isFull === true;
  }

  /**
   * More than `max_incoming` bytes came without a terminator. The default logs and closes. A channel
   * that stays open gets nothing up to and including the next terminator, and `incoming` is emptied.
   */
  handle_overflow(): void {
    this.log_info(`more than ${this.max_incoming} bytes without a terminator: ${this}`, 'error');
    this.handle_close_event();
  }

  // ---- output ----

  override _output(): Output {
    return this[endpoint].makeOutput();
  }

  /** Where producers wait, made when the first one comes. */
  #fifoOf(output: Output): producer_fifo {
    output.source ??= new producer_fifo(
      () => run_as_handler(this, () => this.initiate_send()),
      () => (this.use_encoding ? this.encoding : null),
    );
    return output.source as producer_fifo; // nobody else makes one
  }

  override get _send_size(): number {
    return this.ac_out_buffer_size;
  }

  /**
   * Queues bytes, which must not be changed until they are sent. They go out together with all else
   * that a handler pushes when that returns, at once when pushed from elsewhere, and no later than
   * `close`. On a socket that keeps message borders each push is a message. Returns whether no more
   * than `ac_out_high_water` bytes are waiting now; after false `handle_drain` follows. After `close`,
   * `close_when_done` or `shutdown` a push is refused with a line in the log, and false comes back.
   *
   * @throws TypeError for what is not bytes; a string needs `use_encoding`
   */
  push(data: ArrayBufferView | Text): boolean {
    const chunk = typeof data === 'string' && this.use_encoding ? data : bytes(data as Uint8Array);
    const output = this._output();
    if (output.refuses('push', chunk.length)) return false;
    const { isWaiting } = output;
    if (output.source !== null && output.source.length > 0) {
      this.#fifoOf(output).push(typeof chunk === 'string' ? encoded(chunk, this.encoding) : chunk);
    } else if (typeof chunk === 'string') {
      output.queue.push_text(chunk, encoding(this.encoding));
    } else {
      output.queue.push(chunk);
    }
    output.given(isWaiting);
    if (output.mayGoOn(this.ac_out_high_water)) return true;
    this.#matcher.pause(); // what was received already would bring more answers
    this._changed();
    return false;
  }

  /**
   * Queues what `producer` gives, asked for piece by piece as it can be sent: an object with
   * `more()`, or anything to iterate over, also asynchronously; or bytes. What it throws goes to
   * `handle_error`; when the channel closes first, its `return()` is called. A `file_producer` goes out
   * by sendfile(2) where that can be; one that fails closes the channel, and one that is refused is closed.
   *
   * @throws TypeError for what is no producer
   */
  push_with_producer(producer: Producer | ArrayBufferView): void {
    const output = this._output();
    if (output.refuses('push_with_producer')) {
      if (producer instanceof file_producer) producer.return();
      return;
    }
    const { isWaiting } = output;
    this.#fifoOf(output).push(ArrayBuffer.isView(producer) ? bytes(producer) : producer);
    output.given(isWaiting);
  }

  /** Files only where a subclass does not see to what is sent. */
  override get _sends_files(): boolean {
    const isOurs =
      this.send === dispatcher.prototype.send &&
      this._send_chunks === async_chat.prototype._send_chunks;
    return isOurs && super._sends_files;
  }

  /**
   * Closes the channel once everything is sent and the peer has ended too, or `linger_time` is over.
   * What is pushed after this is refused, and logged.
   */
  close_when_done(): void {
    this.closing = true;
    this._output().closeWhenOut();
  }

  /** After `push` has returned false: no more than half of `ac_out_high_water` is left, push on. */
  handle_drain(): void {}

  #drain(): void {
    const { output } = this[endpoint];
    if (!output?.isDrained(this.ac_out_high_water) || !this.connected) return;
    output.drained();
    settle(this, this.handle_drain());
    this.#resume();
  }

  /** Sends what the kernel takes. It may be called from within whatever it calls. */
  initiate_send(): void {
    this[endpoint].output?.send();
  }

  /** A subclass may have a `send` of its own. */
  override _send_chunks(chunks: readonly Uint8Array[]): number {
    if (this.send === dispatcher.prototype.send) return super._send_chunks(chunks);
    return this.send(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  }

  /** Forgets what has been received and what was to be sent: for emergencies. */
  discard_buffers(): void {
    this.#matcher.discard();
    this.incoming = [];
    this.closing = false;
    this[endpoint].output?.discard();
    this[endpoint].forgetEnd();
  }

  // ---- the channel ----

  override readable(): boolean {
    return this.#pending === 0 && !this.#isFull;
  }

  override writable(): boolean {
    const { output, awaitsConnection } = this[endpoint];
    if (!this.connected) return awaitsConnection;
    return output !== null && (output.wantsRoom || output.isDrained(this.ac_out_high_water));
  }

  override get _holds_input(): boolean {
    return this.#matcher.running || this.#pending > 0;
  }

  override _take_input(): Buffer {
    return this.#matcher.take();
  }

  override _begin(): void {
    this.#matcher.reset();
    this.#pending = 0;
    this.incoming = [];
  }

  override handle_write(): void {
    this.initiate_send();
    // Here, so that one channel whose peer reads as fast as it pushes does not keep all others waiting.
    this.#drain();
  }

  override handle_close(): void {
    this.close();
  }

  /** Closes the channel at once. What was pushed still goes out, as far as the kernel takes it. */
  override close(): void {
    const { life } = this[endpoint];
    super.close();
    if (this[endpoint].life === life) this.#matcher.reset();
  }
}

announce_changes(async_chat.prototype, 'readable', 'writable');

/** Between the matcher and the channel, whose methods may be async. */
class Consumer implements terminator_consumer {
  readonly #chat: async_chat<Transport>;

  constructor(chat: async_chat<Transport>) {
    this.#chat = chat;
  }

  get max_incoming(): number {
    return this.#chat.max_incoming;
  }

  collect_incoming_data(data: Buffer): void {
    this.#chat._input_handled(this.#chat.collect_incoming_data(data));
  }

  found_terminator(): void {
    this.#chat._input_handled(this.#chat.found_terminator());
  }

  handle_overflow(): void {
    this.#chat._input_handled(this.#chat.handle_overflow());
    this.#chat.incoming = [];
  }
}
