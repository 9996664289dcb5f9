import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  OSError,
  SOCK_STREAM,
  type Socket,
  TCP_NODELAY,
  type Transport,
} from '@asyncore/socket';

/**
 * Sets TCP_NODELAY on a TCP socket, and does nothing to others. Output is gathered already, so it need
 * not wait until the peer has acknowledged what went before. tcp(7).
 */
export function set_no_delay(transport: Transport): void {
  const socket = transport as Socket; // or something without a family or setsockopt
  if (socket.type !== SOCK_STREAM || typeof socket.setsockopt !== 'function') return;
  if (socket.family !== AF_INET && socket.family !== AF_INET6) return;
  try {
    socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
  } catch (error) {
    if (!(error instanceof OSError)) throw error; // without it the channel is only slower
  }
}
