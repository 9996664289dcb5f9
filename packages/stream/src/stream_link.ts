import { announce_changes, type channel_map, dispatcher, output_queue } from '@asyncore/core';
import {
  type Address,
  errno,
  IPPROTO_TCP,
  OSError,
  SHUT_WR,
  SO_KEEPALIVE,
  SOL_SOCKET,
  type Socket,
  TCP_NODELAY,
  type Transport,
} from '@asyncore/socket';
import { serve, toProcess } from './streaming.js';

/** What one recv(2) asks for, and one call is given at most, in bytes. */
const PIECE = 65536;
const MOST_SENT = 1 << 20;
/** One event sends at most so often, so that others get their turn. */
const MOST_SENDS = 16;

type Callback = (error?: Error | null) => void;

/** What a link tells its stream. */
export interface stream_events {
  connected(): void;
  /** Whether there may be more at once. */
  data(bytes: Buffer): boolean;
  /** The peer will send no more. */
  end(): void;
  /** The connection is over: null for an ordinary end. */
  over(error: Error | null): void;
  timeout(): void;
  /** Whether somebody reads the stream, so that what arrived is worth keeping. */
  isRead(): boolean;
}

/** The channel below a socket_stream: it receives as long as the stream wants more. */
export class stream_link extends dispatcher<Transport> {
  readonly #events: stream_events;
  readonly #queue = new output_queue();
  #wants = false;
  /** Calls back the write that is under way. */
  #done: Callback | null = null;
  /** How many bytes that write has. */
  #writing = 0;
  #isEnded = false;
  #isIdle = false;
  #keeps = true;
  #keepAlive: [on: boolean, idle: number] | null = null;
  /** The bytes of the writes that were called back. */
  written = 0;
  received = 0;
  isOver = false;

  constructor(events: stream_events, transport: Transport | null, map: channel_map) {
    super(transport, map);
    this.#events = events;
    if (transport !== null) serve(map, this, true);
  }

  // ---- its place in the map ----

