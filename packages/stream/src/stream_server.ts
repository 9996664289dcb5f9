import type { EventEmitter } from 'node:events';
import { Server } from 'node:net';
import { type channel_map, dispatcher } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { socket_stream, type socket_stream_options } from './socket_stream.js';
import { serve, stream_map, toProcess } from './streaming.js';

/**
 * Who gets the streams: a function, or a server of Node's (of node:http, node:http2, node:tls,
 * node:net), as 'connection' events.
 */
export type stream_consumer = ((stream: socket_stream) => void) | node_server;

/** A server of Node's, or what behaves as one. */
export interface node_server extends EventEmitter {
  /** Called when the listener is closed. */
  close?(done?: () => void): unknown;
}

/**
 * A listener that makes a `socket_stream` of each connection: `create_server` and the rest are as of
 * any dispatcher. A server of Node's is told 'listening', on which its time limits depend, and is
 * closed with this one.
 */
export class stream_server extends dispatcher {
  readonly #consumer: stream_consumer;
  readonly #options: socket_stream_options;
  #isTold = false;
  #keeps = true;

  /**
   * `options` are those of the streams; `map` is for this one too. `allowHalfOpen` is by default true for a
   * server of Node's that ends streams itself.
   */
  constructor(consumer: stream_consumer, options: socket_stream_options = {}) {
    const isServer = typeof (consumer as EventEmitter | null)?.emit === 'function';
    if (typeof consumer !== 'function' && !isServer) {
      throw new TypeError('stream_server: consumer must be a function or a server of Node');
    }
    super(null, options.map ?? stream_map);
    this.#consumer = consumer;
    const allowHalfOpen = options.allowHalfOpen ?? endsItself(consumer);
    this.#options = { ...options, allowHalfOpen, map: this._map };
  }

  override listen(backlog?: number): void {
    super.listen(backlog);
    if (typeof this.#consumer === 'function' || this.#isTold) return;
    this.#isTold = true;
    this.#consumer.emit('listening');
  }

  override handle_accepted(sock: Socket): void {
    const stream = new socket_stream(sock, this.#options);
    if (typeof this.#consumer === 'function') this.#consumer(stream);
    else this.#consumer.emit('connection', stream);
  }

  /** What the consumer throws goes to the process, as with node:net; the listener goes on. */
  override handle_error(error: unknown): void {
    toProcess(error);
  }

  override add_channel(map: channel_map | null = null): void {
    super.add_channel(map);
    serve(this._map, this, this.#keeps);
  }

  override del_channel(map: channel_map | null = null): void {
    super.del_channel(map);
    serve(this._map, this, false);
  }

  /** It keeps the process alive: the default. */
  ref(): this {
    this.#keeps = true;
    if (this._fileno !== null) serve(this._map, this, true);
    return this;
  }

  /** It alone does not keep the process alive. */
  unref(): this {
    this.#keeps = false;
    serve(this._map, this, false);
    return this;
  }

  /** Accepts no more. A server of Node's is closed too; the streams that there are go on. */
  override close(): void {
    super.close();
    if (typeof this.#consumer === 'function' || !this.#isTold) return;
    this.#isTold = false;
    this.#consumer.close?.(() => {}); // its callback gets that it was not listening itself
  }
}

/**
 * Whether the consumer ends each stream when it has answered. Those of Node's that are more than a
 * net.Server do: one of node:tls has more to write after the peer's end.
 */
function endsItself(consumer: stream_consumer): boolean {
  if (typeof consumer === 'function') return false;
  if (Object.getPrototypeOf(consumer) !== Server.prototype) return true;
  return (consumer as { allowHalfOpen?: boolean }).allowHalfOpen === true;
}
