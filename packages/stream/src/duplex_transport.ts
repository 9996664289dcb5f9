import type { Duplex } from 'node:stream';
import type { Address } from '@asyncore/socket';
import {
  BlockingIOError,
  errno,
  OSError,
  POLLERR,
  POLLHUP,
  type Transport,
} from '@asyncore/socket';

const NOTHING = Buffer.alloc(0);
/** How long what was given to the stream may take to leave it after `close`, in milliseconds. */
const PATIENCE = 2000;

/** A stream of Node's in the place of a socket. */
export class duplex_transport implements Transport {
  readonly stream: Duplex;
  #changed: () => void = () => {};
  #isEnded: boolean;
  /** Why the stream was destroyed; null once that was told. */
  #error: Error | null;
  #isClosed = false;
  readonly #listeners: readonly [event: string, listener: (error: Error) => void][] = [
    ['readable', () => this.#changed()],
    ['drain', () => this.#changed()],
    ['end', () => this.#ended()],
    ['error', (error) => this.#failed(error)],
    ['close', () => this.#gone()],
  ];

  /** Throws a TypeError for a stream that does not carry bytes. */
  constructor(stream: Duplex) {
    check(stream);
    this.stream = stream;
    this.#isEnded = stream.readableEnded;
    this.#error = stream.errored ?? (stream.destroyed && !this.#isEnded ? cutOff() : null);
    for (const [event, listener] of this.#listeners) stream.on(event, listener);
  }

  watch(changed: () => void): void {
    this.#changed = changed;
  }

  #ended(): void {
    this.#isEnded = true;
    this.#changed();
  }

  #failed(error: Error): void {
    this.#error ??= error;
    this.#changed();
  }

  #gone(): void {
    if (!this.#isEnded) this.#error ??= cutOff();
    this.#isEnded = true;
    this.#changed();
  }

  // ---- what the channel's pump asks ----

  /** Whether recv gives something, be it the end or an error. */
  get canReceive(): boolean {
    if (this.stream.readableLength === 0 && !this.#isEnded) this.stream.read(0);
    return this.stream.readableLength > 0 || this.#isEnded || this.#error !== null;
  }

  get canSend(): boolean {
    return !this.stream.writableNeedDrain || this.isGone;
  }

  /** The stream carries nothing any more. */
  get isGone(): boolean {
    return this.stream.destroyed || this.#isClosed;
  }

  // ---- a transport ----

  fileno(): number {
    return -1;
  }

  recv(bufsize: number): Buffer {
    const { readableLength } = this.stream;
    const data = readableLength > 0 ? this.stream.read(Math.min(bufsize, readableLength)) : null;
    if (data !== null) return data;
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      this.#isEnded = true;
      throw error;
    }
    if (this.#isEnded) return NOTHING;
    throw new BlockingIOError('recv', errno.EAGAIN);
  }

  send(data: ArrayBufferView): number {
    return this.sendmsg([data]);
  }

  sendmsg(buffers: Iterable<ArrayBufferView>): number {
    const { stream } = this;
    if (stream.destroyed || stream.writableEnded) throw new OSError('send', errno.EPIPE);
    if (stream.writableNeedDrain) throw new BlockingIOError('send', errno.EAGAIN);
    let sent = 0;
    stream.cork();
    for (const { buffer, byteOffset, byteLength } of buffers) {
      stream.write(Buffer.from(buffer, byteOffset, byteLength));
      sent += byteLength;
    }
    stream.uncork();
    return sent;
  }

  getsockopt(): number {
    return 0;
  }

  getpeername(): Address {
    const { remoteAddress, remotePort } = this.stream as {
      remoteAddress?: string;
      remotePort?: number;
    };
    return remoteAddress === undefined ? '' : [remoteAddress, remotePort ?? 0];
  }

  shutdown(): void {
    this.stream.end();
  }

  pending(): number {
    return this.stream.readableLength;
  }

  unread(): number {
    return this.stream.readableLength;
  }

  state(): number {
    if (this.#error !== null) return POLLERR | POLLHUP;
    return this.isGone ? POLLHUP : 0;
  }

  /** Ends and destroys the stream: when what was given to it has left it, if that has not. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { stream } = this;
    // An error that destroying brings is nobody's any more; without a listener it would end the process.
    const ignore = () => {};
    stream.on('error', ignore);
    stream.once('close', () => stream.removeListener('error', ignore));
    for (const [event, listener] of this.#listeners) stream.removeListener(event, listener);
    if (stream.destroyed) return;
    if (!stream.writableEnded) stream.end();
    if (stream.writableLength === 0) stream.destroy();
    else this.#destroyWhenOut();
  }

  #destroyWhenOut(): void {
    const { stream } = this;
    const timer = setTimeout(() => stream.destroy(), PATIENCE).unref();
    stream.once('finish', () => stream.destroy());
    stream.once('close', () => clearTimeout(timer));
    stream.resume(); // what still comes is nobody's
  }
}

function check(stream: Duplex): void {
  const isDuplex =
    typeof stream?.read === 'function' && typeof stream.write === 'function' && 'on' in stream;
  if (!isDuplex) throw new TypeError('stream_channel: stream must be a Duplex');
  if (stream.readableObjectMode || stream.writableObjectMode) {
    throw new TypeError('stream_channel: stream must carry bytes, not objects');
  }
  if (stream.readableEncoding !== null && stream.readableEncoding !== undefined) {
    throw new TypeError('stream_channel: stream must carry bytes: it has an encoding set');
  }
}

/** The stream was destroyed before its end. */
function cutOff(): OSError {
  return new OSError('recv', errno.ECONNRESET);
}
