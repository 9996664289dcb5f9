import {
  type dispatcher,
  type dispatcher_with_send,
  endpoint,
  erred,
  report,
  settle,
} from '@asyncore/core';
import {
  BlockingIOError,
  errno,
  OSError,
  SHUT_WR,
  SOCK_STREAM,
  type Socket,
  type Transport,
  wrong,
} from '@asyncore/socket';
import type { tls_options } from './tls_options.js';
import { tls_transport } from './tls_transport.js';

/** The handlers that a channel with TLS has. */
export interface secured {
  /** The handshake is done. It comes before any data. */
  handle_secure?(): void;
  /** The handshake failed, or TLS failed later. Default: `handle_error`. The channel is closed afterwards. */
  handle_tls_error?(error: unknown): void;
}

/**
 * Starts TLS on the channel's connection. Output that was sent before goes out first, in the clear; output
 * that is sent from now on waits for the handshake. Input that was received but not handed on is dropped,
 * since an attacker may have put it there. Then the channel calls `handle_secure` or `handle_tls_error`.
 *
 * @throws what node:tls throws for wrong options; TypeError or Error for a channel that cannot speak TLS;
 * OSError (ENOTCONN) without a connection, (EAGAIN) while a producer has something to send. The channel
 * then goes on as before.
 */
export function start_tls<S extends Transport>(
  channel: dispatcher<S> & secured,
  options: tls_options = {},
): void {
  begin(channel, options, checkChannel(channel as dispatcher<Transport>));
}

/**
 * The same as soon as the channel has connected: nothing goes out in the clear, and what was sent while
 * it was connecting, its end too, comes after the handshake.
 */
export function start_tls_first(
  channel: dispatcher_with_send<Socket> & secured,
  options: tls_options,
): void {
  const { output } = channel[endpoint];
  const rest = output === null ? [] : [...output.queue.all()];
  const closedBy = output?.closedBy ?? null;
  output?.discard();
  begin(channel, options, channel.socket as Socket); // it has just connected
  for (const chunk of rest) channel.send(chunk);
  if (closedBy === 'shutdown') channel.shutdown(SHUT_WR);
  else if (closedBy !== null) channel.close_when_done();
}

function begin<S extends Transport>(
  channel: dispatcher<S> & secured,
  options: tls_options,
  below: Transport,
): void {
  checkOptions(options);
  const known = channel[endpoint];
  const isServer = options.isServer ?? known.attempt === null;
  const host = known.attempt?.host ?? (Array.isArray(channel.addr) ? channel.addr[0] : null);
  const transport = new tls_transport(below, options, isServer, host, {
    secure: () => void settle(channel, channel.handle_secure?.()),
    failed: (error) => failed(channel, error),
  });
  const clear = takeOutput(channel as dispatcher<Transport>);
  const received = options.keep_input ? channel._take_input() : Buffer.alloc(0);
  (channel as dispatcher<Transport>).set_socket(transport);
  transport.start(clear, received);
}

function checkChannel(channel: dispatcher<Transport>): Transport {
  const { socket } = channel;
  const known = channel[endpoint];
  const closedBy = known.closedBy ?? known.output?.closedBy ?? null;
  if (socket === null || !channel.connected) throw new OSError('start_tls', errno.ENOTCONN);
  if (socket instanceof tls_transport) throw new Error('start_tls: the channel speaks TLS already');
  if ((socket.type ?? SOCK_STREAM) !== SOCK_STREAM) {
    throw wrong.type('start_tls: the channel must be a stream (SOCK_STREAM)');
  }
  if (known.isLingering || closedBy !== null) {
    throw new Error(`start_tls: it comes after ${closedBy ?? 'close_when_done'}`);
  }
  return socket;
}

function checkOptions(options: tls_options): void {
  if (typeof options !== 'object' || options === null) {
    throw wrong.type('start_tls: options must be an object');
  }
  const { handshakeTimeout = 1 } = options;
  if (
    !(typeof handshakeTimeout === 'number' && handshakeTimeout > 0 && handshakeTimeout < 2 ** 31)
  ) {
    throw wrong.range('start_tls: handshakeTimeout must be a number of milliseconds, over 0');
  }
}

/** What was sent and is not out. A producer may take any time, and its piece may be any number of bytes. */
function takeOutput(channel: dispatcher<Transport>): Uint8Array[] {
  const { output } = channel[endpoint];
  if (output === null || !output.isWaiting) return [];
  output.flushAll();
  if ((output.source?.length ?? 0) > 0) {
    throw new BlockingIOError('start_tls', errno.EAGAIN, null, 'a producer has something to send');
  }
  const rest = [...output.queue.all()];
  output.discard();
  return rest;
}

function failed<S extends Transport>(channel: dispatcher<S> & secured, error: unknown): void {
  const known = channel[endpoint];
  const { life } = known;
  if (known.isLingering) {
    channel.handle_close_event(); // all was sent, and nobody reads what could be missing
    return;
  }
  known.reason ??= error;
  try {
    if (channel.handle_tls_error) {
      erred(channel, error);
      settle(channel, channel.handle_tls_error(error));
    } else report(channel, error);
  } finally {
    if (known.life === life && !known.closed) channel.handle_close_event();
  }
}
