import { inspect } from 'node:util';
import type { Address, Socket, Transport } from '@asyncore/socket';
import { announce_assignment, announce_changes } from '../announced.js';
import type { channel } from '../channel.js';
import { checkLimit } from '../checked.js';
import { accepted, listens } from '../diagnostics/life.js';
import { endpoint } from '../endpoint.js';
import { tellError } from '../handlers/handling.js';
import { Connecting } from './connecting.js';
import { event_channel } from './event_channel.js';
import { having } from './having.js';
import { backlogOf } from './listening.js';
import { log_error } from './log_error.js';
import { methods, of_listeners, unhandled_connection, unhandled_event } from './mistakes.js';
import { type connection_options, Racing } from './racing.js';
import { serve, type server_options } from './serving.js';
import { socket_channel } from './socket_channel.js';
import { socket_methods } from './socket_methods.js';
import { Timers, type timer } from './timers.js';
import { unhandled } from './unhandled.js';

/**
 * A thin wrapper around a socket: the loop asks it what to wait for and calls its `handle_`
 * methods, which a subclass overrides. Otherwise it is a non-blocking socket.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher
 */
export class dispatcher<S extends Transport = Socket> extends event_channel<S> implements channel {
  // Attributes that few channels have of their own: as in Python, the class has the usual value.

  /** A flag for a program's own logging, as in Python. Set, it makes the library log more too. Default false. */
  declare debug: boolean;
  /** Whether `close_when_done` was called. As in Python, a program may set it for its own purposes: the library does not act on it. */
  declare closing: boolean;
  /** The types of message that `log_info` does not write. Default: `['warning']`. */
  declare ignore_log_types: Iterable<string>;
  /**
   * After this many seconds without progress the loop calls `handle_timeout`. Progress is that something
   * was received, sent, accepted or connected; what a handler does is none. Default 0: never.
   */
  declare timeout: number;
  /**
   * The most accepted connections that may be open at a time. A listener at this limit accepts none, and
   * new connections wait in the kernel's backlog. Set it before the first is accepted. Default 0: no limit.
   */
  declare max_connections: number;
  /**
   * Whether a TCP channel sets TCP_NODELAY once it is connected or accepted. Default true; false keeps
   * the kernel's default, which is Nagle's algorithm. tcp(7).
   */
  declare no_delay: boolean;
  /**
   * How long, in seconds, the channel waits for the peer to end after `close_when_done` has sent
   * everything. Meanwhile it reads and discards what still arrives: closing with unread input would reset
   * the connection, and the peer could lose output that it has not received yet. Default 2; 0 closes at once.
   */
  declare linger_time: number;
  /** How many bytes the channel reads and discards at most while it waits so. Default 1 MiB. */
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

  /**
   * Whether the loop should wait for input, or for connections to accept. Default true. Override it to
   * pause reading: while it returns false the kernel keeps what arrives, and slows the sender down.
   */
  readable(): boolean {
    return true;
  }

  /**
   * Whether the loop should wait until the kernel takes output. Default true, which wakes only channels
   * that have a `handle_write` of their own. Override it to return whether there is something to send.
   */
  writable(): boolean {
    return true;
  }

  // ---- the socket's methods ----

  /**
   * Starts to listen. The kernel queues up to `backlog` connections until the loop accepts them; left
   * out, it is as many as the system allows, and a number from 5 to 127 counts as 128. (`socket.listen`
   * takes the number as it is.)
   *
   * @throws OSError when listen(2) fails
   */
  listen(backlog?: number): void {
    this[endpoint].passOverFields();
    checkLimit('max_connections', 'connections', this.max_connections);
    const before = this.accepting;
    this.accepting = true;
    try {
      having(this, 'listen').listen(backlogOf(backlog));
    } catch (error) {
      this.accepting = before; // it may be tried again
      throw error;
    }
    listens(this, () => this.getsockname());
  }

  /**
   * Binds the socket to a local address. The host must be numeric or a name like `localhost`, since other
   * names are not looked up; `''` is every interface, and port 0 lets the system choose: `getsockname`
   * gives its choice.
   *
   * @throws OSError when bind(2) fails
   */
  bind(address: Address): void {
    this.addr = address;
    having(this, 'bind').bind(address);
  }

  /**
   * Starts to connect and returns at once. Then the loop calls `handle_connect`, or
   * `handle_connect_error` when the attempt fails. A host name is looked up in the background, in the
   * family of the socket; `create_connection` tries both families.
   *
   * @throws OSError when connect(2) fails at once
   */
  connect(address: Address): void {
    const socket = having(this, 'connect', 'connect_ex');
    if (this.connected) this[endpoint].output?.before('connect');
    new Connecting(this[endpoint]).start(address, socket);
  }

