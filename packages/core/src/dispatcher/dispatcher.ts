import { inspect } from 'node:util';
import { type Address, errno, OSError, type Socket, type Transport } from '@asyncore/socket';
import { announce_assignment, announce_changes } from '../announced.js';
import type { channel } from '../channel.js';
import { condensed } from '../compact_traceback.js';
import { accepted, connected, listens } from '../diagnostics/life.js';
import { endpoint } from '../endpoint.js';
import { ExitNow } from '../exit_now.js';
import { report, settle } from '../handlers/handling.js';
import { Connecting } from './connecting.js';
import { READING, URGENT, WRITING } from './connection_flags.js';
import { Listening } from './listening.js';
import { type connection_options, Racing } from './racing.js';
import { serve, type server_options } from './serving.js';
import { having, socket_channel } from './socket_channel.js';
import { type SocketEndpoint, unhandled } from './socket_endpoint.js';
import { Timers, type timer } from './timers.js';

/**
 * A thin wrapper around a socket: the loop asks it what to wait for and calls its `handle_`
 * methods, which a subclass overrides. Otherwise it is a non-blocking socket.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher
 */
export class dispatcher<S extends Transport = Socket> extends socket_channel<S> implements channel {
  // Attributes that few channels have of their own: as in Python, the class has the usual value.

  /** Asks for more talk in a program's own logging. Default false. */
  declare debug: boolean;
  /** `close_when_done` was called. Setting it does nothing: as in Python it is the program's to use. */
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
  /**
   * Whether a TCP channel that connects or is accepted sets TCP_NODELAY. Default true; false keeps
   * the kernel's default, Nagle's algorithm. tcp(7).
   */
  declare no_delay: boolean;
  /**
   * After `close_when_done`, when everything is sent: for so many seconds at most it waits for the
   * peer's end, and reads away what still comes. Closing at once would then be a reset, which takes
   * with it what the peer has yet to receive. Default 2; 0 closes at once.
   */
  declare linger_time: number;
  /** And at most so many bytes. Default 1 MiB. */
  declare linger_bytes: number;
  static {
    Object.assign(dispatcher.prototype, {
      debug: false,
      closing: false,
      ignore_log_types: Object.freeze(['warning']),
      timeout: 0,
      max_connections: 0,
      no_delay: true,
      linger_time: 2,
      linger_bytes: 1 << 20,
    } satisfies Partial<dispatcher>);
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

  /** Waits for connections; `backlog` of them may queue up. Throws OSError: listen(2). */
  listen(backlog?: number): void {
    this[endpoint].passOverFields();
    const before = this.accepting;
    this.accepting = true;
    try {
      having(this, 'listen').listen(backlog);
    } catch (error) {
      this.accepting = before; // it may be tried again
      throw error;
    }
    listens(this, () => this.getsockname());
  }

  /** bind(2). Host names other than localhost are not looked up; '' is every interface. */
  bind(address: Address): void {
    this.addr = address;
    having(this, 'bind').bind(address);
  }

  /**
   * Starts to connect; `handle_connect` or `handle_connect_error` tells how it went. A host name
   * is looked up in the background. Throws an OSError when the attempt fails at once: connect(2).
   */
  connect(address: Address): void {
    const socket = having(this, 'connect');
    if (this.connected) this[endpoint].output?.before('connect');
    new Connecting(this[endpoint]).start(address, socket);
  }

  /**
   * In the place of `create_socket` and `connect`, where the family is not known: looks the host up, and
   * tries its addresses one after the other without giving any up, until the first answers (RFC 8305).
   * `handle_connect` or `handle_connect_error` tells how it went: with the error if there was but one, else
   * with an AggregateError. A path stands for AF_UNIX. `close` ends it without a word.
   *
   * @throws TypeError or RangeError for wrong arguments; no failed attempt is thrown
   */
  create_connection(address: Address, options: connection_options = {}): void {
    new Racing(this[endpoint], address, options).start();
  }

  /**
   * In the place of `create_socket`, `set_reuse_addr`, `bind` and `listen`, after `socket.create_server`
   * of Python: the family is that of the address. A path stands for AF_UNIX. Throws an OSError when one
   * of the calls fails, and no socket is left then; a TypeError or RangeError for wrong arguments.
   *
   * https://docs.python.org/3.11/library/socket.html#socket.create_server
   */
  create_server(address: Address, options: server_options = {}): void {
    serve(this as dispatcher<Transport>, address, options);
  }

  /**
   * The next waiting connection, or null when there is none (any more). Throws EMFILE and its like
   * when there is no descriptor or memory for it; the listener has logged that then, and rests a
   * moment, so a handler need not catch it. accept(2).
   */
  accept(): [sock: Socket, address: Address] | null {
    const pair = this.#listening().accept(having(this, 'accept'));
    if (pair === null) return null;
    this[endpoint].progress();
    accepted(this, pair[1]);
    return pair;
  }

  #listening(): Listening {
    const known = this[endpoint];
    known.listening ??= new Listening(this as dispatcher<Transport>);
    return known.listening;
  }

