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

/** What `socket_stream` takes beside the socket. */
export interface socket_stream_options {
  /** The map for its channel. Default: one of the package's own, on which a loop runs by itself. */
  map?: channel_map | null;
  /** Whether the writable half stays open when the peer has ended its half. Default false. */
  allowHalfOpen?: boolean;
  /** As of any stream, in bytes. Default 65536. */
  highWaterMark?: number;
}

/** Where a stream is: as `net.Socket`'s `address()` has it. */
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
  /** What ended the connection: told when what had arrived is read. */
  #ending: Error | null = null;
  #final: Callback | null = null;
  /** Milliseconds. */
  timeout = 0;

  /**
   * `from` is a connected socket, or a channel that has one, or another transport: then the channel
   * has none any more. Without it, see `connect`. Throws a TypeError for a socket that is no stream.
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

  /** The channel that it stands on: for socket options, addresses, timers. It has handlers of its own. */
  get channel(): dispatcher<Transport> {
    return this.#link;
  }

  // ---- connecting ----

  /**
   * Connects to `[host, port]` or a path, as `create_connection` of a channel. 'connect' and 'ready'
   * follow, or 'error'. `port, host` are taken too, as by node:net. Throws for wrong arguments.
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

  /** Whether an attempt to connect goes on. */
  get connecting(): boolean {
    return this.#link.connecting;
  }

  /** Whether it is not connected yet. */
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

  /** Ends our half, if it is to end and the connection is there. */
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

  /** The connection is over. What had arrived is read before an error is told. */
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

  /** Whether somebody reads it, or did and pauses. */
  get #isRead(): boolean {
    return this.readableFlowing !== null || this.listenerCount('readable') > 0;
  }

  #fail(error: Error): void {
    this.#ending = null;
    process.nextTick(() => this.destroy(error)); // the last of it is still being handed out
  }

  /** Ends, and is destroyed when everything is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Destroys it with a reset: the peer gets ECONNRESET. */
  resetAndDestroy(): this {
    this.#link.option(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
    return this.destroy();
  }

  // ---- what a net.Socket has: none of it throws before the connection or after the end ----

  /** 'timeout' comes when nothing was received or sent for so many milliseconds; 0 is never. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    this.timeout = milliseconds;
    this.#link.waitAtMost(milliseconds / 1000);
    if (listener !== undefined) {
      if (milliseconds === 0) this.removeListener('timeout', listener);
      else this.once('timeout', listener);
    }
    return this;
  }

  /** TCP_NODELAY, which a TCP channel sets by itself. */
  setNoDelay(on = true): this {
    this.#link.noDelay(on);
    return this;
  }

  /** Whether the system looks if the peer is still there, after so many milliseconds of silence. */
  setKeepAlive(on = false, initialDelay = 0): this {
    this.#link.keepAlive(on, initialDelay / 1000);
    return this;
  }

  /** It keeps the process alive: the default. */
  ref(): this {
    this.#link.keepsProcess(true);
    return this;
  }

  /** It alone does not keep the process alive. */
  unref(): this {
    this.#link.keepsProcess(false);
    return this;
  }

  /** The local address, as node:net has it; empty when there is none. */
  address(): stream_address {
    const { localAddress: address, localFamily: family, localPort: port } = this;
    return address === undefined ? {} : { address, family, port };
  }

  /** How many bytes were received. */
  get bytesRead(): number {
    return this.#link.received;
  }

  /** How many bytes were written, those among them that wait. */
  get bytesWritten(): number {
    return this.#link.written + this.writableLength;
  }

  /** The peer's host, as it was when it connected. */
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

/** The transport of a channel, which has none any more. What was sent before must be out. */
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