  /**
   * Connects to a host whose address family is not known, in place of `create_socket` and `connect`. It
   * looks the host up and tries its IPv6 and IPv4 addresses with overlapping attempts; the first to
   * answer wins (RFC 8305). Then the loop calls `handle_connect`, or when every attempt has failed
   * `handle_connect_error`: with the error of the only attempt, or an AggregateError of several. A path
   * as address means AF_UNIX. `close` ends all attempts and calls no handler.
   *
   * @throws TypeError or RangeError for wrong arguments; a failed attempt never throws
   */
  create_connection(address: Address, options: connection_options = {}): void {
    new Racing(this[endpoint], address, options).start();
  }

  /**
   * Listens on `address`, in place of `create_socket`, `set_reuse_addr`, `bind` and `listen`, as Python's
   * `socket.create_server` does. The address decides the family; a path means AF_UNIX.
   *
   * https://docs.python.org/3.11/library/socket.html#socket.create_server
   *
   * @throws OSError when one of the system calls fails: the channel has no socket then
   * @throws TypeError or RangeError for wrong arguments
   */
  create_server(address: Address, options: server_options = {}): void {
    serve(this as dispatcher<Transport>, address, options);
  }

  /**
   * Takes the next waiting connection, as a socket and the peer's address. Returns null when none waits,
   * or when the one that did has gone away.
   *
   * @throws OSError (EMFILE, ENFILE, ENOBUFS, ENOMEM) when the system has no descriptor or memory for it.
   *   A handler need not catch that: the listener logs it, rests a tenth of a second and goes on. accept(2).
   */
  accept(): [sock: Socket, address: Address] | null {
    const pair = this[endpoint].listener().accept(having(this, 'accept'));
    if (pair === null) return null;
    this[endpoint].progress();
    accepted(this, pair[1]);
    return pair;
  }

  /**
   * Sends as much as the kernel takes now, and returns the number of bytes; 0 when it takes none. When the
   * peer is gone it calls `handle_close` and returns 0. `dispatcher_with_send` and `async_chat` queue the
   * rest for you. After `close`, `close_when_done`, `detach` or `shutdown` the data is refused with a line
   * in the log, and 0 comes back. send(2).
   *
   * @throws OSError for any other failure
   */
  send(data: Uint8Array): number {
    const known = this[endpoint];
    return known.maySend(data) ? known.transmit([data]) : 0;
  }

  /**
   * Receives at most `bufsize` bytes, with MSG_ `flags`. At the end of the peer's data it calls
   * `handle_eof` and returns an empty buffer; when the connection is lost it calls `handle_close` and
   * returns an empty buffer. recv(2).
   *
   * @throws BlockingIOError when there is nothing to read; a handler need not catch it
   * @throws OSError for any other failure
   */
  recv(bufsize: number, flags = 0): Buffer {
    const known = this[endpoint];
    if (known.transport === null) having(this, 'recv');
    return known.recv(bufsize, flags) ?? Buffer.alloc(0);
  }

  /**
   * Closes the channel, after which none of its handlers is called. Output that is still queued is sent
   * first, as far as the kernel takes it; the rest is lost. close(2).
   */
  close(): void {
    const known = this[endpoint];
    const { life } = known;
    try {
      known.sendLast();
    } finally {
      if (known.life === life) known.closeSocket(); // else a handler has begun another connection
    }
  }

  // ---- timers ----

  /**
   * Calls `f` once, `seconds` from now, as a handler: what it throws goes to `handle_error`, what it sends
   * goes out when it returns, and it may be async. `close` cancels it. A timer keeps neither a loop nor
   * the process alive, and needs neither a socket nor a loop; the blocking `poll` and `poll2` return when
   * it is due.
   *
   * @throws TypeError or RangeError for wrong arguments
   */
  call_later(seconds: number, f: () => unknown): timer {
    return timersOf(this as dispatcher<Transport>).later('call_later', seconds, f);
  }

  /**
   * Calls `f` every `seconds`, as `call_later` does once, until the timer is cancelled or the channel
   * closes. It goes on after `f` has thrown, if the channel is still open, and waits for a promise that `f`
   * returned. Calls that a blocked thread has missed are made up for by a single one.
   */
  call_every(seconds: number, f: () => unknown): timer {
    return timersOf(this as dispatcher<Transport>).every(seconds, f);
  }

  /** Calls `f` as `call_later` does, at a time of the monotonic clock in seconds: `performance.now() / 1000`. */
  call_at(when: number, f: () => unknown): timer {
    return timersOf(this as dispatcher<Transport>).at(when, f);
  }

  // ---- messages ----

