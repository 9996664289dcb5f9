import { type channel_map, dispatcher_with_send, type Socket } from '@asyncore/core';
import { start_tls_first } from './start_tls.js';
import type { tls_options } from './tls_options.js';
import { with_tls } from './with_tls.js';

/**
 * A dispatcher with buffered output whose connections speak TLS from the start: one that is given an
 * accepted socket, and one that connects. What is sent before the handshake is done waits for it.
 * As a listener it accepts as any dispatcher does: give what it accepts to another one.
 */
export class tls_dispatcher extends with_tls(dispatcher_with_send<Socket>) {
  /** For `start_tls`; null for a connection in the clear. */
  tls_options: tls_options | null;

  /** As a dispatcher's, with the `options` of each connection's handshake. */
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
