import { constants } from 'node:fs';
import { binding, type Memory } from './binding.js';
import { checked, checkedOf } from './os_error.js';
import { type Guard, home, type Kind, tell_release } from './owners.js';
import { received } from './received.js';
import { wrong } from './wrong.js';

const { O_RDONLY, O_NONBLOCK } = constants;
const pair = new Int32Array(2);

/**
 * Duplicates a descriptor: dup(2). The duplicate is close-on-exec, shares the blocking mode of the original,
 * and the caller must close it.
 */
export function dup(fd: number): number {
  return checked('dup', binding.dup(fd));
}

/**
 * Reads at most `size` bytes; an empty buffer means the end of the file. read(2).
 *
 * @throws BlockingIOError when there is nothing to read yet
 */
export function read(fd: number, size: number): Buffer {
  return received(fd, 'read', fd, size, binding.read);
}

/** At most `size` bytes from `offset` on, whatever the file's own position; none at its end: pread(2). */
export function pread(fd: number, size: number, offset: number): Buffer {
  const from = (fd: number, into: Memory, length: number) =>
    binding.pread(fd, into, length, offset);
  return received(fd, 'pread', fd, size, from);
}

/**
 * A descriptor for reading a file, close-on-exec and the caller's to close. It never waits for somebody
 * to open a named pipe's other end (O_NONBLOCK), nor does reading: while a writer is silent it throws EAGAIN.
 * `set_blocking` changes that. Throws ENOENT and its like: open(2).
 */
export function open(path: string | Uint8Array): number {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw wrong.type('open: path must be a string or bytes');
  }
  const name = typeof path === 'string' ? Buffer.from(path) : path;
  if (name.includes(0)) throw wrong.type('open: path must be without a NUL');
  return checked('open', binding.open(name, O_RDONLY | (O_NONBLOCK ?? 0)), path);
}

/** Writes, and returns the number of bytes taken, which may be fewer than given. write(2). */
export function write(fd: number, data: ArrayBufferView): number {
  return checkedOf(fd, 'write', binding.write(fd, data));
}

/**
 * Makes a pipe, and returns its ends as `[for reading, for writing]`: pipe(2). They are close-on-exec and
 * blocking, and the caller must close them.
 */
export function pipe(): [reading: number, writing: number] {
  checked('pipe', binding.pipe(pair));
  return [pair[0], pair[1]];
}

/** Closes a descriptor. close(2). */
export function close(fd: number): void {
  tell_release(fd);
  checked('close', binding.close(fd));
}

/** Whether calls on the descriptor block. All duplicates share this (O_NONBLOCK, fcntl(2)). */
export function get_blocking(fd: number): boolean {
  return checked('fcntl', binding.get_blocking(fd)) === 1;
}

/** Makes calls on the descriptor and all its duplicates block or not (O_NONBLOCK, fcntl(2)). */
export function set_blocking(fd: number, blocking: boolean): void {
  checked('fcntl', binding.set_blocking(fd, blocking ? 1 : 0));
}

/** How many bytes a read would find now (FIONREAD). */
export function unread(fd: number): number {
  return checked('ioctl', binding.unread(fd));
}

const option = new Uint8Array(4);

/** Whether the descriptor is a socket's; false too when it is not open. */
export function is_socket(fd: number): boolean {
  const { SOL_SOCKET, SO_TYPE } = binding.constants;
  return binding.getsockopt(fd, SOL_SOCKET, SO_TYPE, option) >= 0;
}

type Class = abstract new (...args: never) => Descriptor;

/** The last class that an owner was made of, and its kind: mostly the next one is of that kind too. */
let lastClass: Class | null = null;
let lastKind: Kind;

function kindOf(Class: Class, release: Kind['release']): Kind {
  if (Class !== lastClass || release !== lastKind.release) {
    lastClass = Class;
    lastKind = { name: Class.name, release };
  }
  return lastKind;
}

/**
 * An object that owns a descriptor. If it is garbage collected while open, it closes the descriptor and
 * emits a ResourceWarning. The end of a worker thread closes the descriptors of all its objects; plain
 * descriptors (`dup`, `pipe`, `recv_fds`, `detach`) stay open.
 */
export class Descriptor {
  #fd: number;
  #guard: Guard | null;

  /**
   * Takes the descriptor over; throws EBADF when it is not open. `release`, one function for the whole
   * class, is called with the descriptor of an object that was collected, before that is closed.
   */
  constructor(fd: number, release?: (fd: number) => void);
  /** @internal Takes over a descriptor that is noted as owned already. */
  constructor(fd: number, release: undefined, isOwned: boolean);
  constructor(fd: number, release?: (fd: number) => void, isOwned = false) {
    if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff) {
      throw wrong.type(`${new.target.name}: fd must be a descriptor (an integer from 0)`);
    }
    if (!isOwned) checked('fcntl', binding.own(fd));
    this.#fd = fd;
    this.#guard = home.guard(fd, kindOf(new.target, release));
  }

  /** The number of the descriptor; -1 once it is closed or detached. */
  fileno(): number {
    return this.#fd;
  }

  /** Gives up the descriptor without closing it, and returns its number: the caller then owns it. */
  detach(): number {
    const fd = this.#fd;
    const guard = this.#guard;
    if (guard !== null) {
      this.#fd = -1;
      this.#guard = null;
      const { home } = guard;
      home.spare(guard);
      tell_release(fd);
      home.binding.disown(fd);
      home.taken(fd)?.();
    }
    return fd;
  }

  /**
   * Calls `callback` when the object no longer owns its descriptor: it was closed, detached or collected.
   * Several callbacks may be given. A callback that refers to the object keeps it from being collected. What
   * a callback throws, `close` or `detach` throws.
   */
  on_release(callback: () => void): void {
    if (typeof callback !== 'function') {
      throw wrong.type('on_release: callback must be a function');
    }
    if (this.#guard === null) return;
    const { releases } = this.#guard.home;
    const before = releases.get(this.#fd);
    releases.set(this.#fd, () => {
      try {
        before?.();
      } finally {
        callback();
      }
    });
  }

  /** Closes the descriptor. close(2). Closing twice does nothing. */
  close(): void {
    if (this.#guard === null) return;
    const { home } = this.#guard;
    const callback = home.taken(this.#fd); // called once it is closed, since it may throw
    try {
      checked('close', home.binding.close(this.detach()));
    } finally {
      callback?.();
    }
  }

  /** Closes the descriptor at the end of a block that declared it with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @hidden */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `<${this.constructor.name} ${this.#fd < 0 ? 'closed' : `fd=${this.#fd}`}>`;
  }
}