  /** Writes a line to standard error: a log of every request, say. Override it to log elsewhere. */
  log(message: unknown): void {
    process.stderr.write(`log: ${message}\n`);
  }

  /**
   * Writes a line `type: message` to standard output, unless its type is in `ignore_log_types`. The library
   * logs warnings and errors with it. Override it to log elsewhere.
   */
  log_info(message: unknown, type = 'info'): void {
    for (const ignored of this.ignore_log_types ?? []) if (ignored === type) return;
    process.stdout.write(`${type}: ${message}\n`);
  }

  /** The channel as Python's repr shows it, with its descriptor: `<echo connected 127.0.0.1:7 fd=20>`. */
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

  // ---- handlers, to be overridden ----

  /**
   * A handler threw `error`, or its promise was rejected with it. The default logs one line
   * (`compact_traceback`) and calls `handle_close`. What this method itself throws ends the loop.
   */
  handle_error(error: unknown): void {
    log_error(this, error);
    if (!this[endpoint].listening?.spares(error)) this.handle_close_event();
  }

  /** Urgent (out-of-band) data has come: read it with `this.recv(1, MSG_OOB)`. The default logs a warning. */
  handle_expt(): void {
    unhandled_event(this, 'handle_expt');
    this.log_info('unhandled incoming priority event', 'warning');
  }

  /**
   * There is input to read, or the end of it: call `recv`. The default logs a warning once, and the channel
   * then waits for the hang-up only.
   */
  handle_read(): void {
    this[endpoint].deafen();
    unhandled_event(this, 'handle_read');
    this.log_info('unhandled read event', 'warning');
  }

  /** The kernel takes output: call `send`. The loop calls this while `writable()` is true. */
  handle_write(): void {
    unhandled_event(this, 'handle_write');
    this.log_info('unhandled write event', 'warning');
  }

  /** The connection is made: what is sent from here on goes out. The default logs a warning. */
  handle_connect(): void {
    unhandled_event(this, 'handle_connect');
    this.log_info('unhandled connect event', 'warning');
  }

  /**
   * The attempt to connect failed with `error`. The default calls `handle_error`. A channel that is still
   * open afterwards waits for nothing until it calls `connect` again.
   */
  handle_connect_error(error: unknown): void {
    tellError(this, error);
  }

  /** Connections wait to be accepted. The default accepts all of them, and calls `handle_accepted` for each. */
  handle_accept(): void {
    this[endpoint].listener().acceptAll();
  }

  /** A connection was accepted: make a channel of `sock`. The default closes it and logs a warning. */
  handle_accepted(sock: Socket, address: Address): void;
  handle_accepted(sock: Socket): void {
    sock.close();
    if (!unhandled_event(this, 'handle_accepted')) unhandled_connection(this);
    this.log_info('unhandled accepted event', 'warning');
  }

  /**
   * Nothing was received, sent, accepted or connected for `timeout` seconds (up to a tenth more may have
   * passed). By default an attempt to connect fails with ETIMEDOUT, and any other channel calls
   * `handle_close`. A channel that stays open is called again after another `timeout`.
   */
  handle_timeout(): void {
    this[endpoint].timedOut();
  }

  /**
   * The peer will send no more. It may have ended only its half of the connection (as `nc -N` does), so
   * the default sends what is queued and then calls `handle_close`. Override it to go on writing.
   */
  handle_eof(): void {
    if (!this[endpoint].output?.endWhenOut()) this.handle_close_event();
  }

  /**
   * The connection is over; `close_reason` is the error that ended it, or null. The default logs a warning
   * and closes. An override should call `close()`.
   */
  handle_close(): void {
    unhandled_event(this, 'handle_close');
    this.log_info('unhandled close event', 'warning');
    this.close();
  }
}

function timersOf(channel: dispatcher<Transport>): Timers {
  const known = channel[endpoint];
  known.timers ??= new Timers(channel);
  return known.timers;
}

Object.assign(unhandled, {
  read: dispatcher.prototype.handle_read,
  write: dispatcher.prototype.handle_write,
  write_event: dispatcher.prototype.handle_write_event,
});
/** The library's own, which takes all that wait. */
const { handle_accept: accepts_all } = dispatcher.prototype;
Object.assign(of_listeners, {
  accept: accepts_all,
  accepted: dispatcher.prototype.handle_accepted,
});
for (const { prototype } of [socket_channel, socket_methods, event_channel, dispatcher]) {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value === 'function' && name !== 'constructor') methods.add(name);
  }
}
announce_changes(dispatcher.prototype, 'readable', 'writable');
announce_assignment(dispatcher.prototype, 'handle_read', 'handle_write', 'handle_write_event');
