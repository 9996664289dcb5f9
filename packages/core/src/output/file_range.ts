import { close, Descriptor, errno, OSError, open, pread, read, wrong } from '@asyncore/socket';
import { binding } from '@asyncore/socket/kernel';

/** Which part of a file, and whose its descriptor is. */
export interface file_options {
  /** Where the part begins, in bytes from the beginning of the file. Default 0. */
  start?: number;
  /** Where it ends: the first byte that is no part of it, as with `slice`. Default: the file's end. */
  end?: number;
  /** Whether a descriptor that was given is closed, as one of a path always is. Default false. */
  closefd?: boolean;
}

const NO_WAITING =
  'one that does not block cannot be waited for: push new net.Socket({ fd }) instead';
const NO_PLACES = 'a pipe or a terminal has to be given as a descriptor';
const nothing = new Uint8Array(0);

/**
 * A part of an open file on its way out. How long it is is settled when it is made: what is appended
 * meanwhile is no part of it, and what is missing when its turn comes is an error.
 */
export class file_range {
  /** Where the next byte is. */
  position: number;
  readonly #file: string | Uint8Array | number;
  readonly #fd: number;
  /** What is to be closed. */
  readonly #owned: Descriptor | null;
  /** Where it ends at most. */
  readonly #end: number;
  /** A pipe or a terminal has no positions. */
  readonly #hasPositions: boolean;
  /** Whether how long it is was known when it was made. */
  readonly isKnown: boolean;
  /** sendfile(2) has not taken it. */
  #isRefused = false;
  #closed = false;

  /**
   * Opens `file`, a path, or takes an open descriptor. Throws OSError where that fails, EISDIR for a
   * directory, ESPIPE for the path of what has no positions, or a `start` in it; TypeError, RangeError for
   * wrong arguments.
   */
  constructor(file: string | Uint8Array | number, options: file_options = {}) {
    const { start = 0, end = Infinity, closefd = false } = options;
    checkPlace('start', start);
    if (end !== Infinity) checkPlace('end', end);
    const given = typeof file === 'number';
    this.#file = file;
    this.#owned = !given ? opened(file) : closefd ? new Descriptor(file) : null;
    this.#fd = this.#owned?.fileno() ?? (file as number);
    try {
      const { size, isRegular } = this.#examine();
      this.#hasPositions = isRegular || binding.pread(this.#fd, nothing, 0, 0) >= 0;
      // It was opened so that reading it does not wait: EAGAIN while nobody writes.
      if (!this.#hasPositions && !given) throw this.#failure('open', errno.ESPIPE, NO_PLACES);
      if (!this.#hasPositions && binding.get_blocking(this.#fd) === 0) {
        throw this.#failure('read', errno.EAGAIN, NO_WAITING); // rather than in the middle
      }
      if (!this.#hasPositions && start > 0) throw this.#failure('pread', errno.ESPIPE);
      this.position = start;
      this.isKnown = isRegular && this.#holds(size, start);
      this.#end = Math.max(start, this.isKnown ? Math.min(end, size) : end);
    } catch (error) {
      if (!given)
        this.close(); // who gave it and failed has it still
      else this.#owned?.detach();
      throw error;
    }
  }

  /**
   * Whether `size` is true, where anything from `start` on is to be sent: a file of /proc says that it is
   * empty, one of /sys that it has 4096 bytes.
   */
  #holds(size: number, start: number): boolean {
    if (size > 0 && start >= size) return true;
    const last = pread(this.#fd, 1, Math.max(size - 1, 0));
    return size === 0 ? last.length === 0 : last.length > 0;
  }

  #examine(): { size: number; isRegular: boolean } {
    // Its own error for what is not open, rather than fstat's.
    if (binding.get_blocking(this.#fd) < 0) throw this.#failure('open', errno.EBADF);
    const status = binding.fstat(this.#fd);
    if (status.isDirectory()) throw this.#failure('open', errno.EISDIR);
    return { size: Number(status.size), isRegular: status.isFile() };
  }

  #failure(call: string, code: number, hint?: string): OSError {
    const path = typeof this.#file === 'number' ? null : this.#file;
    return OSError.of(this, new OSError(call, code, path, hint));
  }

  /** Its descriptor; -1 once closed. */
  get fd(): number {
    return this.#closed ? -1 : this.#fd;
  }

  /** How many bytes are still to come; where it is not known, at most: Infinity without an `end`. */
  get left(): number {
    return this.#closed ? 0 : this.#end - this.position;
  }

  /** Whether sendfile(2) may take what is left. */
  get isSendable(): boolean {
    return this.isKnown && !this.#isRefused && this.left > 0;
  }

  /** The next bytes, at most so many: none at the end. Throws OSError, EIO where some are missing. */
  read(most: number): Buffer {
    const size = Math.min(most, this.left);
    if (size === 0) return Buffer.alloc(0);
    const data = this.#hasPositions ? pread(this.#fd, size, this.position) : read(this.#fd, size);
    this.taken(data.length);
    if (data.length === 0 && this.isKnown) {
      throw this.#failure('read', errno.EIO, `the file has lost its last ${this.left} bytes`);
    }
    return data;
  }

  /** So many bytes are sent. */
  taken(count: number): void {
    this.position += count;
  }

  /** sendfile(2) does not take it: it has to be read. */
  refuse(): void {
    this.#isRefused = true;
  }

  /** Forgets what is left, and closes a descriptor of its own. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owned?.close();
  }
}

function opened(path: string | Uint8Array): Descriptor {
  const fd = open(path);
  try {
    return new Descriptor(fd);
  } catch (error) {
    close(fd);
    throw error;
  }
}

function checkPlace(what: string, value: unknown): void {
  if (typeof value !== 'number') throw wrong.type(`${what} must be a number of bytes`);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw wrong.range(`${what} must be a whole number from 0: got ${value}`);
  }
}