  override add_channel(map: channel_map | null = null): void {
    super.add_channel(map);
    if (#keeps in this) serve(this._map, this, this.#keeps); // not within the constructor
  }

  override del_channel(map: channel_map | null = null): void {
    super.del_channel(map);
    serve(this._map, this, false);
  }

  keepsProcess(keeps: boolean): void {
    this.#keeps = keeps;
    if (this._fileno !== null) serve(this._map, this, keeps);
  }

  // ---- input ----

  override readable(): boolean {
    return this.#wants;
  }

  /** What has arrived is read before the end of the connection is told, if it is read at all. */
  override get _holds_input(): boolean {
    return !this.#wants && !this.#isEnded && this.connected && this.#events.isRead();
  }

  wantMore(): void {
    if (this.#wants || this.#isEnded) return;
    this.#wants = true;
    this._changed();
  }

  override handle_read(): void {
    const data = this.#received();
    if (data === null || data.length === 0) return;
    this.received += data.length;
    this.#isIdle = false;
    if (!this.#events.data(data)) this.#wants = false;
  }

  #received(): Buffer | null {
    try {
      return this.recv(PIECE);
    } catch (error) {
      const { code } = Object(error) as NodeJS.ErrnoException;
      if (code !== 'EAGAIN' && code !== 'EWOULDBLOCK') this.#fail(error);
      return null;
    }
  }

  override handle_eof(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#wants = false;
    this.#events.end();
  }

  /** 'end' was seen: the loop asks again, for a hang-up. */
  seenEnd(): void {
    this._changed();
  }

  // ---- output ----

  override writable(): boolean {
    return this.connected ? this.#queue.length > 0 : this.connecting;
  }

  /** `done` is called when all of it is with the kernel; at most one write is under way. */
  write(chunks: readonly Uint8Array[], done: Callback): void {
    if (this.isOver) {
      done(new OSError('write', errno.EPIPE));
      return;
    }
    for (const chunk of chunks) this.#queue.push(chunk);
    this.#writing = this.#queue.length;
    this.#done = done;
    if (this.connected) this.#flush();
    else this._changed();
  }

  override handle_write(): void {
    this.#flush();
  }

  #flush(): void {
    try {
      for (let i = 0; i < MOST_SENDS && this.#queue.length > 0; i++) {
        const given = Math.min(this.#queue.length, MOST_SENT);
        const sent = this._send_chunks(this.#queue.next(MOST_SENT));
        this.#queue.consume(sent);
        if (sent > 0) this.#isIdle = false;
        if (sent < given) break;
      }
    } catch (error) {
      this.#calledBack(error as Error);
      return;
    }
    if (this.#queue.length === 0) this.#calledBack(null);
    else this._changed();
  }

  #calledBack(error: Error | null): void {
    const done = this.#done;
    if (done === null) return;
    this.#done = null;
    if (error === null) this.written += this.#writing;
    this.#writing = 0;
    done(error);
  }

  /** Ends our half; an error, or null. */
  endOutput(): Error | null {
    if (this.isOver || this.socket === null) return null;
    try {
      this.shutdown(SHUT_WR);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOTCONN') return error as Error;
    }
    this._changed();
    return null;
  }

  // ---- the connection ----

  override handle_connect(): void {
    if (this.#keepAlive !== null) this.keepAlive(...this.#keepAlive);
    this.#events.connected();
    if (this.connected && this.#queue.length > 0) this.#flush();
  }

  override handle_connect_error(error: unknown): void {
    this.#fail(error);
  }

  override handle_close(): void {
    if (this.close_reason !== null) this.#fail(this.close_reason);
    else if (this.#done !== null) this.#fail(new OSError('write', errno.EPIPE));
    else this.#over(null);
  }

  #fail(error: unknown): void {
    this.#over(error as Error);
  }

  #over(error: Error | null): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#wants = false;
    this.close();
    this.#events.over(error);
  }

  /** The stream is destroyed. */
  end(error: Error | null): void {
    this.isOver = true;
    this.#wants = false;
    this.close();
    this.#queue.clear();
    // Behind the callbacks of the writes before it, which wait for the next tick.
    process.nextTick(() => this.#calledBack(error ?? destroyed()));
  }

  // ---- what a listener threw ----

  override handle_error(error: unknown): void {
    toProcess(error);
  }

  override log_info(): void {}

  // ---- time and options ----

  waitAtMost(seconds: number): void {
    this.#isIdle = false;
    this.timeout = seconds;
    this._changed();
  }

  override handle_timeout(): void {
    if (this.#isIdle) return; // told, and nothing happened since
    this.#isIdle = true;
    this.#events.timeout();
  }

  noDelay(on: boolean): void {
    this.no_delay = on;
    if (this.connected) this.option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
  }

  keepAlive(on: boolean, idle: number): void {
    this.#keepAlive = [on, idle];
    if (!this.connected) return;
    if (on && idle >= 1) quietly(() => this.set_keep_alive({ idle }));
    else this.option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
  }

  /** Sets an option where there is one; what has no such option goes without. */
  option(level: number, option: number, value: number | Int32Array): void {
    quietly(() => this.setsockopt(level, option, value));
  }

  get family(): number | undefined {
    return (this.socket as Partial<Socket> | null)?.family;
  }

  peer(): Address | null {
    return quietly(() => this.getpeername()) ?? null;
  }

  own(): Address | null {
    return quietly(() => this.getsockname()) ?? null;
  }
}

// Whatever changes these tells the loop, which asks no quiet stream.
announce_changes(stream_link.prototype, 'readable', 'writable');

/** Whatever the socket, or its absence, says to it. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}

function destroyed(): Error {
  const error = new Error('the stream was destroyed before this was written');
  return Object.assign(error, { code: 'ERR_STREAM_DESTROYED' });
}
