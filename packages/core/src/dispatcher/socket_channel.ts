import {
  type Address,
  AF_INET,
  errno,
  OSError,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
  type Transport,
} from '@asyncore/socket';
import { type channel, type channel_map, socket_map } from '../channel.js';
import { checkMap } from '../checked.js';
import { connected, opened } from '../diagnostics/life.js';
import { endpoint } from '../endpoint.js';
import { check_keep_alive, keep_alive, type keep_alive_options } from '../keep_alive.js';
import { Channels } from '../loop/channels.js';
import type { Output } from '../output/output.js';
import { ACCEPTING, CONNECTED, CONNECTING, MADE } from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { checkSocket, having } from './having.js';
import { claim } from './listening.js';
import { expect_loop, note_early } from './mistakes.js';
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
    if (sock !== null && sock !== undefined) {
      adopt(this, sock);
      note_early(this as unknown as dispatcher<Transport>);
    }
    this[endpoint].set(MADE, true);
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
    const from = map ?? this._map;
    const fd = this._fileno ?? this.fileno(); // a field of a subclass may have reset it
    if (fd < 0 || (this._fileno !== fd && from.get(fd) !== this)) return;
    if (from.get(fd) !== this && this.fileno() !== fd) {
      // The socket was closed behind the channel's back, and its number is another channel's by now.
      this[endpoint].watcher?.forget();
    } else {
      from.delete(fd);
      Channels.removed(from, fd); // no loop may be there to see it
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

  /** The descriptor, -1 when there is none. */
  fileno(): number {
    return this.socket?.fileno() ?? -1;
  }

  /** The output queue of a class that has one; null for others. */
  _output(): Output | null {
    return null;
  }
}

function adopt<S extends Transport>(channel: socket_channel<S>, sock: S): void {
  checkSocket('dispatcher', sock);
  sock.setblocking?.(false);
  channel.set_socket(sock);
  channel.connected = true;
  try {
    channel.addr = sock.getpeername?.() ?? null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTCONN' && code !== 'EINVAL') {
      channel.del_channel();
      throw error;
    }
    channel.connected = false;
    channel[endpoint].foundGone(error);
    return;
  }
  connected(channel);
}
