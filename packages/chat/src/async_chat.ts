import {
  bytes,
  dispatcher,
  gather,
  handling,
  output_queue,
  outside,
  type Socket,
  settle,
  settle_predicates,
  type socket_like,
} from '@asyncore/core';
import { encoded, encoding } from './encoding.js';
import { producer_fifo } from './producer_fifo.js';
import type { Producer } from './running_producer.js';
import {
  type Terminator,
  type terminator_consumer,
  terminator_matcher,
} from './terminator_matcher.js';

/** Sends of `ac_out_buffer_size` in one go, so that other channels get their turn. */
const MOST_SENDS = 16;
const MOST_CHUNKS = 64;

type Text = string;

/**
 * A channel for protocols of commands and responses: what comes in is handed to
 * `collect_incoming_data`, and `found_terminator` is called at each terminator; what goes out is
 * queued, bytes and producers alike.
 *
 * https://docs.python.org/3.11/library/asynchat.html#asynchat.async_chat
 */
export class async_chat<S extends socket_like = Socket> extends dispatcher<S> {
  /** What one recv(2) asks for, in bytes. */
  ac_in_buffer_size = 65536;
  /** What one send(2) is given at most, in bytes. */
  ac_out_buffer_size = 65536;
  /** More bytes than this waiting to be sent and `push` returns false; 0: no limit. */
  ac_out_high_water = 0;
  /** The most bytes to collect before a terminator (see `handle_overflow`); 0: no limit. */
  max_incoming = 0;
  /** Whether strings may be pushed; they are encoded as `encoding`. */
  use_encoding: boolean | number = false;
  /** Any encoding of Node's; Python's spelling will do, `'latin-1'`. */
  encoding = 'latin1';
  /** What `_collect_incoming_data` has collected. */
  incoming: Buffer[] = [];

  readonly #matcher = new terminator_matcher(new Consumer(this));
  /** What is still to be sent: bytes, and behind them, from the first producer on, the rest. */
  #queue = new output_queue();
  #fifo = new producer_fifo(() => outside(this, () => this.initiate_send()));
  /** `push` has said no, and the channel does not read. */
  #full = false;
  #sending = false;
  /** The output goes out when the running handler returns. */
  #gathered = false;
  /** The peer will send no more; the channel closes when everything is sent. */
  #ending = false;
  /** The channel is closing right now. */
  #leaving = false;

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
    this.incoming.push(data);
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

  override handle_read(): void {
    const data: Buffer | Text = this.recv(this.ac_in_buffer_size);
    // A recv of the subclass's own may give a string, as in asynchat.
    this.#matcher.feed(typeof data === 'string' ? encoded(data, this.encoding) : data);
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

  /**
   * Queues bytes, which must not be changed until they are sent. They go out together with all else
   * that a handler pushes when that returns, at once when pushed from elsewhere, and no later than
   * `close`. Returns whether no more than `ac_out_high_water` bytes are waiting now; after false
   * `handle_drain` follows.
   *
   * @throws TypeError for what is not bytes; a string needs `use_encoding`
   */
  push(data: ArrayBufferView | Text): boolean {
    const chunk = typeof data === 'string' && this.use_encoding ? data : bytes(data as Uint8Array);
    if (this.#refuses('push')) return false;
    const isWaiting = this.#isWaiting();
    if (this.#fifo.length > 0) {
      this.#fifo.push(typeof chunk === 'string' ? encoded(chunk, this.encoding) : chunk);
    } else if (typeof chunk === 'string') {
      this.#queue.push_text(chunk, encoding(this.encoding));
    } else {
      this.#queue.push(chunk);
    }
    if (!isWaiting) this.#sendSoon();
    this.#heedHighWater();
    return !this.#full;
  }

  /**
   * Queues what `producer` gives, asked for piece by piece as it can be sent: an object with
   * `more()`, or anything to iterate over, also asynchronously; or bytes. What it throws goes to
   * `handle_error`; when the channel closes first, its `return()` is called.
   *
   * @throws TypeError for what is no producer
   */
  push_with_producer(producer: Producer | ArrayBufferView): void {
    if (this.#refuses('push_with_producer')) return;
    const isWaiting = this.#isWaiting();
    if (ArrayBuffer.isView(producer)) this.#fifo.push(bytes(producer));
    else this.#fifo.push(producer ?? (undefined as never)); // null would mean close_when_done
    if (!isWaiting) this.#sendSoon();
  }

  /** Closes the channel once everything is sent. What is pushed after this is refused. */
  close_when_done(): void {
    this.closing = true;
    this.#refused = false;
    this.#fifo.push(null);
    this._changed();
  }

  /** That was logged. */
  #refused = false;

  #refuses(method: string): boolean {
    if (this.closing && !this.#refused) {
      this.#refused = true; // once: a peer may bring on any number of them
      this.log_info(`${method} after close_when_done is refused: ${this}`, 'error');
    }
    return this.closing;
  }

  /** Bytes pushed and not yet sent; those that a producer may still give do not count. */
  #unsent(): number {
    return this.#fifo.byteLength + this.#queue.length;
  }

  /** Something is queued: what comes behind it goes out when there is room for it. */
  #isWaiting(): boolean {
    return this.#queue.length > 0 || this.#fifo.length > 0;
  }

