import { POLLIN, POLLOUT, POLLPRI, state_of, unread_of } from '@asyncore/socket';
import type { channel } from './channel.js';
import type { Endpoint } from './endpoint.js';
import { settle } from './handlers/handling.js';

/** An object in a map that is no dispatcher: it is served by its methods alone. */
export class PlainEndpoint implements Endpoint {
  watcher = null;
  readonly over = false;
  readonly life = 0;
  readonly announces = false;
  readonly limit = 0;

  constructor(
    readonly channel: channel & { socket?: { fileno?(): number } | null },
    readonly fd: number,
  ) {}

  interest(): number {
    const { channel } = this;
    const readable = channel.readable();
    const writable = channel.writable() && !channel.accepting;
    return (readable ? POLLIN | POLLPRI : 0) | (writable ? POLLOUT | POLLPRI : 0);
  }

  wants(events: number): number {
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
    settle(this.channel, this.channel.handle_close());
    return true;
  }

  patience(): number {
    return Infinity;
  }

  impatient(): void {}
}
