import { type Address, SHUT_RD, type Socket, type Transport } from '@asyncore/socket';
import { endpoint } from '../endpoint.js';
import { having } from './having.js';
import { socket_channel } from './socket_channel.js';

/** The methods of a socket that a channel has too. Only `event_channel` extends it. */
export abstract class socket_methods<S extends Transport = Socket> extends socket_channel<S> {
  /**
   * Connects with {@link Socket.connect_ex}, which returns an errno. The channel does not follow such an
   * attempt, and calls no handler for its end: use `connect` for that.
   */
  connect_ex(address: Address): number {
    return having(this, 'connect_ex').connect_ex(address);
  }

  /** Makes the socket blocking or not. The loop needs a non-blocking one; a blocking one holds up the whole thread. */
  setblocking(blocking: boolean): void {
    having(this, 'setblocking').setblocking(blocking);
  }

  /** Whether the socket is blocking. */
  getblocking(): boolean {
    return having(this, 'getblocking').getblocking();
  }

  /**
   * Takes the channel out of its map and returns its open descriptor, which the caller then owns. What was
   * sent before goes out first. Afterwards the channel is closed; it calls no handler.
   *
   * @throws BlockingIOError (EAGAIN) if the kernel does not take all output; the channel then keeps its descriptor
   */
  detach(): number {
    const socket = having(this, 'detach');
    const known = this[endpoint];
    known.output?.before('detach');
    this.del_channel();
    const fd = socket.detach();
    known.ended(true);
    return fd;
  }

  /** Receives into the caller's memory and returns the number of bytes: {@link Socket.recv_into}. */
  recv_into(...args: Parameters<Socket['recv_into']>): number {
    return progress(this, source(this, 'recv_into').recv_into(...args));
  }

  /**
   * Receives one datagram, and returns it with its sender's address: {@link Socket.recvfrom}. On a stream
   * socket it calls no handler at the end; use `recv` there.
   */
  recvfrom(...args: Parameters<Socket['recvfrom']>): ReturnType<Socket['recvfrom']> {
    return progress(this, source(this, 'recvfrom').recvfrom(...args));
  }

  /** Receives data with control messages, such as credentials or a timestamp: {@link Socket.recvmsg}. */
  recvmsg(...args: Parameters<Socket['recvmsg']>): ReturnType<Socket['recvmsg']> {
    return progress(this, source(this, 'recvmsg').recvmsg(...args));
  }

  /**
   * Receives many datagrams at once, each with its sender's address: {@link Socket.recvmmsg}. When
   * `handle_read` comes, at least one waits.
   *
   * @throws BlockingIOError when none waits; a handler need not catch it
   */
  recvmmsg(...args: Parameters<Socket['recvmmsg']>): ReturnType<Socket['recvmmsg']> {
    return progress(this, source(this, 'recvmmsg').recvmmsg(...args));
  }

  /** Receives data with descriptors, which the caller then owns and must close: {@link Socket.recv_fds}. */
  recv_fds(...args: Parameters<Socket['recv_fds']>): ReturnType<Socket['recv_fds']> {
    return progress(this, source(this, 'recv_fds').recv_fds(...args));
  }

  /**
   * Sends one datagram to `address` and returns the number of bytes: {@link Socket.sendto}.
   *
   * @throws BlockingIOError when the kernel has no room for it
   */
  sendto(data: ArrayBufferView, address: Address): number;
  /** Sends one datagram to `address` with MSG_ `flags`. */
  sendto(data: ArrayBufferView, flags: number, address: Address): number;
  sendto(...args: [ArrayBufferView, Address] | [ArrayBufferView, number, Address]): number {
    // The overloads above are the socket's own.
    return next(this, 'sendto', (socket) =>
      socket.sendto(...(args as [ArrayBufferView, number, Address])),
    );
  }

  /** Sends several buffers, with control messages and to an address if given, in one call: {@link Socket.sendmsg}. */
  sendmsg(...args: Parameters<Socket['sendmsg']>): number {
    return next(this, 'sendmsg', (socket) => socket.sendmsg(...args));
  }

  /**
   * Sends many datagrams at once, each `[data, address]`, and returns how many the kernel took:
   * {@link Socket.sendmmsg}.
   *
   * @throws BlockingIOError when the kernel has no room for the first
   */
  sendmmsg(...args: Parameters<Socket['sendmmsg']>): number {
    return next(this, 'sendmmsg', (socket) => socket.sendmmsg(...args));
  }

  /** Sends part of a file, without its bytes passing through the program: {@link Socket.sendfile}. */
  sendfile(...args: Parameters<Socket['sendfile']>): number {
    return next(this, 'sendfile', (socket) => socket.sendfile(...args));
  }

  /** Sends data with open descriptors over a Unix socket: {@link Socket.send_fds}. The caller keeps its own copies. */
  send_fds(...args: Parameters<Socket['send_fds']>): number {
    return next(this, 'send_fds', (socket) => socket.send_fds(...args));
  }

  /**
   * Ends one half of the connection, or both. With SHUT_WR the peer sees the end of our data and may go on
   * sending. Output that was queued before goes out first; what is sent after it is refused, and logged. shutdown(2).
   */
  shutdown(how: number): void {
    const socket = having(this, 'shutdown');
    const wasOpen = socket.fileno() >= 0;
    const output = this._output();
    if (output !== null && !output.mayShutDown(how)) return;
    if (wasOpen && socket.fileno() < 0) return; // sending what waited has ended the connection
    socket.shutdown(how);
    if (how !== SHUT_RD) this[endpoint].wasShut();
  }

  /** The local address: {@link Socket.getsockname}. */
  getsockname(): Address {
    return having(this, 'getsockname').getsockname();
  }

  /**
   * The peer's address: {@link Socket.getpeername}.
   *
   * @throws OSError (ENOTCONN) when there is no connection
   */
  getpeername(): Address {
    return having(this, 'getpeername').getpeername();
  }

  /** The process, user and group at the other end of a Unix socket: {@link Socket.getpeercred}. */
  getpeercred(): ReturnType<Socket['getpeercred']> {
    return having(this, 'getpeercred').getpeercred();
  }

  /** The value of a socket option as a number: {@link Socket.getsockopt}. */
  getsockopt(level: number, option: number): number;
  /** The value of a socket option as at most `buflen` raw bytes. */
  getsockopt(level: number, option: number, buflen: number): Buffer;
  getsockopt(level: number, option: number, buflen?: number): number | Buffer {
    return buflen === undefined
      ? having(this, 'getsockopt').getsockopt(level, option)
      : having(this, 'getsockopt').getsockopt(level, option, buflen);
  }

  /** Sets a socket option to a number or to raw bytes: {@link Socket.setsockopt}. */
  setsockopt(...args: Parameters<Socket['setsockopt']>): void {
    having(this, 'setsockopt').setsockopt(...args);
  }
}

type Channel = socket_methods<Transport>;

function progress<T>(channel: Channel, result: T): T {
  channel[endpoint].progress();
  return result;
}

/** The socket, for a call that receives: if that blocks, it may wait for the answer to what is queued. */
function source(channel: Channel, call: string): Socket {
  const socket = having(channel, call);
  channel[endpoint].flushForWait();
  return socket;
}

/**
 * What the socket sends by `call`: what is queued goes out before it. After `close_when_done` or
 * `shutdown` it is refused with a line in the log, and 0 comes back, as with `send`.
 */
function next(channel: Channel, call: string, sends: (socket: Socket) => number): number {
  const socket = having(channel, call);
  return channel[endpoint].mayCall(call) ? progress(channel, sends(socket)) : 0;
}
