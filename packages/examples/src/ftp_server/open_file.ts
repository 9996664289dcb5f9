/** A file that is open: its descriptor is closed once, and never under a call that is under way. */
import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  read,
  write,
} from 'node:fs';
import { promisify } from 'node:util';
import { file_producer } from '@asyncore/chat';
import { entry, onDisk, PathError } from './paths.js';

const { O_RDONLY, O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
/** A FIFO put in the file's place would keep everybody waiting; a link would lead elsewhere. */
const SAFELY = O_NOFOLLOW | O_NONBLOCK;

const reading = promisify(read);
const writing = promisify(write);
const syncing = promisify(fsync);

/** In bytes, of what is read at a time. */
const PIECE = 256 * 1024;

export class OpenFile {
  /** In bytes, when it was opened. */
  readonly size: number;
  #fd: number;
  /** The last call that was made. */
  #call: Promise<unknown> | null = null;
  #isClosed = false;

  private constructor(fd: number) {
    this.#fd = fd;
    const stats = fstatSync(fd);
    this.size = stats.size;
    if (stats.isFile()) return;
    closeSync(fd);
    throw new PathError('EINVAL');
  }

  /** @param real as paths.ts resolves it. Throws what open(2) does, and for what is no regular file. */
  static toRead(real: string): OpenFile {
    return OpenFile.#open(real, O_RDONLY | SAFELY);
  }

  /** The same; it is made if it is not there, and nothing in it is changed yet. */
  static toWrite(real: string): OpenFile {
    return OpenFile.#open(real, O_WRONLY | O_CREAT | SAFELY);
  }

  static #open(real: string, flags: number): OpenFile {
    const stats = entry(real);
    if (stats?.isDirectory()) throw new PathError('EISDIR');
    if (stats && !stats.isFile()) throw new PathError('EINVAL'); // opening a device may do something
    return new OpenFile(openSync(onDisk(real), flags, 0o666));
  }

  /** Sends what is in it now, from `at` on. It may not be closed before that is over. */
  producer(at: number): file_producer {
    return new file_producer(this.#fd, { start: at });
  }

  /** What is in it, in pieces. */
  async *pieces(): AsyncGenerator<Buffer> {
    for (let place = 0; !this.#isClosed; ) {
      const piece = Buffer.allocUnsafe(PIECE);
      const { bytesRead } = await this.#track(reading(this.#fd, piece, 0, PIECE, place));
      if (bytesRead === 0) return;
      place += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  /** Writes all of `data` at `at`. */
  async write(data: Buffer, at: number): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#track(
        writing(this.#fd, data, done, data.length - done, at + done),
      );
      done += bytesWritten;
      if (this.#isClosed) return;
    }
  }

  /** Forgets what is in it from `at` on. */
  cut(at: number): void {
    ftruncateSync(this.#fd, at);
  }

  /** Waits until what was written is on the disk. */
  async sync(): Promise<void> {
    if (!this.#isClosed) await this.#track(syncing(this.#fd));
  }

  #track<T>(call: Promise<T>): Promise<T> {
    this.#call = call;
    return call;
  }

  /** Closes it, when a call that is under way is done: its descriptor could be another file's by then. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const close = () => closeSync(this.#fd);
    if (this.#call === null) close();
    else this.#call.then(close, close);
  }
}
