import { Duplex } from 'node:stream';
import { type channel_map, type connection_options, dispatcher } from '@asyncore/core';
import {
  type Address,
  AF_INET6,
  AF_UNIX,
  SO_LINGER,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  type Transport,
} from '@asyncore/socket';
import { stream_link } from './stream_link.js';
import { stream_map } from './streaming.js';

/** The options of `socket_stream`. */
export interface socket_stream_options {
  /** The map of the stream's channel. Default: a map of this package, on which a loop runs as long as it has streams. */
  map?: channel_map | null;
  /** Whether the writable half stays open when the peer has ended its half. Default false. */
  allowHalfOpen?: boolean;
  /** The high-water mark of both directions, in bytes, as for any stream of Node's. Default 65536. */
  highWaterMark?: number;
}

/** An end of a connection, as `address()` of a `net.Socket` gives it. */
export interface stream_address {
  /** The host. */
  address?: string;
  /** 'IPv4' or 'IPv6'. */
  family?: 'IPv4' | 'IPv6' | undefined;
  /** The port. */
  port?: number | undefined;
}

type Callback = (error?: Error | null) => void;
type Family = 'IPv4' | 'IPv6' | undefined;

/**
 * A socket as a stream, with the methods, properties and events of a `net.Socket`: 'connect', 'ready',
 * 'timeout'. What its listeners throw goes to the process, as with node:net.
 */
export class socket_stream extends Duplex {
  readonly #link: stream_link;
  #peer: Address | null = null;
  #own: Address | null = null;
  /** The error that ended the connection: emitted when everything that had arrived is read. */
  #ending: Error | null = null;
  #final: Callback | null = null;
  /** The value of `setTimeout`, in milliseconds; 0 is none. */
  timeout = 0;

  /**
   * Makes a stream of a connected socket or other transport, or of a channel's: the channel then has none
   * any more. Without `from`, call `connect` next.
   *
   * @throws TypeError for a socket that is not of the stream kind
   */
  constructor(
    from: Socket | Transport | dispatcher<Transport> | null = null,
    options: socket_stream_options = {},
  ) {
    const { map, allowHalfOpen = false, highWaterMark = 65536 } = options;
    const transport = from instanceof dispatcher ? taken(from) : from;
    if (transport?.type !== undefined && transport.type !== SOCK_STREAM) {
      throw new TypeError('socket_stream: the socket must be of SOCK_STREAM');
    }
    super({ allowHalfOpen, highWaterMark, decodeStrings: true });
    this.#link = new stream_link(this.#events(), transport, map ?? stream_map);
    this.on('end', () => this.#link.seenEnd());
    if (transport === null) return;
    if (this.#link.connected) this.#connected();
    this.read(0);
  }

  #events() {
    return {
      connected: () => {
        this.#connected();
        this.emit('connect');
        this.emit('ready');
        this.read(0);
        this.#end();
      },
      data: (bytes: Buffer) => this.push(bytes),
      end: () => {
        this.push(null);
        this.read(0); // so that 'end' comes although nobody asks
      },
      over: (error: Error | null) => this.#over(error),
      timeout: () => this.emit('timeout'),
      isRead: () => this.#isRead,
    };
  }

  #connected(): void {
    this.#peer = this.#link.peer();
    this.#own = this.#link.own();
  }

  /** The channel under the stream: use it for socket options, addresses and timers. Its handlers belong to the stream. */
  get channel(): dispatcher<Transport> {
    return this.#link;
  }

  // ---- connecting ----

  /**
   * Connects to `[host, port]` or a path, as a channel's `create_connection` does. The stream then emits
   * 'connect' and 'ready', or 'error'. The arguments `port, host` of node:net are taken too.
   *
   * @throws TypeError or RangeError for wrong arguments
   */
  connect(address: Address, options?: connection_options): this;
  connect(port: number, host?: string): this;
  connect(to: Address | number, more: connection_options | string = {}): this {
    if (typeof to === 'number') {
      this.#link.create_connection([typeof more === 'string' ? more : 'localhost', to]);
    } else {
      this.#link.create_connection(to, typeof more === 'string' ? {} : more);
    }
    return this;
  }

  /** Whether an attempt to connect is under way. */
  get connecting(): boolean {
    return this.#link.connecting;
  }

  /** Whether the stream is not connected yet. */
  get pending(): boolean {
    return !this.#link.connected && !this.destroyed;
  }

  /** 'opening', 'open', 'readOnly', 'writeOnly' or 'closed'. */
  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  // ---- the stream ----

  /** @hidden */
  override _read(): void {
    this.#link.wantMore();
  }

  override read(size?: number): Buffer | null {
    const chunk = super.read(size);
    if (this.#ending !== null && this.readableLength === 0) this.#fail(this.#ending);
    return chunk;
  }

  /** @hidden */
  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Callback): void {
    this.#link.write([chunk], done);
  }