  /**
   * Sends what the kernel takes and gives the number of bytes, 0 when it takes none now. A peer
   * that is gone is told to `handle_close`. send(2).
   */
  send(data: Uint8Array): number {
    const { output } = this[endpoint]; // of an async_chat, whose push queues
    if (output !== null && !output.mayPass()) return 0;
    return this.#transmit([data]);
  }

  /** The same for several chunks, gathered in one sendmsg(2) where the socket can. */
  _send_chunks(chunks: readonly Uint8Array[]): number {
    return this.#transmit(chunks);
  }

  #transmit(chunks: readonly Uint8Array[]): number {
    if (this.socket === null) having(this, 'send');
    return this[endpoint].transmit(chunks);
  }

  /**
   * At most `bufsize` bytes, with MSG_ `flags`. At the end of the peer's data it calls `handle_eof`
   * and gives an empty buffer; so too, after `handle_close`, when the peer is gone. Throws
   * BlockingIOError when there is nothing to read, which a handler need not catch. recv(2).
   */
  recv(bufsize: number, flags = 0): Buffer {
    if (this.socket === null) having(this, 'recv');
    return this[endpoint].recv(bufsize, flags) ?? Buffer.alloc(0);
  }

  /**
   * Closes the channel: nothing more is told to it. What was sent goes out first, as far as the
   * kernel takes it. close(2).
   */
  close(): void {
    const known = this[endpoint];
    const { life } = known;
    try {
      known.sendLast();
    } finally {
      if (known.life === life) this.#close(); // else a handler has begun another connection
    }
  }

  #close(): void {
    if (Object.hasOwn(this, 'closing')) this.closing = false;
    this.del_channel(); // before the descriptor: a duplicate of it would stay in the queue
    this[endpoint].ended();
    try {
      this.socket?.close();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTCONN' && code !== 'EBADF') throw error;
    }
  }

  // ---- timers ----

  /**
   * Calls `f` once, `seconds` from now, as a handler is called: what it throws goes to `handle_error`,
   * what it sends goes out when it returns, and it may be async. `close` cancels it. It keeps no loop
   * and no process alive, and works without a socket and without a loop; the blocking `poll` and `poll2`
   * wait no longer than until it is due. Throws a TypeError or RangeError for wrong arguments.
   */
  call_later(seconds: number, f: () => unknown): timer {
    return this.#timers().later('call_later', seconds, f);
  }

  /**
   * The same every `seconds`, until it is cancelled or the channel closes; also after `f` has thrown, if
   * the channel is open still. After a pause of the thread it comes once. It waits for a promise of `f`.
   */
  call_every(seconds: number, f: () => unknown): timer {
    return this.#timers().every(seconds, f);
  }

  /** As `call_later`, at a time of the monotonic clock, in seconds: `performance.now() / 1000`. */
  call_at(when: number, f: () => unknown): timer {
    return this.#timers().at(when, f);
  }

  #timers(): Timers {
    const known = this[endpoint];
    known.timers ??= new Timers(this as dispatcher<Transport>);
    return known.timers;
  }

  // ---- for sister packages ----

  /** How many bytes one call is to be given of what is queued, at most. */
  get _send_size(): number {
    return 1 << 20;
  }

  /**
   * For classes that divide what they receive: whether some of it is being handed on, or is kept
   * until that may go on. Then nothing is read, and the end is not told.
   */
  get _holds_input(): boolean {
    return false;
  }

  /** Takes out what was received and has not been handed on. */
  _take_input(): Buffer {
    return Buffer.alloc(0);
  }

  /** A connection was made; called before `handle_connect`. */
  _connected(): void {}

  /** It begins another connection: nothing of the former one may be left. Never called for the first. */
  _begin(): void {}

  // ---- messages ----

  /** For every hit: writes a line to standard error. Override it to log elsewhere. */
  log(message: unknown): void {
    process.stderr.write(`log: ${message}\n`);
  }

  /** For warnings and errors: writes a line to standard output, unless its type is ignored. */
  log_info(message: unknown, type = 'info'): void {
    for (const ignored of this.ignore_log_types ?? []) if (ignored === type) return;
    process.stdout.write(`${type}: ${message}\n`);
  }

  /** As Python's repr, with the descriptor for the object's address: `<echo connected 127.0.0.1:7 fd=20>`. */
  toString(): string {
    const status: string[] = [this.constructor.name];
    if (this.accepting && this.addr !== null) status.push('listening');
    else if (this.connected) status.push('connected');
    if (Array.isArray(this.addr)) status.push(`${this.addr[0]}:${this.addr[1]}`);
    else if (this.addr !== null) {
      const { addr } = this;
      status.push(inspect(typeof addr === 'string' ? addr : Buffer.from(addr).toString('latin1')));
    }
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
    const known = this[endpoint];
    if (known.isLingering) known.drain();
    else if (this.accepting) this.#accept(known);
    else if (known.isReady()) known.run(READING, this.handle_read());
  }

  #accept(known: SocketEndpoint): void {
    const { handle_accept } = this;
    if (handle_accept === accepts_all) handle_accept.call(this);
    else this.#listening().serve(() => known.run(READING, handle_accept.call(this)));
  }

  /** `handle_write`; before it, the end of a connection attempt. */
  handle_write_event(): void {
    const known = this[endpoint];
    // A listening socket should not get one: pretend it did not happen.
    if (!this.accepting && known.isReady()) known.run(WRITING, this.handle_write());
  }

  /** A connection attempt has ended: `handle_connect`, or `handle_connect_error` with what SO_ERROR says. */
  handle_connect_event(): void {
    const known = this[endpoint];
    const error = having(this, 'getsockopt') && known.takeError();
    if (error !== 0) {
      this.#connectFailed(new OSError('connect', error, this.addr));
      return;
    }
    known.progress();
    this.connecting = false;
    this.connected = true; // before the handler, so that what it pushes is sent
    known.tune();
    connected(this);
    this._connected();
    settle(this, this.handle_connect());
  }

  #connectFailed(error: unknown): void {
    const known = this[endpoint];
    known.attempt ??= new Connecting(known);
    known.attempt.fail(error);
  }

  /** `handle_expt`, or `handle_close` when it is an error that the poller reports so. */
  handle_expt_event(): void {
    const known = this[endpoint];
    const error = known.takeError();
    if (error === 0) known.run(URGENT, this.handle_expt());
    else known.lost(new OSError('recv', error));
  }

  /** `handle_close`, once for each connection; what it throws is logged, and closes the channel. */
  handle_close_event(): void {
    if (!this[endpoint].close()) return;
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

  // ---- handlers, to be overridden ----

  /** A handler threw `error`: logs it in one line and closes. */
  handle_error(error: unknown): void {
    this.#logError(error);
    if (!this.#spares(error)) this.handle_close_event();
  }

  #spares(error: unknown): boolean {
    return this[endpoint].listening?.spares(error) ?? false;
  }

  #logError(error: unknown): void {
    const what = this.#spares(error) ? 'closing the new connection of' : 'closing channel';
    this.log_info(`uncaptured exception, ${what} ${describe(this)} (${condensed(error)})`, 'error');
  }

  /** There is an urgent byte to read: `this.recv(1, MSG_OOB)`. */
  handle_expt(): void {
    this.log_info('unhandled incoming priority event', 'warning');
  }

  /** There is something to read, or the end. */
  handle_read(): void {
    this[endpoint].deafen();
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
    this.#listening().acceptAll();
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
    const known = this[endpoint];
    if (this.connecting) {
      this.#connectFailed(new OSError('connect', errno.ETIMEDOUT, this.addr));
    } else {
      this.log_info(`no progress for ${this.timeout} seconds: ${describe(this)}`);
      known.reason ??= new OSError('recv', errno.ETIMEDOUT, null, `nothing for ${this.timeout} s`);
      this.handle_close_event();
    }
  }

  /**
   * The peer will send no more. Override it to go on writing; the default is `handle_close`, as soon
   * as everything is sent: the peer may have ended its half only (`nc -N`).
   */
  handle_eof(): void {
    if (!this[endpoint].output?.endWhenOut()) this.handle_close_event();
  }

  /** The connection is over; `close_reason` has the error that ended it. */
  handle_close(): void {
    this.log_info('unhandled close event', 'warning');
    this.close();
  }
}

Object.assign(unhandled, {
  read: dispatcher.prototype.handle_read,
  write: dispatcher.prototype.handle_write,
  write_event: dispatcher.prototype.handle_write_event,
});
/** The library's own, which takes all that wait. */
const { handle_accept: accepts_all } = dispatcher.prototype;
announce_changes(dispatcher.prototype, 'readable', 'writable');
announce_assignment(dispatcher.prototype, 'handle_read', 'handle_write', 'handle_write_event');

/** A class may have a toString of its own that fails. */
function describe(channel: dispatcher<Transport>): string {
  try {
    return String(channel);
  } catch {
    return `<toString() failed for a ${channel.constructor.name}>`;
  }
}
