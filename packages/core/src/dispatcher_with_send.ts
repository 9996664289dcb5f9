import type { Socket } from '@asyncore/socket';
import { dispatcher, type socket_like } from './dispatcher.js';
import { gather } from './handling.js';
import { bytes, output_queue } from './output_queue.js';
import { settle_predicates } from './plumbing.js';

/** The queue of every channel that has not sent anything yet. */
const EMPTY = new output_queue();

/**
 * A dispatcher with simple buffered output: `send` takes everything, and what the kernel does not
 * take at once goes out when there is room.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher_with_send
 */
export class dispatcher_with_send<S extends socket_like = Socket> extends dispatcher<S> {
  #queue = EMPTY;
  /** Its output goes out when the running handler returns. */
  #gathered = false;
  #sending = false;
  /** The peer will send no more; the channel closes when everything is sent. */
  #ending = false;
  /** So it does after close_when_done, and takes no more. */
  #done = false;
  #refused = false;

  /** What is still to be sent. Reading it joins the chunks. */
  get out_buffer(): Buffer {
    return Buffer.concat(this.#queue.next(Infinity, Infinity));
  }

  /** Assigning replaces it; a TypeError for what is not bytes. */
  set out_buffer(data: Uint8Array) {
    this.#queue = new output_queue();
    this.#queue.push(bytes(data));
    this._changed();
  }

  /** Tries once to send what is waiting. */
  initiate_send(): void {
    this.#gathered = false;
    // What a wrapped socket's send lets be sent meanwhile comes after.
    if (this.#sending || !this.connected) return;
    if (this.#queue.length > 0) this.#sendOnce();
    if ((this.#ending || this.#done) && this.#queue.length === 0) this.handle_close_event();
  }

  #sendOnce(): void {
    this.#sending = true;
    try {
      this.#queue.consume(this._send_chunks(this.#queue.next()));
    } finally {
      this.#sending = false;
    }
    this._changed();
  }

  /** As much as the kernel takes. */
  #sendAll(): void {
    let before: number;
    do {
      before = this.#queue.length;
      this.initiate_send();
    } while (this.#queue.length < before);
  }

  override handle_write(): void {
    this.initiate_send();
  }

  override writable(): boolean {
    if (!this.connected) return this._awaits_connection;
    return this.#queue.length > 0 || this.#done;
  }

  /**
   * Queues `data`, which must not be changed until it is sent. It goes out with all else that a
   * handler sends when that returns, at once when sent from elsewhere, and no later than `close`.
   */
  override send(data: Uint8Array): number {
    if (this.debug) this.log_info(`sending ${data}`);
    if (this.#done) {
      if (!this.#refused) this.log_info(`send after close_when_done is refused: ${this}`, 'error');
      this.#refused = true; // once: a peer may bring on any number of them
      return 0;
    }
    const waiting = this.#queue.length > 0;
    const chunk = bytes(data);
    if (this.#queue === EMPTY) this.#queue = new output_queue();
    this.#queue.push(chunk);
    // Behind what the kernel had no room for, it goes out when there is room.
    if (!this.#gathered && !waiting) {
      this.#gathered = gather(this);
      if (!this.#gathered) this.initiate_send();
    }
    return chunk.length;
  }

  /** Closes the channel once everything is sent. What is sent after this is refused, and logged. */
  close_when_done(): void {
    this.closing = this.#done = true;
    this.#refused = false;
    this._changed();
  }

  /** The peer may have ended its half only (`nc -N`): the default closes once everything is sent. */
  override handle_eof(): void {
    this.#ending = this.#queue.length > 0;
    if (!this.#ending) super.handle_eof();
  }

  override _send_last(): void {
    this.#ending = false;
    if (this.#done) this.closing = this.#done = false;
    this.#sendAll();
  }
}

settle_predicates(dispatcher_with_send.prototype, 'writable');
