import { inspect } from 'node:util';
import {
  type Address,
  AF_INET,
  AF_UNIX,
  BlockingIOError,
  errno,
  is_resolved,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  resolve,
  SO_ERROR,
  SO_REUSEADDR,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
  wrong,
} from '@asyncore/socket';
import { type channel, type channel_map, socket_map } from './channel.js';
import { Channels } from './channels.js';
import { checkMap } from './checked.js';
import { compact_traceback } from './compact_traceback.js';
import { is_disconnected } from './disconnected.js';
import { ExitNow } from './exit_now.js';
import { failed, report, settle } from './handling.js';
import { keep_alive, type keep_alive_options } from './keep_alive.js';
import { Listening } from './listening.js';
import {
  announce_assignment,
  DUE,
  due,
  hung_up,
  IDLE,
  impatient,
  interest,
  over,
  patience,
  registered,
  settle_predicates,
} from './plumbing.js';
import { type Registration, stateOf } from './registration.js';

/** Listening sockets take at most so many connections in one event, so that others get a turn. */
const MOST_ACCEPTS = 128;
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** accept(2): errors of the connection that was waiting, not of the listener. */
const GONE = new Set([
  'EAGAIN',
  'EWOULDBLOCK',
  'ECONNABORTED',
  'EPROTO',
  'ENETDOWN',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const IN_PROGRESS = new Set([errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK]);
const HANG_UP = POLLHUP | (POLLRDHUP ?? 0);

/** The connection that a handle_accepted is being called for, and the channel made for it. */
interface Newcomer {
  readonly sock: socket_like;
  owner: { readonly socket: socket_like | null; close(): void } | null;
}
let newcomer: Newcomer | null = null;

/** The listener that an error of handle_accepted must not close, when an async handle_error handles it. */
const ofNewcomers = new WeakMap<object, object>();

/** What a dispatcher needs of what it wraps, and uses where there is more. */
export interface socket_like {
  /** SOCK_STREAM and so on; taken for a stream where it is not given. */
  readonly type?: number;
  /** Called with false at the start. */
  setblocking?(blocking: boolean): void;
  /** Throws ENOTCONN when there is no connection yet. */
  getpeername?(): Address;
  /** Sends several buffers and gives the number of bytes taken; `send` is used where it is missing. */
  sendmsg?(buffers: Iterable<ArrayBufferView>): number;
  /** At most `bufsize` bytes, none at the end. Throws an error with code EAGAIN when there is nothing. */
  recv(bufsize: number): Buffer;
  /** Gives the number of bytes taken. Throws an error with code EAGAIN when there is no room. */
  send(data: ArrayBufferView): number;
  /** Asked for SO_ERROR. */
  getsockopt(level: number, option: number): number;
  /** What the loop waits on. */
  fileno(): number;
  /** Closes the descriptor. */
  close(): void;
}

/**
 * A thin wrapper around a socket: the loop asks it what to wait for and calls its `handle_`
 * methods, which a subclass overrides. Otherwise it is a non-blocking socket.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher
 */
export class dispatcher<S extends socket_like = Socket> implements channel {
  // Attributes that few channels have of their own: as in Python, the class has the usual value.

  /** Asks for more talk in a program's own logging. Default false. */
  declare debug: boolean;
  /** Whether it closes once everything is sent; only `close_when_done` sets it. */
  declare closing: boolean;
  /** Kinds of message that `log_info` leaves out. Default: 'warning'. */
  declare ignore_log_types: Iterable<string>;
  /** So many seconds without progress, and `handle_timeout` is called. Default 0: never. */
  declare timeout: number;
  /**
   * A listener accepts no more while so many of those that it has accepted are open: they wait in the
   * backlog. Set before any is accepted. Default 0: no limit.
   */
  declare max_connections: number;
  /** What `create_socket` was given. */
  declare family_and_type: [family: number, type: number] | null;

  static {
    Object.assign(dispatcher.prototype, {
      debug: false,
      closing: false,
      ignore_log_types: Object.freeze(['warning']),
      timeout: 0,
      max_connections: 0,
      family_and_type: null,
    } satisfies Partial<dispatcher>);
  }

  /** Whether there is a connection. */
  connected = false;
  /** Whether it listens. */
  accepting = false;
  /** Whether it tries to connect. */
  connecting = false;
  /** The peer's address, or for a listener its own. */
  addr: Address | null = null;
  /** What it wraps; null before `create_socket`. */
  socket: S | null = null;
  /** The map it goes into: that of the constructor, or `socket_map`. */
  _map: channel_map;
  /** The descriptor under which it is in the map; null when it is in none. */
  _fileno: number | null = null;
  /** @internal */
  [registered]: Registration | null = null;

  /** The peer will send no more. */
  #ended = false;
  /** handle_close was called for this connection, or close. */
  #over = false;
  /** The peer was gone before the channel was made (accept(2) gives such), and it is to be told. */
  #gone = false;
  /** The unhandled read was logged: from then on it is watched for a hang-up only. */
  #deaf = false;
  /** Something was received, sent, accepted or connected since the time was last read, which was then. */
  #moved = true;
  #since = 0;
  #listening: Listening | null = null;
  /** The name being looked up, and what came of it. */
  #lookup: { address?: Address; error?: unknown } | null = null;

  /**
   * `sock` is connected, or not yet: then `connect` or `listen` come next. It is made non-blocking
   * and goes into `map` (default `socket_map`). Without one, see `create_socket`.
   */
  constructor(sock: NoInfer<S> | null = null, map: channel_map | null = null) {
    checkMap('dispatcher', map);
    this._map = map ?? socket_map;
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
      this.#gone = code === 'EINVAL' || (stateOf(sock.fileno(), 0) & POLLERR) !== 0;
    }
  }

  // ---- the map ----

  /** Puts the channel into `map` (default: its own). */
  add_channel(map: channel_map | null = null): void {
    checkMap('add_channel', map);
    const fd = this._fileno ?? this.#having('add_channel').fileno();
    if (fd < 0) throw new OSError('add_channel', errno.EBADF);
    this._fileno = fd;
    (map ?? this._map).set(fd, this);
  }

  /** Takes it out. */
  del_channel(map: channel_map | null = null): void {
    if (this._fileno === null) return;
    const from = map ?? this._map;
    from.delete(this._fileno);
    Channels.removed(from, this._fileno); // no loop may be there to see it
    this._fileno = null;
  }

  /**
   * Makes a socket and puts the channel into its map. One that it still has is closed, unless another
   * channel has taken it. Throws OSError: socket(2).
   */
  create_socket(family: number = AF_INET, type: number = SOCK_STREAM): void {
    this.family_and_type = [family, type];
    // Whoever subclasses for another kind of socket does not call this.
    const made = new Socket(family, type) as socket_like as S;
    const former = this._fileno !== null && this._map.get(this._fileno) === this && this.socket;
    this.set_socket(made);
    if (former) former.close();
  }

  /** Takes `sock` as its socket and puts the channel into `map` (default: its own). */
  set_socket(sock: S, map: channel_map | null = null): void {
    checkSocket('set_socket', sock);
    const former = this._fileno;
    if (former !== null && (map ?? this._map).get(former) === this) this.del_channel(map);
    this.socket = sock;
    this._fileno = sock.fileno();
    if (newcomer?.sock === sock) newcomer.owner = this;
    this.#begin();
    this.add_channel(map);
  }

  #begin(): void {
    this.#ended = this.#over = this.#deaf = this.#gone = false;
    this.#lookup = null;
    this.#moved = true;
  }

  /** Lets a port be bound again at once after a restart (SO_REUSEADDR), if the system can. */
  set_reuse_addr(): void {
    const socket = this.#having('set_reuse_addr');
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
    keep_alive(this.#having('set_keep_alive'), options);
  }

  /**
   * Tells the loop that what `readable()` or `writable()` answer may have changed. The library
   * calls it where its own methods change something; a subclass that overrides the two is asked
   * on every pass anyway.
   */
  _changed(): void {
    this[registered]?.changed();
  }

  // ---- questions ----

  /** Whether to wait for something to read (or to accept). */
  readable(): boolean {
    return true;
  }

  /** Whether to wait for room to write. */
  writable(): boolean {
    return true;
  }

  // ---- the socket's methods ----

  /** Waits for connections; `backlog` of them may queue up. listen(2). */
  listen(backlog?: number): void {
    this.accepting = true;
    this._changed();
    this.#having('listen').listen(backlog);
  }

  /** bind(2). Host names other than localhost are not looked up; '' is every interface. */
  bind(address: Address): void {
    this.addr = address;
    this.#having('bind').bind(address);
  }

  /**
   * Starts to connect; `handle_connect` or `handle_connect_error` tells how it went. A host name
   * is looked up in the background. Throws an OSError when the attempt fails at once: connect(2).
   */
  connect(address: Address): void {
    const { family } = this.#having('connect');
    const resolved = is_resolved(family, address);
    if (this.fileno() < 0) throw new OSError('connect', errno.EBADF, address);
    this.#begin();
    this.connected = false;
    this.connecting = true;
    this.addr = address;
    this._changed();
    if (!resolved) {
      this.#resolve(family, address);
      return;
    }
    const failure = this.#tryConnect(address);
    if (failure !== null) throw failure;
  }

  /** Why the attempt failed at once, or null. What handle_connect throws is thrown. */
  #tryConnect(address: Address): OSError | null {
    let error = this.#having('connect_ex').connect_ex(address);
    // Linux tells once more of the attempt before this one, if that failed.
    if (error === errno.ECONNABORTED) error = this.#having('connect_ex').connect_ex(address);
    // A Unix socket whose listener's queue is full has not begun to connect (connect(2)).
    const full = error === errno.EAGAIN && this.#having('connect').family === AF_UNIX;
    if (IN_PROGRESS.has(error) && !full) return null;
    if (error !== 0 && error !== errno.EISCONN) {
      this.connecting = false;
      return new OSError('connect', error, address);
    }
    this.handle_connect_event();
    return null;
  }

  #resolve(family: number, address: Address): void {
    const lookup: { address?: Address; error?: unknown } = {};
    const told = () => {
      if (this.#lookup === lookup) this._changed();
    };
    this.#lookup = lookup;
    resolve(family, address).then(
      (address) => {
        lookup.address = address;
        told();
      },
      (error: unknown) => {
        lookup.error = error;
        told();
      },
    );
  }

  /**
   * The look-up is done: connect, or fail as a connection attempt fails.
   *
   * @hidden
   */
  [due](): void {
    if (!this.#lookedUp()) return; // a handler of this pass began another attempt, or called poll
    const { address, error } = this.#lookup ?? {};
    this.#lookup = null;
    if (address === undefined) {
      this.#connectFailed(error);
      return;
    }
    this.addr = address;
    const failure = this.#tryConnect(address);
    if (failure !== null) this.#connectFailed(failure);
  }

  #lookedUp(): boolean {
    return this.#lookup !== null && ('address' in this.#lookup || 'error' in this.#lookup);
  }

  #connectFailed(error: unknown): void {
    this.connecting = false;
    settle(this, this.handle_connect_error(error));
  }

  /** The next waiting connection, or null when there is none (any more). accept(2). */
  accept(): [sock: Socket, address: Address] | null {
    if (this.#isFull()) return null;
    try {
      const pair = nextOf(this.#having('accept'));
      if (pair !== null) {
        if (this.#listening) this.#listening.exhausted = false;
        this.#moved = true;
        if (this.max_connections > 0 && 'on_release' in pair[0]) this.#count(pair[0]);
      }
      return pair;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (EXHAUSTED.has(code)) this.#takeRest(error);
      else if (!GONE.has(code)) throw error;
      return null;
    }
  }

  #asListener(): Listening {
    this.#listening ??= new Listening();
    return this.#listening;
  }

  #count(connection: Socket): void {
    const listening = this.#asListener();
    listening.connections += 1;
    connection.on_release(() => {
      listening.connections -= 1;
      this._changed();
    });
  }

  #isFull(): boolean {
    if (!(this.max_connections > 0) || this.#listening === null) return false;
    return this.#listening.connections >= this.max_connections;
  }

  /** The connections wait in the backlog meanwhile; trying again at once would spin. */
  #takeRest(error: unknown): void {
    const listening = this.#asListener();
    if (!listening.exhausted) {
      this.log_info(
        `${(error as Error).message}: ${describe(this)} goes on accepting when it can`,
        'error',
      );
    }
    listening.exhausted = true;
    listening.rest(() => this._changed());
  }

  /**
   * Sends what the kernel takes and gives the number of bytes, 0 when it takes none now. A peer
   * that is gone is told to `handle_close`. send(2).
   */
  send(data: Uint8Array): number {
    return this._send_chunks([data]);
  }

  /** The same for several chunks, gathered in one sendmsg(2) where the socket can. */
  _send_chunks(chunks: readonly Uint8Array[]): number {
    const socket: socket_like = this.socket ?? this.#having('send');
    try {
      const sent =
        chunks.length === 1 || !socket.sendmsg ? socket.send(chunks[0]) : socket.sendmsg(chunks);
      if (sent > 0) this.#moved = true;
      return sent;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return 0;
      if (!is_disconnected(error, this.#established())) throw error;
      if (!this._is_handing_on) this.handle_close_event();
      return 0;
    }
  }

  /**
   * At most `bufsize` bytes. At the end of the peer's data it calls `handle_eof` and gives an
   * empty buffer; so too, after `handle_close`, when the peer is gone. Throws BlockingIOError when
   * there is nothing to read, which a handler need not catch. recv(2).
   */
  recv(bufsize: number): Buffer {
    const socket = this.socket ?? this.#having('recv');
    let data: Buffer;
    try {
      data = socket.recv(bufsize);
    } catch (error) {
      if (!is_disconnected(error, this.#established())) throw error;
      this.handle_close_event();
      return Buffer.alloc(0);
    }
    if (data.length > 0) this.#moved = true;
    else if (bufsize > 0 && this.#isStream()) this.#end();
    return data;
  }

  /** Told once, however often the end is read. */
  #end(): void {
    if (this.#ended || this.#over) return;
    this.#ended = true;
    settle(this, this.handle_eof());
  }

  /** Closes the channel: nothing more is told to it. close(2). */
  close(): void {
    this.#over = true; // first of all: what is sent last may meet a peer that is gone
    try {
      this._send_last();
    } finally {
      this.#close();
    }
  }

  /** For a class that queues output: what can still be sent is to be sent now. */
  _send_last(): void {}

  #close(): void {
    this.connected = false;
    this.accepting = false;
    this.connecting = false;
    this.#lookup = null;
    this.#listening?.restNoMore();
    this.del_channel(); // before the descriptor: a duplicate of it would stay in the queue
    try {
      this.socket?.close();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTCONN' && code !== 'EBADF') throw error;
    }
  }

  /** Its socket, for a call of that name. */
  #having(call: string): Socket {
    if (this.socket === null)
      throw new OSError(call, errno.EBADF, null, 'create_socket comes first');
    // Methods that a socket_like lacks fail as any missing method does.
    return this.socket as socket_like as Socket;
  }

  #isStream(): boolean {
    const type = this.socket?.type;
    return type === undefined || type === SOCK_STREAM || type === SOCK_SEQPACKET;
  }

  /**
   * For classes that send only when connected: whether they still may be, and so are writable in order to
   * notice it. A datagram socket without a peer would be writable for ever.
   */
  get _awaits_connection(): boolean {
    return !this.connected && this.#isStream();
  }

  /**
   * For classes that divide what they receive: whether some of it is being handed on, so that a pass
   * within a handler must neither read on nor tell of the end.
   */
  get _is_handing_on(): boolean {
    return false;
  }

  #established(): boolean {
    return this.connected && this.#isStream();
  }

  // ---- what a socket has beside: the same methods, on it ----

  /** The descriptor, -1 when there is none. */
  fileno(): number {
    return this.socket?.fileno() ?? -1;
  }

  /** As the socket's: what comes of it is the caller's to see. Handlers are told after `connect`. */
  connect_ex(address: Address): number {
    return this.#having('connect_ex').connect_ex(address);
  }

  /** The loop needs a non-blocking socket; a blocking one holds up the whole thread. */
  setblocking(blocking: boolean): void {
    this.#having('setblocking').setblocking(blocking);
  }

  /** Whether the socket's calls wait. */
  getblocking(): boolean {
    return this.#having('getblocking').getblocking();
  }

  /** Takes the channel out of its map and gives the open descriptor away. */
  detach(): number {
    const socket = this.#having('detach');
    this.del_channel();
    return socket.detach();
  }

  #progress<T>(result: T): T {
    this.#moved = true;
    return result;
  }

  /** Receives into memory of the caller's: {@link Socket.recv_into}. */
  recv_into(...args: Parameters<Socket['recv_into']>): number {
    return this.#progress(this.#having('recv_into').recv_into(...args));
  }

  /** One datagram and its sender: {@link Socket.recvfrom}. Its end of stream calls no handler. */
  recvfrom(...args: Parameters<Socket['recvfrom']>): ReturnType<Socket['recvfrom']> {
    return this.#progress(this.#having('recvfrom').recvfrom(...args));
  }

  /** Data with control messages: {@link Socket.recvmsg}. */
  recvmsg(...args: Parameters<Socket['recvmsg']>): ReturnType<Socket['recvmsg']> {
    return this.#progress(this.#having('recvmsg').recvmsg(...args));
  }

  /** Data with descriptors, which are the caller's to close: {@link Socket.recv_fds}. */
  recv_fds(...args: Parameters<Socket['recv_fds']>): ReturnType<Socket['recv_fds']> {
    return this.#progress(this.#having('recv_fds').recv_fds(...args));
  }

  /** One datagram to an address; gives the number of bytes. Throws when there is no room: {@link Socket.sendto}. */
  sendto(data: ArrayBufferView, address: Address): number;
  /** The same with MSG_ flags. */
  sendto(data: ArrayBufferView, flags: number, address: Address): number;
  sendto(...args: [ArrayBufferView, Address] | [ArrayBufferView, number, Address]): number {
    // The overloads above are the socket's own.
    return this.#progress(
      this.#having('sendto').sendto(...(args as [ArrayBufferView, number, Address])),
    );
  }

  /** Several buffers, control messages, an address, in one call: {@link Socket.sendmsg}. */
  sendmsg(...args: Parameters<Socket['sendmsg']>): number {
    return this.#progress(this.#having('sendmsg').sendmsg(...args));
  }

  /** Data with descriptors, over a Unix socket: {@link Socket.send_fds}. */
  send_fds(...args: Parameters<Socket['send_fds']>): number {
    return this.#progress(this.#having('send_fds').send_fds(...args));
  }

  /** SHUT_WR: the peer sees the end of our data, and may go on sending. shutdown(2). */
  shutdown(how: number): void {
    this.#having('shutdown').shutdown(how);
  }

  /** Its own address: {@link Socket.getsockname}. */
  getsockname(): Address {
    return this.#having('getsockname').getsockname();
  }

  /** The peer's address. Throws ENOTCONN when there is none: {@link Socket.getpeername}. */
  getpeername(): Address {
    return this.#having('getpeername').getpeername();
  }

  /** Who is at the other end of a Unix socket: {@link Socket.getpeercred}. */
  getpeercred(): ReturnType<Socket['getpeercred']> {
    return this.#having('getpeercred').getpeercred();
  }

  /** An option's value as a number: {@link Socket.getsockopt}. */
  getsockopt(level: number, option: number): number;
  /** At most `buflen` raw bytes of it. */
  getsockopt(level: number, option: number, buflen: number): Buffer;
  getsockopt(level: number, option: number, buflen?: number): number | Buffer {
    return buflen === undefined
      ? this.#having('getsockopt').getsockopt(level, option)
      : this.#having('getsockopt').getsockopt(level, option, buflen);
  }

  /** Sets an option to a number or to raw bytes: {@link Socket.setsockopt}. */
  setsockopt(...args: Parameters<Socket['setsockopt']>): void {
    this.#having('setsockopt').setsockopt(...args);
  }

  // ---- messages ----

  /** For every hit: writes a line to standard error. Override it to log elsewhere. */
  log(message: unknown): void {
    process.stderr.write(`log: ${message}\n`);
  }

  /** For warnings and errors: writes a line to standard output, unless its type is ignored. */
  log_info(message: unknown, type = 'info'): void {
    for (const ignored of this.ignore_log_types) if (ignored === type) return;
    process.stdout.write(`${type}: ${message}\n`);
  }

  /** As Python's repr, with the descriptor for the object's address: `<echo connected 127.0.0.1:7 fd=20>`. */
  toString(): string {
    const status: string[] = [this.constructor.name];
    if (this.accepting && this.addr !== null) status.push('listening');
    else if (this.connected) status.push('connected');
    if (Array.isArray(this.addr)) status.push(`${this.addr[0]}:${this.addr[1]}`);
    else if (this.addr !== null) status.push(inspect(this.addr));
    if (this._fileno !== null) status.push(`fd=${this._fileno}`);
    return `<${status.join(' ')}>`;
  }

  /** @hidden */
  [inspect.custom](): string {
    return this.toString();
  }

  // ---- plumbing: from what happened to the handler for it ----

  /** `handle_accept` of a listener, else `handle_read`; before it, the end of a connection attempt. */
  handle_read_event(): void {
    if (this.accepting) {
      settle(this, this.handle_accept());
    } else if (this.#ready()) {
      settle(this, this.handle_read());
    }
  }

  /** `handle_write`; before it, the end of a connection attempt. */
  handle_write_event(): void {
    // A listening socket should not get one: pretend it did not happen.
    if (!this.accepting && this.#ready()) settle(this, this.handle_write());
  }

  /** Sees to it that a connection attempt has ended well before anything is read or written. */
  #ready(): boolean {
    if (!this.connected && this.connecting) {
      this.handle_connect_event();
      return this.connected;
    }
    return this.connected || this.#gone || !this.#isStream();
  }

  /** A connection attempt has ended: `handle_connect`, or `handle_connect_error` with what SO_ERROR says. */
  handle_connect_event(): void {
    const error = this.#having('getsockopt').getsockopt(SOL_SOCKET, SO_ERROR); // once: reading clears it
    if (error !== 0) {
      this.#connectFailed(new OSError('connect', error, this.addr));
      return;
    }
    this.#moved = true;
    this.connected = true; // before the handler, so that what it pushes is sent
    this.connecting = false;
    this._changed();
    settle(this, this.handle_connect());
  }

  /** `handle_expt`, or `handle_close` when it is an error that the poller reports so. */
  handle_expt_event(): void {
    if (this.#having('getsockopt').getsockopt(SOL_SOCKET, SO_ERROR) !== 0)
      this.handle_close_event();
    else settle(this, this.handle_expt());
  }

  /** `handle_close`, once for each connection; what it throws is logged, and closes the channel. */
  handle_close_event(): void {
    if (this.#over) return;
    this.#over = true;
    const closeAnyway = (_: unknown, error: unknown) => {
      if (error instanceof ExitNow) throw error;
      this.#logError(error);
      this.close();
    };
    try {
      settle(this, this.handle_close(), closeAnyway);
    } catch (error) {
      closeAnyway(this, error);
    }
  }

  /**
   * Poll says that it is over, and nothing has noticed so far: nobody was reading.
   *
   * @hidden
   */
  [hung_up](state: number): boolean {
    // So poll calls a stream without a connection; a handler may have begun a new attempt just now.
    if (this.connecting || this.#idle() || this._is_handing_on) return false;
    if (state & POLLERR && !this.#isStream()) {
      const error = this.#having('getsockopt').getsockopt(SOL_SOCKET, SO_ERROR);
      if (error !== 0) failed(this, new OSError('recv', error));
    } else if (!(state & (POLLERR | POLLHUP))) {
      this.#end();
    } else {
      this.handle_close_event();
    }
    return true;
  }

  /** @hidden */
  [patience](now: number): number {
    if (this.#moved || this.#over || this.#idle() || this.#isFull()) {
      this.#moved = false;
      this.#since = now;
    }
    return this.#since + this.timeout * 1000 - now;
  }

  /** @hidden */
  [impatient](): void {
    this.#moved = true;
    settle(this, this.handle_timeout());
  }

  /** @hidden */
  get [over](): boolean {
    return this.#over;
  }

  /** @hidden */
  [interest](): number {
    const readable = this.readable() && !this._is_handing_on;
    const writable = this.writable() && !this.accepting && !this.#gone;
    if (this.#lookup !== null) return this.#lookedUp() ? DUE : 0;
    if (this.#over || this.#listening?.isResting() || this.#isFull()) return 0;
    if (this.#idle()) return IDLE;
    let events = 0;
    if (readable && !this.#ended) events |= this.#isDeaf() ? HANG_UP : POLLIN;
    if (writable && (this.connecting || this.#writes())) events |= POLLOUT;
    if (readable || writable) events |= POLLPRI;
    if (this.#ended) events |= POLLHUP;
    return events;
  }

  /** A stream that neither connects, is connected nor listens: poll would call it hung up. */
  #idle(): boolean {
    if (this.connected || this.connecting || this.accepting || this.#gone) return false;
    return this.#isStream();
  }

  /** Whether anything comes of a write event. */
  #writes(): boolean {
    const { handle_write, handle_write_event } = this;
    return handle_write !== unhandled_write || handle_write_event !== write_event;
  }

  #isDeaf(): boolean {
    return this.#deaf && this.handle_read === unhandled_read;
  }

  // ---- handlers, to be overridden ----

  /** A handler threw `error`: logs it in one line and closes. */
  handle_error(error: unknown): void {
    this.#logError(error);
    if (!this.#spares(error)) this.handle_close_event();
  }

  #spares(error: unknown): boolean {
    return this.#listening?.sparing || (error instanceof Object && ofNewcomers.get(error) === this);
  }

  #logError(error: unknown): void {
    const [, type, value, info] = compact_traceback(error);
    const name = typeof type === 'function' ? type.name : type;
    const text = value instanceof Error ? value.message : inspect(value, { breakLength: Infinity });
    const trace = info === '' ? '' : ` ${info}`;
    const what = this.#spares(error) ? 'closing the new connection of' : 'closing channel';
    this.log_info(
      `uncaptured exception, ${what} ${describe(this)} (${name}:${text}${trace})`,
      'error',
    );
  }

  /** There is an urgent byte to read: `this.socket.recv(1, MSG_OOB)`. */
  handle_expt(): void {
    this.log_info('unhandled incoming priority event', 'warning');
  }

  /** There is something to read, or the end. */
  handle_read(): void {
    this.#deaf = true;
    this.log_info('unhandled read event', 'warning');
  }

  /** There is room to write. */
  handle_write(): void {
    this.log_info('unhandled write event', 'warning');
  }

  /** The connection stands; what is sent from here on goes out. */
  handle_connect(): void {
    this.log_info('unhandled connect event', 'warning');
  }

  /** The connection attempt failed. Still open after this, the channel rests until it `connect`s. */
  handle_connect_error(error: unknown): void {
    report(this, error);
  }

  /** Connections wait to be accepted: calls `handle_accepted` for each. */
  handle_accept(): void {
    for (let i = 0; i < MOST_ACCEPTS && this.accepting; i++) {
      const pair = this.accept();
      if (pair === null) break;
      this.#accepted(...pair);
    }
  }

  #accepted(sock: Socket, address: Address): void {
    const before = newcomer;
    const mine: Newcomer = { sock, owner: null };
    const refuse = (_: unknown, error: unknown) => this.#refuse(mine, error);
    newcomer = mine;
    try {
      settle(this, this.handle_accepted(sock, address), refuse);
    } catch (error) {
      refuse(this, error);
    } finally {
      newcomer = before;
    }
  }

  /** The new connection, and the channel that may have been made for it, pay for the error. */
  #refuse({ sock, owner }: Newcomer, error: unknown): void {
    if (error instanceof ExitNow) throw error;
    if (error instanceof BlockingIOError) return;
    if (owner?.socket === sock) owner.close();
    else sock.close();
    const listening = this.#asListener();
    listening.sparing = true;
    if (error instanceof Object) ofNewcomers.set(error, this);
    try {
      // Whatever the error, it does not mean that the listener is disconnected.
      report(this, error);
    } finally {
      listening.sparing = false;
    }
  }

  /** A connection was accepted: the default closes it. */
  handle_accepted(sock: Socket, address: Address): void;
  handle_accepted(sock: Socket): void {
    sock.close();
    this.log_info('unhandled accepted event', 'warning');
  }

  /**
   * Nothing was received, sent, accepted or connected for `timeout` seconds (and up to a tenth more). By
   * default an attempt to connect fails with ETIMEDOUT, and anything else is closed as by its peer. A
   * channel that stays open is told again after as long.
   */
  handle_timeout(): void {
    if (this.connecting) {
      this.#lookup = null;
      this.#connectFailed(new OSError('connect', errno.ETIMEDOUT, this.addr));
    } else {
      this.log_info(`no progress for ${this.timeout} seconds: ${describe(this)}`, 'warning');
      this.handle_close_event();
    }
  }

  /** The peer will send no more. Override it to go on writing; the default is `handle_close`. */
  handle_eof(): void {
    this.handle_close_event();
  }

  /** The connection is over. */
  handle_close(): void {
    this.log_info('unhandled close event', 'warning');
    this.close();
  }
}

const {
  handle_read: unhandled_read,
  handle_write: unhandled_write,
  handle_write_event: write_event,
} = dispatcher.prototype;
settle_predicates(dispatcher.prototype, 'readable', 'writable');
announce_assignment(dispatcher.prototype, 'handle_read', 'handle_write', 'handle_write_event');

/** The next connection, or null: to throw that none waits would cost more than to accept one. */
function nextOf(socket: Socket): [sock: Socket, address: Address] | null {
  if (socket.accept !== Socket.prototype.accept) return socket.accept(); // one of its own
  const answer = socket.accept_ex();
  if (typeof answer !== 'number') return answer;
  if (answer === errno.EAGAIN) return null;
  throw new OSError('accept', answer);
}

function checkSocket(call: string, sock: socket_like): void {
  if (typeof sock?.fileno === 'function' && typeof sock.recv === 'function') return;
  throw wrong.type(
    `${call}: sock must be a Socket of @asyncore/socket, or have its fileno, recv, send, getsockopt and close`,
  );
}

/** A class may have a toString of its own that fails. */
function describe(channel: dispatcher<socket_like>): string {
  try {
    return String(channel);
  } catch {
    return `<toString() failed for a ${channel.constructor.name}>`;
  }
}
