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
import { keep_alive, type keep_alive_options } from '../keep_alive.js';
import { Channels } from '../loop/channels.js';
import type { Output } from '../output/output.js';
import { ACCEPTING, CONNECTED, CONNECTING } from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { claim } from './listening.js';
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

  /** What `create_socket` was given. */
  declare family_and_type: [family: number, type: number] | null;

  static {
    Object.assign(socket_channel.prototype, { family_and_type: null });
  }

  /** The map it goes into: that of the constructor, or `socket_map`. */
  _map: channel_map;
  /** The descriptor under which it is in the map; null when it is in none. */
  _fileno: number | null = null;
  /** @hidden */
  readonly [endpoint]: SocketEndpoint;

  /**
   * `sock` is connected, or not yet: then `connect` or `listen` come next. It is made non-blocking
   * and goes into `map` (default `socket_map`). Without one, see `create_socket`.
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
  // Accessors, so that the loop hears of a change. A field of a subclass must not hide them.

  /** Whether there is a connection. */
  get connected(): boolean {
    return this[endpoint].is(CONNECTED);
  }
  /** Setting it tells the loop. */
  set connected(value: boolean) {
    this[endpoint].put(CONNECTED, value);
  }

  /** Whether it listens. */
  get accepting(): boolean {
    return this[endpoint].is(ACCEPTING);
  }
  /** Setting it tells the loop. */
  set accepting(value: boolean) {
    this[endpoint].put(ACCEPTING, value);
  }

  /** Whether it tries to connect. */
  get connecting(): boolean {
    return this[endpoint].is(CONNECTING);
  }
  /** Setting it tells the loop. */
  set connecting(value: boolean) {
    this[endpoint].put(CONNECTING, value);
  }

  /** The peer's address, or for a listener its own. */
  get addr(): Address | null {
    return this[endpoint].addr;
  }
  /** Setting it changes only what is shown. */
  set addr(address: Address | null) {
    this[endpoint].addr = address;
  }

  /** What it wraps; null before `create_socket`. */
  get socket(): S | null {
    return this[endpoint].transport as S | null; // only set_socket and this put one there
  }
  /** Setting it does not put the channel into its map: `set_socket` does. */
  set socket(sock: S | null) {
    this[endpoint].transport = sock;
    this._changed();
  }

  /** The error that ended the connection, for `handle_close` to ask; null for an ordinary end. */
  get close_reason(): unknown {
    return this[endpoint].reason;
  }

  // ---- the map ----

  /** Puts the channel into `map` (default: its own). */
  add_channel(map: channel_map | null = null): void {
    checkMap('add_channel', map);
    const fd = this._fileno ?? having(this, 'add_channel').fileno();
    if (fd < 0) throw new OSError('add_channel', errno.EBADF);
    this._fileno = fd;
    (map ?? this._map).set(fd, this);
  }

  /** Takes it out. */
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
   * Makes a socket and puts the channel into its map. It begins anew: nothing is left of a former
   * connection, and a socket that it still has is closed, unless another channel has taken it.
   * Throws OSError: socket(2).
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
   * Takes `sock` as its socket and puts the channel into `map` (default: its own). What was sent
   * before goes out through the former socket first; throws EAGAIN if that does not take all of it.
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
  }

  /** Lets a port be bound again at once after a restart (SO_REUSEADDR), if the system can. */
  set_reuse_addr(): void {
    const socket = having(this, 'set_reuse_addr');
    try {
      socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
    } catch (error) {
      if (!(error instanceof OSError)) throw error;
    }
  }

  /**
   * Lets the system find out whether the peer is still there (SO_KEEPALIVE): a connection whose peer does
   * not answer ends with ETIMEDOUT. On Linux and macOS what a listener accepts inherits it. tcp(7).
   */
  set_keep_alive(options: keep_alive_options = {}): void {
    keep_alive(having(this, 'set_keep_alive'), options);
  }

  /**
   * Tells the loop that what `readable()` or `writable()` answer may have changed. The library
   * calls it where its own methods change something; a subclass that overrides the two is asked
   * on every pass anyway.
   */
  _changed(): void {
    this[endpoint]?.watcher?.changed(); // a handler may be put on a prototype, which has none
  }

  // ---- what a socket has beside: the same methods, on it ----

  /** The descriptor, -1 when there is none. */
  fileno(): number {
    return this.socket?.fileno() ?? -1;
  }

  /** As the socket's: what comes of it is the caller's to see. Handlers are told after `connect`. */
  connect_ex(address: Address): number {
    return having(this, 'connect_ex').connect_ex(address);
  }

  /** The loop needs a non-blocking socket; a blocking one holds up the whole thread. */
  setblocking(blocking: boolean): void {
    having(this, 'setblocking').setblocking(blocking);
  }

  /** Whether the socket's calls wait. */
  getblocking(): boolean {
    return having(this, 'getblocking').getblocking();
  }

  /**
   * Takes the channel out of its map and gives the open descriptor away. What was sent before goes
   * out first; throws EAGAIN, and gives nothing away, if the kernel does not take all of it. The
   * channel is as one that was closed, but calls no handler.
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

  /** Its socket, for a call that receives: it may wait for an answer. */
  #source(call: string): Socket {
    const socket = having(this, call);
    this[endpoint].flushForWait();
    return socket;
  }

  /** Its socket, for a call that sends: after what is queued. */
  #next(call: string): Socket {
    const socket = having(this, call);
    this[endpoint].output?.before(call);
    return socket;
  }

  /** Receives into memory of the caller's: {@link Socket.recv_into}. */
  recv_into(...args: Parameters<Socket['recv_into']>): number {
    return this.#progress(this.#source('recv_into').recv_into(...args));
  }

  /** One datagram and its sender: {@link Socket.recvfrom}. Its end of stream calls no handler. */
  recvfrom(...args: Parameters<Socket['recvfrom']>): ReturnType<Socket['recvfrom']> {
    return this.#progress(this.#source('recvfrom').recvfrom(...args));
  }

  /** Data with control messages: {@link Socket.recvmsg}. */
  recvmsg(...args: Parameters<Socket['recvmsg']>): ReturnType<Socket['recvmsg']> {
    return this.#progress(this.#source('recvmsg').recvmsg(...args));
  }

  /** Data with descriptors, which are the caller's to close: {@link Socket.recv_fds}. */
  recv_fds(...args: Parameters<Socket['recv_fds']>): ReturnType<Socket['recv_fds']> {
    return this.#progress(this.#source('recv_fds').recv_fds(...args));
  }

  /** One datagram to an address; gives the number of bytes. Throws when there is no room: {@link Socket.sendto}. */
  sendto(data: ArrayBufferView, address: Address): number;
  /** The same with MSG_ flags. */
  sendto(data: ArrayBufferView, flags: number, address: Address): number;
  sendto(...args: [ArrayBufferView, Address] | [ArrayBufferView, number, Address]): number {
    // The overloads above are the socket's own.
    return this.#progress(
      this.#next('sendto').sendto(...(args as [ArrayBufferView, number, Address])),
    );
  }

  /** Several buffers, control messages, an address, in one call: {@link Socket.sendmsg}. */
  sendmsg(...args: Parameters<Socket['sendmsg']>): number {
    return this.#progress(this.#next('sendmsg').sendmsg(...args));
  }

  /** Data with descriptors, over a Unix socket: {@link Socket.send_fds}. */
  send_fds(...args: Parameters<Socket['send_fds']>): number {
    return this.#progress(this.#next('send_fds').send_fds(...args));
  }

  /**
   * SHUT_WR: the peer sees the end of our data, and may go on sending. It comes after what was sent
   * before it, as soon as that is out. shutdown(2).
   */
  shutdown(how: number): void {
    const socket = having(this, 'shutdown');
    const wasOpen = socket.fileno() >= 0;
    const output = this._output();
    if (output !== null && !output.mayShutDown(how)) return;
    if (wasOpen && socket.fileno() < 0) return; // sending what waited has ended the connection
    socket.shutdown(how);
    if (how !== SHUT_RD) output?.refuseAfter('shutdown');
  }

  /** Its own address: {@link Socket.getsockname}. */
  getsockname(): Address {
    return having(this, 'getsockname').getsockname();
  }

  /** The peer's address. Throws ENOTCONN when there is none: {@link Socket.getpeername}. */
  getpeername(): Address {
    return having(this, 'getpeername').getpeername();
  }

  /** Who is at the other end of a Unix socket: {@link Socket.getpeercred}. */
  getpeercred(): ReturnType<Socket['getpeercred']> {
    return having(this, 'getpeercred').getpeercred();
  }

  /** An option's value as a number: {@link Socket.getsockopt}. */
  getsockopt(level: number, option: number): number;
  /** At most `buflen` raw bytes of it. */
  getsockopt(level: number, option: number, buflen: number): Buffer;
  getsockopt(level: number, option: number, buflen?: number): number | Buffer {
    return buflen === undefined
      ? having(this, 'getsockopt').getsockopt(level, option)
      : having(this, 'getsockopt').getsockopt(level, option, buflen);
  }

  /** Sets an option to a number or to raw bytes: {@link Socket.setsockopt}. */
  setsockopt(...args: Parameters<Socket['setsockopt']>): void {
    having(this, 'setsockopt').setsockopt(...args);
  }

  /** Where a class that queues its output keeps it; null for one that does not. */
  _output(): Output | null {
    return null;
  }
}

/** A channel's socket, for a call of that name. */
export function having(channel: { socket: Transport | null }, call: string): Socket {
  if (channel.socket === null)
    throw new OSError(call, errno.EBADF, null, 'create_socket comes first');
  // Methods that a transport lacks fail as any missing method does.
  return channel.socket as Transport as Socket;
}

function checkSocket(call: string, sock: Transport): void {
  if (typeof sock?.fileno === 'function' && typeof sock.recv === 'function') return;
  throw wrong.type(
    `${call}: sock must be a Socket of @asyncore/socket, or have its fileno, recv, send, getsockopt and close`,
  );
}
