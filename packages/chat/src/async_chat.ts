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
import { producer_fifo } from './producer_fifo.js';
import { type Producer, running_producer } from './running_producer.js';
import {
  type encoded_terminator,
  type Terminator,
  type terminator_consumer,
  terminator_matcher,
} from './terminator_matcher.js';

type Text = string;

/**
 * A channel for protocols of commands and responses. Input goes to `collect_incoming_data`, and at each
 * terminator the channel calls `found_terminator`. Output is queued, both bytes and producers.
 *
 * https://docs.python.org/3.11/library/asynchat.html#asynchat.async_chat
 */
export class async_chat<S extends Transport = Socket> extends dispatcher<S> {
  // As in Python, the class has the defaults. A subclass or an instance may set its own values.

  /** The most bytes that one recv(2) asks for. Default 65536. */
  declare ac_in_buffer_size: number;
  /** The most bytes that one send(2) is given. Default 65536. */
  declare ac_out_buffer_size: number;
  /**
   * The most bytes that may wait to be sent before `push` returns false and the channel stops reading. See
   * `handle_drain`. Default 0: no limit.
   */
  declare ac_out_high_water: number;
  /** The most bytes to collect before a terminator; one more calls `handle_overflow`. Default 0: no limit. */
  declare max_incoming: number;
  /** Whether `push` and producers may give strings, which are encoded as `encoding` says. Default false. */
  declare use_encoding: boolean | number;
  /** The encoding of strings: any of Node's, also in Python's spelling (`'latin-1'`). Default 'latin1'. */
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

  /** The pieces that `_collect_incoming_data` has collected. */
  incoming: Buffer[] = [];

  readonly #matcher = new terminator_matcher(new Consumer(this));
  /** The attribute `terminator` of the class or the instance, when it was last read. */
  #attribute: unknown;
  /** How many input handlers have returned promises that are pending. Parsing waits for them. */
  #pending = 0;

  // ---- input ----

  /**
   * Receives the next piece of input, which is never empty. A subclass must override it: call
   * `_collect_incoming_data(data)` to keep everything up to the terminator.
   */
  collect_incoming_data(_data: Buffer): void {
    throw new Error(`${this.constructor.name} must have a collect_incoming_data`);
  }

  /**
   * The terminator was found: the input up to it is complete, and `_get_data()` returns it if it was
   * collected. A subclass must override this method.
   */
  found_terminator(): void {
    throw new Error(`${this.constructor.name} must have a found_terminator`);
  }

  /** Adds `data` to `incoming`, for `_get_data`. */
  _collect_incoming_data(data: Buffer): void {
    collect(this.incoming, data);
  }

  /** Returns what was collected as one buffer, and empties `incoming`. */
  _get_data(): Buffer {
    const pieces = this.incoming;
    this.incoming = [];
    const [first] = pieces;
    // A small piece would keep the whole block alive that it was received in.
    const whole = pieces.length === 1 && first.byteLength * 2 >= first.buffer.byteLength;
    return whole ? first : Buffer.concat(pieces);
  }

  /**
   * Sets what ends the next piece of input:
   *
   * - bytes or a string;
   * - a list of these: the one that begins first counts, and of two that begin at the same place the longer;
   * - a number of bytes;
   * - null: nothing ends it, and everything is collected.
   *
   * Set in `found_terminator`, it also holds for input that was received already.
   *
   * @throws TypeError for anything else, RangeError for a number that is negative or not whole
   */
  set_terminator(term: Terminator): void {
    const asBytes = (item: Uint8Array | Text) =>
      typeof item === 'string' ? encoded(item, this.encoding) : item;
    if (typeof term === 'string') this.#matcher.terminator = asBytes(term);
    else if (Array.isArray(term)) this.#matcher.terminator = term.map(asBytes);
    else this.#matcher.terminator = term as encoded_terminator; // which it checks
  }

  /** The terminator in force. For a number it is how many bytes are still missing: 0 once it was reached. */
  get_terminator(): encoded_terminator {
    return this.#matcher.terminator;
  }

  // Some Python programs set the attribute `terminator` of an instance or of the class. It is not
  // declared, so that a class may have a field of that name, which then hides this accessor.
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

  /** Takes over a terminator that was set as a field or on the prototype. */
  #takeAttribute(): void {
    const value = (this as { terminator?: unknown }).terminator;
    if (value === this.#matcher.terminator || value === this.#attribute) return;
    this.#attribute = value;
    this.set_terminator(value as Terminator); // which checks it
  }

