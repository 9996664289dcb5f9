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
 * Makes a descriptor look like a socket, as far as a dispatcher needs one. It works on a duplicate, so the
 * owner of the original still has to close that. A file_wrapper that is garbage collected while it is open
 * closes itself, with a ResourceWarning.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.file_wrapper
 */
export class file_wrapper extends Descriptor {
  /**
   * Duplicates `fd` with dup(2).
   *
   * @throws OSError (EBADF) if it is not open
   */
  constructor(fd: number) {
    if (!Number.isInteger(fd)) throw wrong.type('file_wrapper: fd must be an integer');
    super(dup(fd), letBlock);
  }

  /** The number of the duplicate; -1 after `close`. */
  get fd(): number {
    return this.fileno();
  }

  /**
   * Reads at most `size` bytes: read(2). An empty buffer means the end of the file; for a terminal it means
   * that the other side is closed.
   *
   * @throws BlockingIOError when there is nothing to read yet
   */
  recv(size: number): Buffer {
    try {
      return read(this.fd, size);
    } catch (error) {
      if (this.#isHungUpTerminal(error)) return Buffer.alloc(0);
      throw error;
    }
  }

  /**
   * Writes, and returns how many bytes were taken: write(2).
   *
   * @throws OSError (EPIPE) when no reader is left
   */
  send(data: ArrayBufferView): number {
    try {
      return write(this.fd, data);
    } catch (error) {
      if (this.#isHungUpTerminal(error)) throw new OSError('write', errno.EPIPE);
      throw error;
    }
  }

  /** Reads as `recv` does: its name in Python's file_wrapper. */
  read(size: number): Buffer {
    return this.recv(size);
  }

  /** Writes as `send` does: its name in Python's file_wrapper. */
  write(data: ArrayBufferView): number {
    return this.send(data);
  }

  /** How many bytes the wrapper itself holds: always 0. */
  pending(): number {
    return 0;
  }

  /**
   * Returns 0 for SO_ERROR, the one option that a dispatcher asks for.
   *
   * @throws Error for any other option
   */
  getsockopt(level: number, option: number, buflen?: number): number {
    if (level === SOL_SOCKET && option === SO_ERROR && !buflen) return 0;
    throw new Error('getsockopt: not implemented for files, except SO_ERROR');
  }

  /**
   * Makes calls on the open file blocking or not, for all of its descriptors (O_NONBLOCK, fcntl(2)). `close`,
   * `detach` and the end of the process make blocking again what this has made non-blocking.
   */
  setblocking(blocking: boolean): void {
    if (blocking) set_blocking(this.fd, true);
    else keepFromBlocking(this.fd);
  }

  override detach(): number {
    letBlock(this.fd);
    return super.detach();
  }

  /** Linux fails with EIO when a terminal was hung up, or when the other side of a pty is closed. */
  #isHungUpTerminal(error: unknown): boolean {
    if (!(error instanceof OSError && error.code === 'EIO')) return false;
    const poller = new poll();
    poller.register(this.fd, 0);
    return poller.poll(0).some(([, events]) => events & POLLHUP);
  }
}
