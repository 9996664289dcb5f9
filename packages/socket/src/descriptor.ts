import { binding } from './binding.js';
import { checked } from './os_error.js';
import { received } from './received.js';
import { wrong } from './wrong.js';

const pair = new Int32Array(2);

/** A duplicate of a descriptor, close-on-exec. Blocking mode stays shared with it: dup(2). */
export function dup(fd: number): number {
  return checked('dup', binding.dup(fd));
}

/** At most `size` bytes; an empty buffer at the end of the file. Throws BlockingIOError: read(2). */
export function read(fd: number, size: number): Buffer {
  return received('read', fd, size, binding.read);
}

/** Writes and gives the number of bytes taken, which may be fewer than given: write(2). */
export function write(fd: number, data: ArrayBufferView): number {
  return checked('write', binding.write(fd, data));
}

/** A pipe's ends, [for reading, for writing], close-on-exec and blocking: pipe(2). */
export function pipe(): [reading: number, writing: number] {
  checked('pipe', binding.pipe(pair));
  return [pair[0], pair[1]];
}

/** Closes a descriptor: close(2). */
export function close(fd: number): void {
  checked('close', binding.close(fd));
}

/** Whether calls on the descriptor wait. All duplicates share it (O_NONBLOCK, fcntl(2)). */
export function get_blocking(fd: number): boolean {
  return checked('fcntl', binding.get_blocking(fd)) === 1;
}

/** Makes calls on the descriptor wait, or not; for all its duplicates (O_NONBLOCK, fcntl(2)). */
export function set_blocking(fd: number, blocking: boolean): void {
  checked('fcntl', binding.set_blocking(fd, blocking ? 1 : 0));
}

/** The number of bytes that a read would find without waiting (FIONREAD). */
export function unread(fd: number): number {
  return checked('ioctl', binding.unread(fd));
}

type Release = (fd: number) => void;

/** One for each class, so that it need not be remembered what each object is. */
const registries = new WeakMap<object, FinalizationRegistry<number>>();

function registryOf(kind: { readonly name: string }, release?: Release) {
  let registry = registries.get(kind);
  if (registry === undefined) {
    registry = new FinalizationRegistry((fd) => {
      process.emitWarning(`unclosed ${kind.name} fd=${fd}`, 'ResourceWarning');
      release?.(fd);
      binding.close(fd);
      released(fd);
    });
    registries.set(kind, registry);
  }
  return registry;
}

/** By descriptor, what `on_release` was given. */
const releases = new Map<number, () => void>();

function released(fd: number): void {
  const callback = releases.get(fd);
  releases.delete(fd);
  callback?.();
}

/**
 * An object that owns a descriptor made here. One that is collected without having been closed closes
 * itself and says so in a ResourceWarning; so does the end of a worker thread, in silence.
 */
export class Descriptor {
  #fd: number;
  #unclosed: FinalizationRegistry<number>;

  /**
   * `release`, the same for all of a class, is called with the descriptor of one that was
   * collected, before that is closed.
   */
  constructor(fd: number, release?: Release) {
    if (!Number.isInteger(fd) || fd < 0 || fd > 0x7fffffff) {
      throw wrong.type(`${new.target.name}: fd must be a descriptor (an integer from 0)`);
    }
    this.#fd = fd;
    this.#unclosed = registryOf(new.target, release);
    this.#unclosed.register(this, fd, this);
  }

  /** The descriptor's number, -1 once closed or detached. */
  fileno(): number {
    return this.#fd;
  }

  /** Gives the descriptor away without closing it, and returns its number. */
  detach(): number {
    const fd = this.#fd;
    if (fd >= 0) {
      this.#fd = -1;
      this.#unclosed.unregister(this);
      binding.disown(fd);
      if (releases.size > 0) released(fd);
    }
    return fd;
  }

  /**
   * Calls `callback` when the descriptor is this object's no longer: closed, detached or collected. A
   * callback that holds on to the object keeps it from being collected.
   */
  on_release(callback: () => void): void {
    if (typeof callback !== 'function') {
      throw wrong.type('on_release: callback must be a function');
    }
    if (this.#fd >= 0) releases.set(this.#fd, callback);
  }

  /** Closes it: close(2). A second time does nothing. */
  close(): void {
    if (this.#fd >= 0) checked('close', binding.close(this.detach()));
  }

  /** `using`: closes it at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @hidden */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `<${this.constructor.name} ${this.#fd < 0 ? 'closed' : `fd=${this.#fd}`}>`;
  }
}
