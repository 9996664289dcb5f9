import {
  type Address,
  AF_INET,
  errno,
  OSError,
  SHUT_RD,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
  type Transport,
  wrong,
} from '@asyncore/socket';
import { type channel, type channel_map, socket_map } from '../channel.js';
import { checkMap } from '../checked.js';
import { connected, opened } from '../diagnostics/life.js';
import { endpoint } from '../endpoint.js';
import { check_keep_alive, keep_alive, type keep_alive_options } from '../keep_alive.js';
import { Channels } from '../loop/channels.js';
import type { Output } from '../output/output.js';
import { ACCEPTING, CONNECTED, CONNECTING } from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { claim } from './listening.js';
import { expect_loop } from './mistakes.js';
import { SocketEndpoint } from './socket_endpoint.js';

/**
 * A channel's place in a map, and the methods of the socket that it wraps. Only `dispatcher` extends
 * it, and adds the handlers.
 */
export abstract class socket_channel<S extends Transport = Socket> implements channel {
  abstract readable(): boolean;
  abstract writable(): boolean;
  abstract handle_read_event(): void;
  abstract handle_write_event(): void;
  abstract handle_expt_event(): void;
  abstract handle_close(): void;
  abstract handle_error(error: unknown): void;

  /** The arguments of `create_socket`; null before it was called. */
  declare family_and_type: [family: number, type: number] | null;

  static {
    Object.assign(socket_channel.prototype, { family_and_type: null });
  }

  /** The map that the channel goes into: the constructor's argument, or `socket_map`. */
  _map: channel_map;
  /** The descriptor under which the channel is in its map; null when it is in none. */
  _fileno: number | null = null;
  /** @hidden */
  readonly [endpoint]: SocketEndpoint;

  /**
   * Wraps `sock`, which may be connected or not (then call `connect` or `listen` next), makes it
   * non-blocking and puts the channel into `map`, by default `socket_map`. Without a `sock`, call
   * `create_socket` next.
   */
  constructor(sock: NoInfer<S> | null = null, map: channel_map | null = null) {
    checkMap('dispatcher', map);
    this._map = map ?? socket_map;
    this[endpoint] = new SocketEndpoint(this as unknown as dispatcher<Transport>);
    if (sock !== null && sock !== undefined) this.#adopt(sock);
  }

