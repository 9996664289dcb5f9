import {
  Descriptor,
  dup,
  errno,
  OSError,
  POLLHUP,
  poll,
  read,
  SO_ERROR,
  SOL_SOCKET,
  set_blocking,
  write,
  wrong,
} from '@asyncore/socket';
import { keepFromBlocking, letBlock } from './blocking_mode.js';

/**
 * As much of a socket around a duplicate of a descriptor as a dispatcher needs. The original stays
 * its owner's to close. Collected without having been closed, it closes itself with a
 * ResourceWarning.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.file_wrapper
 */
export class file_wrapper extends Descriptor {
  /** Throws EBADF for what is no open descriptor: dup(2). */
  constructor(fd: number) {
    if (!Number.isInteger(fd)) throw wrong.type('file_wrapper: fd must be an integer');
    super(dup(fd), letBlock);
  }

  /** The duplicate's number, -1 once closed. */
  get fd(): number {
    return this.fileno();
  }

  /**
   * At most `size` bytes, an empty buffer at the end of the file, which a terminal's other side
   * that is closed is too. Throws BlockingIOError when it would have to wait: read(2).
   */
  recv(size: number): Buffer {
    try {
      return read(this.fd, size);
    } catch (error) {
      if (this.#isHungUpTerminal(error)) return Buffer.alloc(0);
      throw error;
    }
  }

  /** Gives the number of bytes taken. Throws EPIPE when nobody can read them any more: write(2). */
  send(data: ArrayBufferView): number {
    try {
      return write(this.fd, data);
    } catch (error) {
      if (this.#isHungUpTerminal(error)) throw new OSError('write', errno.EPIPE);
      throw error;
    }
  }

  /** The same as `recv`. */
  read(size: number): Buffer {
    return this.recv(size);
  }

  /** The same as `send`. */
  write(data: ArrayBufferView): number {
    return this.send(data);
  }

  /** SO_ERROR is 0, which is all that a dispatcher asks. */
  getsockopt(level: number, option: number, buflen?: number): number {
    if (level === SOL_SOCKET && option === SO_ERROR && !buflen) return 0;
    throw new Error('getsockopt: not implemented for files, except SO_ERROR');
  }

  /**
   * Whether calls wait (O_NONBLOCK, fcntl(2)), on all descriptors of the open file. Made
   * non-blocking here, it is made blocking again by `close`, or when the process exits.
   */
  setblocking(blocking: boolean): void {
    if (blocking) set_blocking(this.fd, true);
    else keepFromBlocking(this.fd);
  }

  override detach(): number {
    letBlock(this.fd);
    return super.detach();
  }

  /** Linux answers EIO for a terminal that was hung up, and for a pty whose other side is closed. */
  #isHungUpTerminal(error: unknown): boolean {
    if (!(error instanceof OSError && error.code === 'EIO')) return false;
    const poller = new poll();
    poller.register(this.fd, 0);
    return poller.poll(0).some(([, events]) => events & POLLHUP);
  }
}
