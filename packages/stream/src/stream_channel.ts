import type { Duplex } from 'node:stream';
import { async_chat } from '@asyncore/chat';
import { type channel_map, endpoint, run_as_handler, type timer } from '@asyncore/core';
import { POLLHUP, POLLIN, POLLOUT } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { duplex_transport } from './duplex_transport.js';

/** So much is done at once, so that other streams get their turn. */
const MOST_EVENTS = 16;
/** How often in its `timeout` it is looked whether there was progress. */
const LOOKS = 10;

/**
 * An `async_chat` over any Duplex that carries bytes: a TLSSocket, a process's standard input and output, a
 * `socket_stream`. The stream's events drive it, so it is in no map and needs no loop. `close` destroys
 * the stream. What `handle_error` throws ends the loop on `map`; without such a loop it is thrown as an
 * uncaught exception.
 */
export class stream_channel extends async_chat<duplex_transport> {
  #isDue = false;
  #timer: timer | null = null;
  #limit = 0;
  readonly #isMade = true;

  /** @throws TypeError unless `stream` is a Duplex of bytes (not of objects or strings) */
  constructor(stream: Duplex, map: channel_map | null = null) {
    super(new duplex_transport(stream), map);
    this._changed();
  }

  /** The stream under the channel. */
  get stream(): Duplex | null {
    return this.socket?.stream ?? null;
  }

  // In no map: there is no descriptor to wait for.

  override add_channel(): void {
    this._fileno = null;
  }

  override del_channel(): void {
    this._fileno = null;
  }

  // ---- in the place of the loop ----

  override _changed(): void {
    if (!(#isMade in this) || this.#isDue) return;
    this.#isDue = true;
    process.nextTick(() => {
      this.#isDue = false;
      if (this.socket !== null) run_as_handler(this, () => this.#serve());
    });
  }

  #serve(): void {
    this.#watchTime();
    for (let i = 0; i < MOST_EVENTS; i++) if (!this.#event()) return;
    setImmediate(() => this._changed());
  }

  /** One event, if there is one. */
  #event(): boolean {
    const known = this[endpoint];
    const { socket } = this;
    if (socket === null || known.closed || known.over) return false;
    const events = known.interest();
    if (events & POLLIN && socket.canReceive) this.handle_read_event();
    else if (events & POLLOUT && socket.canSend) this.handle_write_event();
    else if (events & POLLHUP && socket.isGone) known.end(POLLHUP, false);
    else return false;
    return true;
  }

  /** `timeout`, and the time that an end may take. */
  #watchTime(): void {
    const { limit } = this[endpoint];
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#timer?.cancel();
    this.#timer = null;
    if (limit > 0) this.#timer = this.call_every(limit / LOOKS, () => this.#look());
  }

  #look(): void {
    const known = this[endpoint];
    if (known.patience(clock.now()) <= 0) known.impatient();
  }
}