  /** Receives and hands on what came. When nothing has, it returns, as asynchat's does. */
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
    // A subclass's own recv may return a string, as in asynchat.
    this.#matcher.feed(typeof data === 'string' ? encoded(data, this.encoding) : data);
  }

  /**
   * Takes what an input handler returned. While that is a pending promise the channel parses nothing more;
   * what comes meanwhile is parsed afterwards, in order, as after a Python handler that blocked.
   */
  _input_handled(result: unknown): void {
    this.#takeAttribute(); // it also holds for what was received already
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
   * More than `max_incoming` bytes came without a terminator. The default logs that and closes. If an
   * override leaves the channel open, everything up to and including the next terminator is discarded, and
   * `incoming` is emptied.
   */
  handle_overflow(): void {
    this.log_info(`more than ${this.max_incoming} bytes without a terminator: ${this}`, 'error');
    this.handle_close_event();
  }

  // ---- output ----

  override _output(): Output {
    return this[endpoint].makeOutput();
  }

  /** The queue in which producers wait, made when the first one comes. */
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
   * Queues bytes to be sent. They are not copied, so they must not change until they are sent. What a
   * handler pushes goes out together when the handler returns; what is pushed from elsewhere goes out at
   * once; `close` sends what is left, as far as the kernel takes it. On a datagram or SEQPACKET socket
   * each push is a message of its own.
   *
   * Returns true while no more than `ac_out_high_water` bytes wait to be sent. After it has returned
   * false, `handle_drain` is called once enough has gone out. After `close`, `close_when_done` or
   * `shutdown` the channel refuses the bytes, logs that once and returns false.
   *
   * @throws TypeError for anything but bytes; a string needs `use_encoding`
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
   * Queues a producer: an object with `more()`, or anything to iterate over, also asynchronously (a
   * stream, a generator). The channel asks it for the next piece when there is room to send it. What the
   * producer throws goes to `handle_error`. If the channel closes first, or refuses it, it calls the
   * producer's `return()` and destroys a stream. Bytes are taken too, as by `push`. A `file_producer` goes
   * out by sendfile(2) where that is possible; if it fails the channel is closed.
   *
   * @throws TypeError for anything else
   */
  push_with_producer(producer: Producer | ArrayBufferView): void {
    const output = this._output();
    if (output.refuses('push_with_producer')) {
      if (!ArrayBuffer.isView(producer)) new running_producer(producer, () => {}).end();
      return;
    }
    const { isWaiting } = output;
    this.#fifoOf(output).push(ArrayBuffer.isView(producer) ? bytes(producer) : producer);
    output.given(isWaiting);
  }

  override get _sends_itself(): boolean {
    return (
      this.send === dispatcher.prototype.send &&
      this._send_chunks === async_chat.prototype._send_chunks
    );
  }

  /**
   * Closes the channel once everything is sent and the peer has ended too, or `linger_time` has passed.
   * What is pushed after this is refused and logged. Input still comes to `found_terminator`: return
   * there if `this.closing`. A datagram socket without a peer closes in the next pass, and what was pushed
   * before it had one is lost.
   */
  close_when_done(): void {
    this.closing = true;
    this._output().closeWhenOut();
  }

  /**
   * The queue has emptied to half of `ac_out_high_water` after `push` returned false, so there is room to
   * push more. The default does nothing.
   */
  handle_drain(): void {}

  #drain(): void {
    const { output } = this[endpoint];
    if (!output?.isDrained(this.ac_out_high_water) || !this.connected) return;
    output.drained();
    settle(this, this.handle_drain());
    this.#resume();
  }

  /** Sends what is queued, as far as the kernel takes it now. The channel does this by itself. */
  initiate_send(): void {
    this[endpoint].output?.send();
  }

  /** Sends several chunks in one call, or by the subclass's own `send` if it has one. */
  override _send_chunks(chunks: readonly Uint8Array[]): number {
    if (this.send === dispatcher.prototype.send) return super._send_chunks(chunks);
    const data = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const sent: unknown = this.send(data); // a subclass's may forget to return it
    if (typeof sent === 'number' && sent >= 0 && sent <= data.length) return sent;
    throw new TypeError(`send of ${this.constructor.name} must return the number of bytes sent`);
  }

  /** Drops all input that was received and all output that is queued: an emergency stop. */
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
    if (!this.connected) return this[endpoint].awaitsConnection;
    const { output } = this[endpoint];
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
    // Here rather than in a loop, so that a peer that reads as fast as we push does not hold up other channels.
    this.#drain();
  }

  override handle_close(): void {
    this.close();
  }

  /** Closes the channel at once. What was pushed is sent first, as far as the kernel takes it; the rest is lost. */
  override close(): void {
    const { life } = this[endpoint];
    super.close();
    if (this[endpoint].life === life) this.#matcher.reset();
  }
}

announce_changes(async_chat.prototype, 'readable', 'writable');

/** Passes what the matcher finds to the channel, whose methods may be async. */
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
