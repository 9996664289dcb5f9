import { errno, OSError, SOCK_DGRAM, Socket, type Transport } from '@asyncore/socket';
import { connected, erred } from '../diagnostics/life.js';
import { uncounted } from '../diagnostics/traffic.js';
import { endpoint } from '../endpoint.js';
import { is_exit } from '../exit_now.js';
import { settle } from '../handlers/handling.js';
import { ACCEPTING, LINGERING, READING, URGENT, WRITING } from './connection_flags.js';
import { having } from './having.js';
import { log_error } from './log_error.js';
import { of_listeners } from './mistakes.js';
import type { SocketEndpoint } from './socket_endpoint.js';
import { socket_methods } from './socket_methods.js';

/**
 * From what happened to the handler for it, and what a class that parses its input may override. Only
 * `dispatcher` extends it, and adds the handlers.
 */
export abstract class event_channel<S extends Transport = Socket> extends socket_methods<S> {
  abstract handle_read(): void;
  abstract handle_write(): void;
  abstract handle_expt(): void;
  abstract handle_connect(): void;
  abstract handle_accept(): void;
  abstract close(): void;
  abstract log_info(message: unknown, type?: string): void;

  // ---- for sister packages ----

  /** The most bytes of the queue that one send is given. */
  get _send_size(): number {
    return 1 << 20;
  }

  /** Whether no subclass sees to what is sent: what is queued goes to the socket as it is. */
  get _sends_itself(): boolean {
    return this._send_chunks === event_channel.prototype._send_chunks;
  }

  /** Sends several chunks as `send` does, with one sendmsg(2) where the transport has it. */
  _send_chunks(chunks: readonly Uint8Array[]): number {
    return this[endpoint].transmit(chunks);
  }

  /** Whether many datagrams may go out in one call, without a `send` of the class or of its socket that would not see them. */
  get _sends_messages(): boolean {
    return this._sends_itself && this.socket !== null && sendsMessages(this.socket);
  }

  /** Sends datagrams to the peer in one call and gives the number of those taken; 0 when there is no room. */
  _send_messages(messages: readonly Uint8Array[]): number {
    return this[endpoint].transmitMessages(messages);
  }

  /** Whether a file may go out by itself, without a `send` of the class or of its socket that would not see it. */
  get _sends_files(): boolean {
    return this._sends_itself && this.socket !== null && sendsFiles(this.socket);
  }

  /** Sends so much of a file and gives the number of bytes taken; -1 where it has to be read. */
  _send_file(file: number, offset: number, count: number): number {
    return this[endpoint].transmitFile(file, offset, count);
  }

  /**
   * For classes that parse what they receive: whether received input is being handed on, or kept until
   * that may go on. While this is true the loop does not read, and does not report the end.
   */
  get _holds_input(): boolean {
    return false;
  }

  /** Removes and returns input that was received but not handed on. */
  _take_input(): Buffer {
    return Buffer.alloc(0);
  }

  /** Called when a connection was made, before `handle_connect`. */
  _connected(): void {}

  /** Called when the channel begins another connection (not for the first): clear everything of the former one. */
  _begin(): void {}

  // ---- plumbing: from what happened to the handler for it ----

  /** Calls `handle_accept` of a listener, `handle_read` of others. An attempt to connect is completed first. */
  handle_read_event(): void {
    const known = this[endpoint];
    if (known.is(LINGERING | ACCEPTING)) drainOrAccept(this, known);
    else if (known.isReady()) known.run(READING, this.handle_read());
  }

  /** Calls `handle_write`. An attempt to connect is completed first. */
  handle_write_event(): void {
    const known = this[endpoint];
    // A listening socket should not get one: pretend it did not happen.
    if (!known.is(ACCEPTING) && known.isReady()) known.run(WRITING, this.handle_write());
  }

  /** Completes an attempt to connect: calls `handle_connect`, or `handle_connect_error` with the error that SO_ERROR gives. */
  handle_connect_event(): void {
    const known = this[endpoint];
    having(this, 'getsockopt');
    if (known.closed) throw new OSError('getsockopt', errno.EBADF); // no error is no connection either
    const error = known.takeError();
    if (error !== 0) {
      known.connectFailed(new OSError('connect', error, this.addr));
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

  /** Calls `handle_expt`, or `handle_close` when what the poller reported is an error of the socket. */
  handle_expt_event(): void {
    const known = this[endpoint];
    const error = known.takeError();
    if (error === 0) known.run(URGENT, this.handle_expt());
    else known.lost(new OSError('recv', error));
  }

  /** Calls `handle_close`, once for each connection. What that throws is logged, and the channel closed. */
  handle_close_event(): void {
    if (!this[endpoint].close()) return;
    const closeAnyway = (_: unknown, error: unknown) => {
      if (is_exit(error)) throw error;
      erred(this, error);
      log_error(this, error);
      this.close();
    };
    try {
      settle(this, this.handle_close(), closeAnyway);
    } catch (error) {
      closeAnyway(this, error);
    }
  }
}

function drainOrAccept(channel: event_channel<Transport>, known: SocketEndpoint): void {
  const { handle_accept } = channel;
  if (known.is(LINGERING)) known.drain();
  else if (handle_accept === of_listeners.accept) handle_accept.call(channel);
  else known.listener().serve(known);
}

/** A class that overrides `send` or `sendmsg` and inherits `sendfile` wants to see what goes out. */
function sendsFiles({ send, sendmsg, sendfile }: Transport): boolean {
  const { prototype } = Socket;
  if (uncounted(sendfile) !== prototype.sendfile) return sendfile !== undefined;
  return uncounted(send) === prototype.send && uncounted(sendmsg) === prototype.sendmsg;
}

/** Of bare sockets only: what else has a `sendmmsg` may mean another thing by it. */
function sendsMessages(socket: Transport): boolean {
  const { prototype } = Socket;
  const { send, sendmmsg } = socket as Socket;
  return (
    socket.type === SOCK_DGRAM &&
    uncounted(sendmmsg) === prototype.sendmmsg &&
    uncounted(send) === prototype.send
  );
}