  #heedHighWater(): void {
    if (!(this.ac_out_high_water > 0 && this.#unsent() > this.ac_out_high_water)) return;
    this.#full = true;
    this.#matcher.pause(); // what was received already would bring more answers
    this._changed();
  }

  /** After `push` has returned false: no more than half of `ac_out_high_water` is left, push on. */
  handle_drain(): void {}

  #isDrained(): boolean {
    return this.#full && this.#unsent() <= this.ac_out_high_water / 2;
  }

  #drain(): void {
    if (!this.#isDrained() || !this.connected) return;
    this.#full = false;
    settle(this, this.handle_drain());
    if (!this.#full) this.#matcher.resume();
  }

  #sendSoon(): void {
    if (this.#gathered) return;
    this.#gathered = gather(this);
    if (!this.#gathered) this.initiate_send();
  }

  /**
   * Sends what the kernel takes. It may be called from within itself: `send`, a producer or a handler
   * may push, close or discard, and what they change counts from there on.
   */
  initiate_send(): void {
    this.#gathered = false;
    if (this.#sending) return;
    this.#sending = true;
    try {
      handling(this, async_chat.#send);
    } finally {
      this.#sending = false;
    }
    this._changed();
  }

  static #send(chat: async_chat<socket_like>): void {
    chat.#sendQueued();
  }

  #sendQueued(): void {
    for (let sends = 0; sends < MOST_SENDS && this.connected; sends++) {
      const isLast = this.#fill();
      if (this.#queue.length > 0) {
        if (!this.#sendOnce()) return;
      } else {
        if (isLast && !this.#leaving) this.handle_close_event();
        return;
      }
    }
  }

  /** Pulls the next bytes into the queue, enough for one send. Whether nothing comes behind them. */
  #fill(): boolean {
    try {
      while (this.#queue.length < this.ac_out_buffer_size) {
        const piece = this.#fifo.pull(this.use_encoding ? this.encoding : null);
        if (piece === null) return this.#ending;
        if (typeof piece === 'string') return piece === 'close';
        this.#queue.push(piece);
      }
    } catch (error) {
      this.#sendOnce(); // what a producer gave before it failed
      throw error;
    }
    return false;
  }

  /** Whether the kernel has taken all it was given, and may take more. */
  #sendOnce(): boolean {
    const queue = this.#queue;
    if (queue.length === 0) return false;
    const chunks = queue.next(MOST_CHUNKS, this.ac_out_buffer_size);
    const given = chunks.reduce((sum, { length }) => sum + length, 0);
    const sent = this.#sendChunks(chunks);
    queue.consume(sent); // that queue, which may have been discarded meanwhile
    return sent === given;
  }

  #sendChunks(chunks: readonly Uint8Array[]): number {
    if (this.send === dispatcher.prototype.send) return this._send_chunks(chunks);
    return this.send(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  }

  /** Forgets what has been received and what was to be sent: for emergencies. */
  discard_buffers(): void {
    this.#matcher.discard();
    this.incoming = [];
    this.closing = false;
    this.#forgetOutput();
  }

  #forgetOutput(): void {
    this.#fifo.end();
    this.#queue = new output_queue();
    this._changed();
  }

  // ---- the channel ----

  override readable(): boolean {
    return !this.#full;
  }

  override writable(): boolean {
    if (!this.connected) return this._awaits_connection;
    if (this.#queue.length > 0 || this.#isDrained()) return true;
    return this.#fifo.length > 0 ? !this.#fifo.waiting : this.#ending;
  }

  override get _is_handing_on(): boolean {
    return this.#matcher.running;
  }

  override handle_write(): void {
    this.initiate_send();
    // Here, so that one channel whose peer reads as fast as it pushes does not keep all others waiting.
    this.#drain();
  }

  /** The peer may have ended its half only (`nc -N`): the default closes once everything is sent. */
  override handle_eof(): void {
    this.#ending = this.#isWaiting();
    if (!this.#ending) super.handle_eof();
  }

  override handle_close(): void {
    this.close();
  }

  /** Whoever closes knows: that the peer is gone, which sending the rest may show, is no news. */
  override handle_close_event(): void {
    if (!this.#leaving) super.handle_close_event();
  }

  /** Closes the channel at once. What was pushed still goes out, as far as the kernel takes it. */
  override close(): void {
    const { socket } = this;
    this.#leaving = true;
    try {
      this.#sendAll();
    } finally {
      this.#leaving = false;
      // Unless a handler has begun another connection.
      if (this.socket === socket) this.#close();
    }
  }

  #sendAll(): void {
    let before: number;
    do {
      before = this.#queue.length;
      this.initiate_send();
    } while (this.#queue.length < before);
  }

  #close(): void {
    this.#forgetOutput();
    this.#matcher.reset();
    this.#full = this.#ending = this.closing = false;
    super.close();
  }
}

settle_predicates(async_chat.prototype, 'readable', 'writable');

/** Between the matcher and the channel, whose methods may be async. */
class Consumer implements terminator_consumer {
  readonly #chat: async_chat<socket_like>;

  constructor(chat: async_chat<socket_like>) {
    this.#chat = chat;
  }

  get max_incoming(): number {
    return this.#chat.max_incoming;
  }

  collect_incoming_data(data: Buffer): void {
    settle(this.#chat, this.#chat.collect_incoming_data(data));
  }

  found_terminator(): void {
    settle(this.#chat, this.#chat.found_terminator());
  }

  handle_overflow(): void {
    settle(this.#chat, this.#chat.handle_overflow());
    this.#chat.incoming = [];
  }
}