  #adopt(sock: S): void {
    checkSocket('dispatcher', sock);
    sock.setblocking?.(false);
    this.set_socket(sock);
    this.connected = true;
    try {
      this.addr = sock.getpeername?.() ?? null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTCONN' && code !== 'EINVAL') {
        this.del_channel();
        throw error;
      }
      this.connected = false;
      this[endpoint].foundGone(error);
      return;
    }
    connected(this);
  }

  // ---- attributes ----
  // Accessors, so that the loop learns of a change. A field of a subclass must not hide them.

  /** Whether there is a connection. */
  get connected(): boolean {
    return this[endpoint].is(CONNECTED);
  }
  /** Setting it tells the loop. */
  set connected(value: boolean) {
    this[endpoint].put(CONNECTED, value);
  }

  /** Whether the channel listens for connections. */
  get accepting(): boolean {
    return this[endpoint].is(ACCEPTING);
  }
  /** Setting it tells the loop. */
  set accepting(value: boolean) {
    this[endpoint].put(ACCEPTING, value);
  }

  /** Whether an attempt to connect is under way. */
  get connecting(): boolean {
    return this[endpoint].is(CONNECTING);
  }
  /** Setting it tells the loop. */
  set connecting(value: boolean) {
    this[endpoint].put(CONNECTING, value);
  }

  /** The peer's address; for a listener its own. */
  get addr(): Address | null {
    return this[endpoint].addr;
  }
  /** Setting it changes only what `toString` shows. */
  set addr(address: Address | null) {
    this[endpoint].addr = address;
  }

  /** The socket, or other transport, that the channel wraps; null before `create_socket`. */
  get socket(): S | null {
    return this[endpoint].transport as S | null; // only set_socket and this put one there
  }
  /** Setting it does not put the channel into its map. Call `set_socket` for that. */
  set socket(sock: S | null) {
    this[endpoint].transport = sock;
    this._changed();
  }

  /** The error that ended the connection, for `handle_close` to read; null for an ordinary end. */
  get close_reason(): unknown {
    return this[endpoint].reason;
  }

  // ---- the map ----

  /** Puts the channel into `map`, by default its own, so that a loop on that map serves it. */
  add_channel(map: channel_map | null = null): void {
    checkMap('add_channel', map);
    const fd = this._fileno ?? having(this, 'add_channel', 'fileno').fileno();
    if (fd < 0) throw new OSError('add_channel', errno.EBADF);
    this._fileno = fd;
    (map ?? this._map).set(fd, this);
  }

  /** Takes the channel out of `map`, by default its own. The socket stays open. */
  del_channel(map: channel_map | null = null): void {
    if (this._fileno === null) return;
    const from = map ?? this._map;
    if (from.get(this._fileno) !== this && this.fileno() !== this._fileno) {
      // The socket was closed behind the channel's back, and its number is another channel's by now.
      this[endpoint].watcher?.forget();
    } else {
      from.delete(this._fileno);
      Channels.removed(from, this._fileno); // no loop may be there to see it
    }
    this._fileno = null;
  }

  /**
   * Makes a socket and puts the channel into its map. Nothing of a former connection is left: a socket
   * that the channel still has is closed, unless another channel has taken it over.
   *
   * @throws OSError when socket(2) fails
   */
  create_socket(family: number = AF_INET, type: number = SOCK_STREAM): void {
    this.family_and_type = [family, type];
    this[endpoint].passOverFields();
    // Whoever subclasses for another kind of socket does not call this.
    const made = new Socket(family, type) as Transport as S;
    const former = this._fileno !== null && this._map.get(this._fileno) === this && this.socket;
    if (former) this[endpoint].sendLast();
    this[endpoint].forget();
    this.set_socket(made);
    if (former) former.close();
  }

  /**
   * Makes `sock` the channel's socket and puts the channel into `map`, by default its own. What was sent
   * before goes out through the former socket first.
   *
   * @throws BlockingIOError (EAGAIN) if the former socket does not take all of it
   */
  set_socket(sock: S, map: channel_map | null = null): void {
    checkSocket('set_socket', sock);
    this[endpoint].passOverFields();
    if (this.connected) this[endpoint].output?.before('set_socket');
    const former = this._fileno;
    if (former !== null && (map ?? this._map).get(former) === this) this.del_channel(map);
    this.socket = sock;
    this._fileno = sock.fileno();
    claim(sock, this as unknown as dispatcher<Transport>);
    sock.watch?.(() => this[endpoint].stirred(sock));
    this[endpoint].begin();
    this.add_channel(map);
    opened(this);
    expect_loop();
  }

  /** Sets SO_REUSEADDR, so that a restarted server can bind its port at once. Does nothing where the system refuses it. */
  set_reuse_addr(): void {
    const socket = having(this, 'set_reuse_addr', 'setsockopt');
    try {
      socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    } catch (error) {
      if (!(error instanceof OSError)) throw error;
    }
  }

  /**
   * Asks the system to probe a silent peer (SO_KEEPALIVE): a connection whose peer does not answer ends
   * with ETIMEDOUT. On Linux and macOS the connections that a listener accepts inherit it. tcp(7).
   */
  set_keep_alive(options: keep_alive_options = {}): void {
    check_keep_alive(options);
    keep_alive(having(this, 'set_keep_alive', 'setsockopt'), options);
  }

  /**
   * Tells the loop that the answer of `readable()` or `writable()` may have changed. The library calls it
   * where its own methods change something. A subclass that overrides the two need not: the loop asks it
   * on every pass.
   */
  _changed(): void {
    this[endpoint]?.watcher?.changed(); // a handler may be put on a prototype, which has none
  }

  // ---- the socket's other methods ----

  /** The descriptor, -1 when there is none. */
  fileno(): number {
    return this.socket?.fileno() ?? -1;
  }

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

  #progress<T>(result: T): T {
    this[endpoint].progress();
    return result;
  }

  /** The socket, for a call that receives: if that blocks, it may wait for the answer to what is queued. */
  #source(call: string): Socket {
    const socket = having(this, call);
    this[endpoint].flushForWait();
    return socket;
  }

  /**
   * What the socket sends by `call`: what is queued goes out before it. After `close_when_done` or
   * `shutdown` it is refused with a line in the log, and 0 comes back, as with `send`.
   */
  #next(call: string, sends: (socket: Socket) => number): number {
    const socket = having(this, call);
    return this[endpoint].mayCall(call) ? this.#progress(sends(socket)) : 0;
  }

  /** Receives into the caller's memory and returns the number of bytes: {@link Socket.recv_into}. */
  recv_into(...args: Parameters<Socket['recv_into']>): number {
    return this.#progress(this.#source('recv_into').recv_into(...args));
  }

  /**
   * Receives one datagram, and returns it with its sender's address: {@link Socket.recvfrom}. On a stream
   * socket it calls no handler at the end; use `recv` there.
   */
  recvfrom(...args: Parameters<Socket['recvfrom']>): ReturnType<Socket['recvfrom']> {
    return this.#progress(this.#source('recvfrom').recvfrom(...args));
  }

  /** Receives data with control messages, such as credentials or a timestamp: {@link Socket.recvmsg}. */
  recvmsg(...args: Parameters<Socket['recvmsg']>): ReturnType<Socket['recvmsg']> {
    return this.#progress(this.#source('recvmsg').recvmsg(...args));
  }

  /**
   * Receives many datagrams at once, each with its sender's address: {@link Socket.recvmmsg}. When
   * `handle_read` comes, at least one waits.
   *
   * @throws BlockingIOError when none waits; a handler need not catch it
   */
  recvmmsg(...args: Parameters<Socket['recvmmsg']>): ReturnType<Socket['recvmmsg']> {
    return this.#progress(this.#source('recvmmsg').recvmmsg(...args));
  }

  /** Receives data with descriptors, which the caller then owns and must close: {@link Socket.recv_fds}. */
  recv_fds(...args: Parameters<Socket['recv_fds']>): ReturnType<Socket['recv_fds']> {
    return this.#progress(this.#source('recv_fds').recv_fds(...args));
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
    return this.#next('sendto', (socket) =>
      socket.sendto(...(args as [ArrayBufferView, number, Address])),
    );
  }

  /** Sends several buffers, with control messages and to an address if given, in one call: {@link Socket.sendmsg}. */
  sendmsg(...args: Parameters<Socket['sendmsg']>): number {
    return this.#next('sendmsg', (socket) => socket.sendmsg(...args));
  }

  /**
   * Sends many datagrams at once, each `[data, address]`, and returns how many the kernel took:
   * {@link Socket.sendmmsg}.
   *
   * @throws BlockingIOError when the kernel has no room for the first
   */
  sendmmsg(...args: Parameters<Socket['sendmmsg']>): number {
    return this.#next('sendmmsg', (socket) => socket.sendmmsg(...args));
  }

  /** Sends part of a file, without its bytes passing through the program: {@link Socket.sendfile}. */
  sendfile(...args: Parameters<Socket['sendfile']>): number {
    return this.#next('sendfile', (socket) => socket.sendfile(...args));
  }

  /** Sends data with open descriptors over a Unix socket: {@link Socket.send_fds}. The caller keeps its own copies. */
  send_fds(...args: Parameters<Socket['send_fds']>): number {
    return this.#next('send_fds', (socket) => socket.send_fds(...args));
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

  /** The output queue of a class that has one; null for others. */
  _output(): Output | null {
    return null;
  }
}

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

function checkSocket(call: string, sock: Transport): void {
  if (typeof sock?.fileno === 'function' && typeof sock.recv === 'function') return;
  throw wrong.type(
    `${call}: sock must be a Socket of @asyncore/socket, or have its fileno, recv, send, getsockopt and close`,
  );
}
