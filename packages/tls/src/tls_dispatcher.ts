import { type channel_map, dispatcher_with_send, type Socket } from '@asyncore/core';
import { start_tls_first } from './start_tls.js';
import type { tls_options } from './tls_options.js';
import { with_tls } from './with_tls.js';

/**
 * A dispatcher with buffered output that speaks TLS from the start, both as a server (made for an accepted
 * socket) and as a client (which connects). What is sent before the handshake is done waits for it.
 * As a listener it accepts plain sockets as any dispatcher does: make another tls_dispatcher for each.
 */
export class tls_dispatcher extends with_tls(dispatcher_with_send<Socket>) {
  /** The options for `start_tls`; null for a connection in the clear. */
  tls_options: tls_options | null;

  /** Takes the arguments of a dispatcher, with the `options` of each connection's handshake. */
  constructor(
    sock: Socket | null = null,
    map: channel_map | null = null,
    options: tls_options | null = null,
  ) {
    super(sock, map);
    this.tls_options = options;
    if (this.connected && options !== null) this.start_tls(options);
  }

  override _connected(): void {
    if (this.tls_options !== null) start_tls_first(this, this.tls_options);
  }
}
