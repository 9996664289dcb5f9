import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, state_of, unread_of } from '@asyncore/socket';
import type { channel } from './channel.js';
import type { Endpoint, Watcher } from './endpoint.js';
import { settle } from './handlers/handling.js';

/** An object in a map that is no dispatcher: it is served by its methods alone. */
export class PlainEndpoint implements Endpoint {
  watcher: Watcher | null = null;
  readonly over = false;
  readonly life = 0;
  readonly announces = false;
  readonly limit = 0;
  /** The events whose handlers gave promises that are pending. */
  #busy = 0;
  /** The connection ended while a promise was pending: handle_close is called afterwards. */
  #isEndPutOff = false;

  constructor(
    readonly channel: channel & { socket?: { fileno?(): number } | null },
    readonly fd: number,
  ) {}

  interest(): number {
    const { channel } = this;
    const readable = channel.readable();
    const writable = channel.writable() && !channel.accepting;
    const events = (readable ? POLLIN | POLLPRI : 0) | (writable ? POLLOUT | POLLPRI : 0);
    return events & ~this.#busy;
  }

  /**
   * The handler for `events` gave a promise. Until that is settled, these events are not waited
   * for.
   */
  run(promise: PromiseLike<unknown>, events: number, watcher: Watcher): void {
    this.#busy |= events;
    settle(this.channel, promise, undefined, () => {
      this.#busy &= ~events;
      watcher.changed();
      if (this.#isEndPutOff && this.#busy === 0) this.#endNow();
    });
  }

  #endNow(): void {
    this.#isEndPutOff = false;
    if ((this.state() & (POLLERR | POLLHUP)) !== 0 && this.unread() === 0) this.end();
  }

  wants(events: number): number {
    return events;
  }

  ready(events: number): number {
    return events;
  }

  descriptor(): number | undefined {
    return this.channel.socket?.fileno?.();
  }

  state(): number {
    return state_of(this.fd);
  }

  unread(): number {
    return unread_of(this.fd);
  }

  takes(): boolean {
    return false;
  }

  notice(): void {}

  end(): boolean {
    this.#isEndPutOff = this.#busy !== 0;
    if (this.#isEndPutOff) return true;
    settle(this.channel, this.channel.handle_close());
    return true;
  }

  patience(): number {
    return Infinity;
  }

  impatient(): void {}
}
