import type { EventEmitter } from 'node:events';
import { Server } from 'node:net';
import { type channel_map, dispatcher } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { socket_stream, type socket_stream_options } from './socket_stream.js';
import { serve, stream_map, toProcess } from './streaming.js';

/**
 * What takes the streams: a function, or a server of Node's (of node:http, node:http2, node:tls,
 * node:net), which gets them as 'connection' events.
 */
export type stream_consumer = ((stream: socket_stream) => void) | node_server;

/** A server of Node's, or what behaves as one. */
export interface node_server extends EventEmitter {
  /** Closes the server; called when the listener closes. */
  close?(done?: () => void): unknown;
}

/**
 * A listener that makes a `socket_stream` of each connection. Call `create_server` or bind and listen as
 * with any dispatcher. A server of Node's gets 'listening', which starts its time limits, and closes with
 * this one.
 */
export class stream_server extends dispatcher {
  readonly #consumer: stream_consumer;
  readonly #options: socket_stream_options;
  #isTold = false;
  #keeps = true;

  /**
   * `options` go to each stream; `map` applies to the listener too. `allowHalfOpen` defaults to true for a
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

  /** Makes a stream of the connection. What the consumer throws goes to the process, as with node:net; the listener goes on. */
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

  /** Lets the listener keep the process alive, which is the default. */
  ref(): this {
    this.#keeps = true;
    if (this._fileno !== null) serve(this._map, this, true);
    return this;
  }

  /** Lets the process end although the listener is open. */
  unref(): this {
    this.#keeps = false;
    serve(this._map, this, false);
    return this;
  }

  /** Stops accepting. A server of Node's is closed too. Streams that are open go on. */
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
