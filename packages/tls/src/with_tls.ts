import { type dispatcher, settle, type Transport } from '@asyncore/core';
import { type tls_facts, tls_of } from './connection_of.js';
import { start_tls } from './start_tls.js';
import type { tls_options } from './tls_options.js';

// TypeScript takes a class for one to be mixed in by its any[]: TS2545.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Class<T> = new (...args: any[]) => T;

/** What `with_tls` adds to a class of channels. */
export interface tls_channel extends Readonly<tls_facts> {
  /** Starts TLS on the channel's connection: {@link start_tls}. */
  start_tls(options?: tls_options): void;
  /** The handshake is done. It comes before any data. */
  handle_secure(): void;
  /** The handshake failed, or TLS failed later. Default: `handle_error`. The channel is closed afterwards. */
  handle_tls_error(error: unknown): void;
}

/** A class of channels that can speak TLS: `class Mine extends with_tls(async_chat) {…}`. */
export function with_tls<B extends Class<dispatcher<Transport>>>(Base: B): B & Class<tls_channel> {
  class WithTls extends Base {
    start_tls(options: tls_options = {}): void {
      start_tls(this, options);
    }

    handle_secure(): void {}

    handle_tls_error(error: unknown): void {
      // Not by `report`: subscribers were told before this was called.
      settle(this, this.handle_error(error), (_, escaped) => {
        throw escaped;
      });
    }
  }
  for (const fact of FACTS) {
    Object.defineProperty(WithTls.prototype, fact, {
      configurable: true,
      get(this: dispatcher<Transport>) {
        return tls_of(this)[fact];
      },
    });
  }
  Object.defineProperty(WithTls, 'name', { value: Base.name });
  return WithTls as B & Class<tls_channel>; // with the facts above
}

const FACTS: readonly (keyof tls_facts)[] = [
  'alpn_protocol',
  'peer_certificate',
  'authorized',
  'authorization_error',
  'cipher',
  'protocol',
  'session',
  'session_reused',
  'servername',
];
