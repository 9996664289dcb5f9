import type { TLSSocket } from 'node:tls';
import {
  type Address,
  BlockingIOError,
  errno,
  NOTICE,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLRDHUP,
  SHUT_RD,
  SO_ERROR,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  type Transport,
} from '@asyncore/socket';
import { Ciphertext } from './ciphertext.js';
import { begin } from './handshake.js';
import { Leaving } from './leaving.js';
import { TLSError } from './tls_error.js';
import { HANDSHAKE_TIMEOUT, type tls_options } from './tls_options.js';

/** So many decrypted bytes are held before nothing more is received. */
const MOST_HELD = 65536;
/** At most so many that `send` has counted are on their way to the kernel. */
const MOST_TAKEN = 131072;
const OVER = POLLERR | POLLHUP;

/** Who is told how it goes. */
export interface Told {
  secure(): void;
  failed(error: unknown): void;
}

/**
 * A TLS connection as a channel's transport. The loop waits for the descriptor of the socket below;
 * what comes goes through node:tls, and what that gives is held for `recv`.
 */
export class tls_transport implements Transport {
  readonly type = SOCK_STREAM;
  /** What it stands on. */
  readonly below: Transport;
  readonly #options: tls_options;
  readonly #told: Told;
  readonly #ciphertext: Ciphertext;
  #tls: TLSSocket | null;
  #changed = () => {};
  #held: Buffer[] = [];
  #pending = 0;
  /** The handshake is done; the channel was told so. */
  #isSecure = false;
  #isSecureTold = false;
  /** Why there is no TLS, or no more; the channel was told so. */
  #failure: unknown = null;
  #isFailureTold = false;
  /** The peer sends no more. */
  #ended = false;
  /** How many bytes that `send` has counted are on their way to the kernel. */
  #onTheWay = 0;
  #isShut = false;
  #closed = false;
  #session: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Throws what node:tls does for wrong options; `below` is as it was then. See `start`. */
  constructor(
    below: Transport,
    options: tls_options,
    isServer: boolean,
    host: string | null,
    told: Told,
  ) {
    this.below = below;
    this.#options = options;
    this.#told = told;
    this.#ciphertext = new Ciphertext(() => this.#changed());
    this.#ciphertext.on('error', (error) => this.#fail(error));
    this.#tls = begin(options, isServer, host, this.#ciphertext, {
      secure: (socket) => this.#secure(socket),
      fail: (error) => this.#fail(error),
    });
    this.#tls?.on('session', (session) => {
      this.#session = session;
    });
  }

  /** Begins the handshake, behind `clear`. What was `received` already belongs to it. */
  start(clear: readonly Uint8Array[], received: Buffer): void {
    const { handshakeTimeout = HANDSHAKE_TIMEOUT } = this.#options;
    const late = () =>
      this.#fail(
        new TLSError('ERR_TLS_HANDSHAKE_TIMEOUT', `no TLS handshake within ${handshakeTimeout} ms`),
      );
    this.#timer = setTimeout(late, handshakeTimeout).unref();
    this.#ciphertext.attach(this.below, clear, received);
  }

  // ---- what node:tls says ----

  #secure(socket: TLSSocket): void {
    if (this.#failure !== null || this.#closed) return;
    this.#tls = socket;
    this.#isSecure = true;
    clearTimeout(this.#timer);
    socket.on('data', (data: Buffer) => {
      this.#held.push(data);
      this.#pending += data.length;
    });
    socket.on('end', () => this.#end());
    socket.on('error', (error) => this.#fail(error));
    this.#changed();
  }

  #end(): void {
    this.#ended = true;
    const { require_close_notify = true } = this.#options;
    if (this.#ciphertext.endPassed && require_close_notify) {
      this.#fail(
        new TLSError(
          'ERR_TLS_NO_CLOSE_NOTIFY',
          'the connection ended without close_notify: the end of what was sent may be missing',
        ),
      );
    }
    this.#changed();
  }

  #fail(error: unknown): void {
    if (this.#failure !== null || this.#closed) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#changed();
  }

  /** In the handshake an end is a failure, also where node:tls waits on. */
  #findFailure(): void {
    const { receiveError, sendError, ended } = this.#ciphertext;
    const error = receiveError ?? sendError;
    if (this.#isSecure || this.#failure !== null) return;
    if (error !== null) this.#fail(error);
    else if (ended && this.#ciphertext.endPassed) {
      this.#fail(new TLSError('ECONNRESET', 'the peer ended the connection in the TLS handshake'));
    }
  }

  // ---- what the loop asks ----

  watch(changed: () => void): void {
    this.#changed = changed;
  }

  wants(events: number): number {
    const { ended, isFull, receiveError } = this.#ciphertext;
    if (this.#closed || this.#failure !== null || this.#isEnding) return 0;
    let wanted = events & ~(POLLIN | POLLOUT);
    if (ended) wanted &= ~(POLLRDHUP ?? 0);
    else if (receiveError === null && this.#receives(events)) wanted |= POLLIN;
    if (isFull) wanted |= POLLOUT;
    return wanted;
  }

  #receives(events: number): boolean {
    return !this.#isSecure || ((events & POLLIN) !== 0 && this.#pending < MOST_HELD);
  }

  /** The descriptor's end was read, and node:tls has not yet said what it was. */
  get #isEnding(): boolean {
    return this.#ciphertext.ended && !this.#ended;
  }

  ready(events: number): number {
    if (this.#closed) return POLLNVAL;
    if (events !== 0) {
      if (this.#ciphertext.isFull) this.#ciphertext.flush();
      if (events & POLLIN || (events & OVER && !this.#isSecure)) this.#ciphertext.receive();
    }
    this.#findFailure();
    let now = 0;
    if (this.#isNoticeDue) now |= NOTICE;
    else if (this.#isSecureTold) {
      if (this.#hasInput) now |= POLLIN;
      if (this.#takesOutput) now |= POLLOUT;
    }
    if (this.#isOver || this.#ciphertext.sendError !== null) now |= OVER;
    else if (events & OVER && !this.#isEnding && this.#isSecure) now |= events & OVER;
    return now | (events & (POLLRDHUP ?? 0));
  }

  get #isNoticeDue(): boolean {
    if (this.#isSecure && !this.#isSecureTold) return true;
    return this.#failure !== null && this.#pending === 0 && !this.#isFailureTold;
  }

  get #hasInput(): boolean {
    if (this.#pending > 0 || this.#isFailureTold) return true;
    if (this.#failure !== null) return false;
    return this.#ended || this.#ciphertext.receiveError !== null;
  }

  get #takesOutput(): boolean {
    if (this.#ciphertext.sendError !== null || this.#isFailureTold) return true;
    return this.#failure === null && this.#onTheWay < MOST_TAKEN && !this.#ciphertext.isFull;
  }

  /** It has failed, and the channel knows. */
  get #isOver(): boolean {
    return this.#isFailureTold && this.#pending === 0;
  }

  notice(): void {
    if (this.#isSecure && !this.#isSecureTold) {
      this.#isSecureTold = true;
      // Not in `#secure`: what ends a connection there makes node:tls send no close_notify.
      if (this.#isShut) this.#tls?.end();
      this.#told.secure();
    } else if (this.#isNoticeDue) {
      this.#isFailureTold = true;
      this.#told.failed(this.#failure);
    }
  }

  state(): number {
    if (this.fileno() < 0) return POLLNVAL;
    if (this.#failure !== null || this.#isEnding) return this.#isOver ? OVER : 0;
    if (this.#ciphertext.sendError !== null) return OVER;
    return this.below.state?.() ?? 0;
  }

  pending(): number {
    return this.#pending;
  }

  unread(): number {
    return this.#pending + (this.#ciphertext.ended ? 0 : (this.below.unread?.() ?? 0));
  }

  // ---- what the channel calls ----

  fileno(): number {
    return this.#closed ? -1 : this.below.fileno();
  }

  recv(bufsize: number, flags = 0): Buffer {
    if (this.#closed) throw this.#error('recv', errno.EBADF);
    if (flags !== 0) throw this.#error('recv', errno.EOPNOTSUPP);
    if (this.#pending === 0 && this.#isSecureTold && !this.#ended) this.#ciphertext.receive();
    if (this.#pending > 0) return this.#take(bufsize);
    if (this.#isFailureTold || (this.#ended && this.#failure === null)) return Buffer.alloc(0);
    const { receiveError } = this.#ciphertext;
    if (this.#isSecure && receiveError !== null) throw this.#own(receiveError, 'recv');
    throw OSError.of(this, new BlockingIOError('recv', errno.EAGAIN));
  }

  #take(bufsize: number): Buffer {
    if (bufsize === 0) return Buffer.alloc(0);
    const [first] = this.#held;
    const isWhole = this.#held.length > 1 && bufsize > first.length;
    const all = isWhole ? Buffer.concat(this.#held) : first;
    const taken = all.subarray(0, bufsize);
    if (isWhole) this.#held.length = 1;
    if (taken.length === all.length) this.#held.shift();
    else this.#held[0] = all.subarray(taken.length);
    this.#pending -= taken.length;
    return taken;
  }

  send(data: ArrayBufferView): number {
    if (this.#closed) throw this.#error('send', errno.EBADF);
    const { sendError } = this.#ciphertext;
    if (sendError !== null) throw this.#own(sendError, 'send');
    if (this.#isFailureTold || this.#isShut) throw this.#error('send', errno.EPIPE);
    if (!this.#isSecureTold || !this.#takesOutput) {
      throw OSError.of(this, new BlockingIOError('send', errno.EAGAIN));
    }
    const length = Math.min(data.byteLength, MOST_TAKEN - this.#onTheWay);
    if (length === 0) return 0;
    const chunk = new Uint8Array(data.buffer, data.byteOffset, length);
    // Behind another one it is encrypted later, when its memory may be used for something else.
    const own = this.#onTheWay > 0 ? Uint8Array.from(chunk) : chunk;
    this.#onTheWay += length;
    this.#tls?.write(own, () => {
      this.#onTheWay -= length;
      if (this.#onTheWay === 0) this.#changed();
    });
    return length;
  }

  sendmsg(buffers: Iterable<ArrayBufferView>): number {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (const { buffer, byteOffset, byteLength } of buffers) {
      if (length >= MOST_TAKEN) break;
      chunks.push(new Uint8Array(buffer, byteOffset, byteLength));
      length += byteLength;
    }
    return this.send(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  }

  /** SHUT_WR sends close_notify, then ends our half of the connection: both after the handshake. */
  shutdown(how: number): void {
    if (this.#closed) throw this.#error('shutdown', errno.EBADF);
    if (how === SHUT_RD) return;
    this.#isShut = true;
    if (this.#failure !== null) this.below.shutdown?.(how);
    else if (this.#isSecureTold) this.#tls?.end();
  }

  /** Sends what was taken and close_notify. The descriptor is closed when they are with the kernel. */
  close(): void {
    if (this.#closed) return;
    const isOrderly = this.#isSecure && this.#failure === null && this.#tls !== null;
    this.#closed = true;
    clearTimeout(this.#timer);
    if (isOrderly && this.#ciphertext.sendError === null) this.#leave();
    else this.#destroy();
  }

  #leave(): void {
    const ciphertext = this.#ciphertext;
    if (ciphertext.writableFinished) {
      this.#destroy();
      return;
    }
    let leaving: Leaving | null = null;
    const end = () => {
      leaving?.leave();
      this.#destroy();
    };
    this.#changed = () => {
      if (ciphertext.sendError !== null) end();
      else if (ciphertext.isFull) leaving ??= new Leaving(this.below, ciphertext, end);
    };
    ciphertext.once('finish', end);
    this.#tls?.once('close', end);
    this.#tls?.end();
    this.#changed();
  }

  #destroy(): void {
    this.#tls?.destroy();
    this.#ciphertext.close();
    if (this.below.fileno() >= 0) this.below.close();
  }

  /** A failed call below, as one of this transport. */
  #own(error: unknown, syscall: string): unknown {
    return error instanceof OSError ? this.#error(syscall, error.errno) : error;
  }

  #error(syscall: string, number: number): OSError {
    return OSError.of(this, new OSError(syscall, number));
  }

  // ---- the socket's ----

  get #socket(): Socket {
    return this.below as Socket; // what it lacks fails as any missing method does
  }

  /** The socket's family, where it has one. */
  get family(): number {
    return this.#socket.family;
  }

  getpeername(): Address {
    return this.#socket.getpeername();
  }

  /** The local address: getsockname(2). */
  getsockname(): Address {
    return this.#socket.getsockname();
  }

  getsockopt(level: number, option: number): number {
    const { sendError } = this.#ciphertext;
    if (level === SOL_SOCKET && option === SO_ERROR && sendError instanceof OSError) {
      return sendError.errno; // the kernel has told it already
    }
    return this.below.getsockopt(level, option);
  }

  /** Sets an option of the socket below: setsockopt(2). */
  setsockopt(...args: Parameters<Socket['setsockopt']>): void {
    this.#socket.setsockopt(...args);
  }

  // ---- what was agreed ----

  /** Null before the handshake is done. */
  get connection(): TLSSocket | null {
    return this.#isSecure ? this.#tls : null;
  }

  /** What a later connection may resume with; null until the peer has given it. */
  get session(): Buffer | null {
    return this.#session ?? this.connection?.getSession() ?? null;
  }
}
