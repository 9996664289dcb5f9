import { ByteQueue, copied } from './byte_queue.js';
import type { Kernel } from './kernel.js';
import { C, E } from './numbers.js';
import { OpenFile } from './open_file.js';

const CAPACITY = 65536;
/** PIPE_BUF: up to so many bytes are written whole or not at all. */
const WHOLE = 4096;

/** One end of a pipe: pipe(7). */
export class Pipe extends OpenFile {
  override blocking = true;

  private constructor(
    readonly kernel: Kernel,
    readonly bytes: ByteQueue,
    readonly writes: boolean,
  ) {
    super();
  }

  #other: Pipe | null = null;

  /** Makes both ends of a pipe, the one for reading first. */
  static pair(kernel: Kernel): [reading: Pipe, writing: Pipe] {
    const bytes = new ByteQueue();
    const reading = new Pipe(kernel, bytes, false);
    const writing = new Pipe(kernel, bytes, true);
    reading.#other = writing;
    writing.#other = reading;
    return [reading, writing];
  }

  override mask(): number {
    const { length } = this.bytes;
    if (this.writes) {
      const writable = CAPACITY - length >= WHOLE ? C.POLLOUT : 0;
      return this.#other === null ? C.POLLOUT | C.POLLERR : writable;
    }
    return (length > 0 ? C.POLLIN : 0) | (this.#other === null ? C.POLLHUP : 0);
  }

  override read(into: Uint8Array, length: number): number {
    if (this.writes) return -E.EBADF;
    if (this.bytes.length === 0) return this.#other === null || length === 0 ? 0 : -E.EAGAIN;
    const count = this.bytes.copy(into, length);
    this.bytes.skip(count);
    this.changed();
    this.#other?.changed();
    return count;
  }

  override write(data: ArrayBufferView): number {
    if (!this.writes) return -E.EBADF;
    if (this.#other === null) return -E.EPIPE;
    const room = CAPACITY - this.bytes.length;
    const { byteLength } = data;
    if (byteLength > 0 && (room === 0 || (byteLength <= WHOLE && room < byteLength))) {
      return -E.EAGAIN;
    }
    const count = Math.min(byteLength, room);
    for (const chunk of copied([data], count)) this.bytes.push(chunk);
    this.changed();
    this.#other.changed();
    return count;
  }

  override unread(): number {
    return this.bytes.length;
  }

  override released(): void {
    const other = this.#other;
    if (other === null) return;
    this.#other = null;
    other.#other = null;
    other.changed();
  }
}