  /** @hidden */
  override _writev(list: { chunk: Uint8Array }[], done: Callback): void {
    this.#link.write(
      list.map(({ chunk }) => chunk),
      done,
    );
  }

  /** @hidden */
  override _final(done: Callback): void {
    this.#final = done;
    this.#end();
  }

  /** Ends our half, if `end` was called and the connection is made. */
  #end(): void {
    const done = this.#final;
    if (done === null || (!this.#link.connected && !this.#link.isOver)) return;
    this.#final = null;
    done(this.#link.endOutput());
  }

  /** @hidden */
  override _destroy(error: Error | null, done: Callback): void {
    this.#link.end(error);
    done(error);
  }

  /** The connection is over. What had arrived is read before an error is emitted. */
  #over(error: Error | null): void {
    if (error === null) {
      if (!this.readableEnded) this.push(null);
      this.#end();
    } else if (this.readableLength > 0 && this.#isRead) {
      this.#ending = error;
    } else {
      this.destroy(error);
    }
  }

  /** Whether the stream is being read, or was and is paused. */
  get #isRead(): boolean {
    return this.readableFlowing !== null || this.listenerCount('readable') > 0;
  }

  #fail(error: Error): void {
    this.#ending = null;
    process.nextTick(() => this.destroy(error)); // the last of it is still being handed out
  }

  /** Ends the stream, and destroys it when everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Destroys the stream with a reset: the peer gets ECONNRESET. */
  resetAndDestroy(): this {
    this.#link.option(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
    return this.destroy();
  }

  // ---- what a net.Socket has: none of it throws before the connection or after the end ----

  /** Emits 'timeout' when nothing was received or sent for this many milliseconds; 0 is never. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    this.timeout = milliseconds;
    this.#link.waitAtMost(milliseconds / 1000);
    if (listener !== undefined) {
      if (milliseconds === 0) this.removeListener('timeout', listener);
      else this.once('timeout', listener);
    }
    return this;
  }

  /** Sets TCP_NODELAY on or off. A TCP channel sets it by itself. */
  setNoDelay(on = true): this {
    this.#link.noDelay(on);
    return this;
  }

  /** Whether the system probes the peer after this many milliseconds of silence (SO_KEEPALIVE). */
  setKeepAlive(on = false, initialDelay = 0): this {
    this.#link.keepAlive(on, initialDelay / 1000);
    return this;
  }

  /** Lets the stream keep the process alive, which is the default. */
  ref(): this {
    this.#link.keepsProcess(true);
    return this;
  }

  /** Lets the process end although the stream is open. */
  unref(): this {
    this.#link.keepsProcess(false);
    return this;
  }

  /** The local address as node:net gives it; an empty object when there is none. */
  address(): stream_address {
    const { localAddress: address, localFamily: family, localPort: port } = this;
    return address === undefined ? {} : { address, family, port };
  }

  /** How many bytes were received. */
  get bytesRead(): number {
    return this.#link.received;
  }

  /** How many bytes were written, including those that wait to be sent. */
  get bytesWritten(): number {
    return this.#link.written + this.writableLength;
  }

  /** The peer's host, as it was when the connection was made. */
  get remoteAddress(): string | undefined {
    return hostOf(this.#peer);
  }

  /** The peer's port. */
  get remotePort(): number | undefined {
    return portOf(this.#peer);
  }

  /** 'IPv4' or 'IPv6'. */
  get remoteFamily(): Family {
    return familyOf(this.#link.family, this.#peer);
  }

  /** The local host. */
  get localAddress(): string | undefined {
    return hostOf(this.#own);
  }

  /** The local port. */
  get localPort(): number | undefined {
    return portOf(this.#own);
  }

  /** 'IPv4' or 'IPv6'. */
  get localFamily(): Family {
    return familyOf(this.#link.family, this.#own);
  }
}

/** Takes the transport away from a channel, whose output must have been sent. */
function taken(channel: dispatcher<Transport>): Transport {
  const { socket } = channel;
  if (socket === null) throw new TypeError('socket_stream: the channel has no socket');
  channel._output()?.before('socket_stream');
  channel.del_channel();
  channel.connected = false;
  channel.socket = null;
  return socket;
}

function hostOf(address: Address | null): string | undefined {
  return Array.isArray(address) ? address[0] : undefined;
}

function portOf(address: Address | null): number | undefined {
  return Array.isArray(address) ? address[1] : undefined;
}

function familyOf(family: number | undefined, address: Address | null): Family {
  if (!Array.isArray(address) || family === AF_UNIX) return undefined;
  return family === AF_INET6 || address.length === 4 ? 'IPv6' : 'IPv4';
}
