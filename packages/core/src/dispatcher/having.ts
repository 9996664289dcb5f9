import { errno, OSError, type Socket, type Transport, wrong } from '@asyncore/socket';

/**
 * The channel's socket, for a method named `call`, which calls the socket's `method`. Throws EBADF when
 * there is none, and a TypeError for a transport that has no such method.
 */
export function having(
  { socket }: { socket: Transport | null },
  call: string,
  method = call,
): Socket {
  if (socket === null) throw new OSError(call, errno.EBADF, null, 'call create_socket first');
  if (typeof Reflect.get(socket, method) !== 'function') {
    throw new TypeError(`${call}: a ${socket.constructor.name} has no ${method}`);
  }
  return socket as Socket; // at least in what is called of it
}

export function checkSocket(call: string, sock: Transport): void {
  if (typeof sock?.fileno === 'function' && typeof sock.recv === 'function') return;
  throw wrong.type(
    `${call}: sock must be a Socket of @asyncore/socket, or have its fileno, recv, send, getsockopt and close`,
  );
}
