import { C, E } from './numbers.js';
import { OpenFile } from './open_file.js';

const ALWAYS = C.POLLERR | C.POLLHUP;
/** The flag for new events only: EPOLLET. */
const EDGE = 1 << 31;

/** One descriptor in a queue. */
export interface Watch {
  readonly queue: Queue;
  readonly fd: number;
  readonly file: OpenFile;
  events: number;
}

/** Decides which descriptors are reported first, and how many. */
export type Choose = (n: number, label: string) => number;

/** A queue as epoll(7) has it, and as the addon uses kqueue. */
export class Queue extends OpenFile {
  /**
   * The watches by descriptor. There are several if a descriptor was closed while a duplicate keeps its
   * file open, and its number was used again.
   */
  #watches = new Map<number, Watch[]>();
  /** The watches that may be ready. */
  readonly candidates = new Set<Watch>();

  override mask(): number {
    return this.#ready().length > 0 ? C.POLLIN : 0;
  }

  override released(): void {
    for (const watches of this.#watches.values()) {
      for (const watch of watches) watch.file.watches.delete(watch);
    }
  }

  add(fd: number, file: OpenFile, events: number): number {
    if (this.#find(fd, file) !== undefined) return -E.EEXIST;
    const watch = { queue: this, fd, file, events };
    this.#watches.set(fd, [...(this.#watches.get(fd) ?? []), watch]);
    file.watches.add(watch);
    this.candidates.add(watch);
    return 0;
  }

  modify(fd: number, file: OpenFile, events: number): number {
    const watch = this.#find(fd, file);
    if (watch === undefined) return -E.ENOENT;
    watch.events = events;
    this.candidates.add(watch);
    return 0;
  }

  remove(fd: number, file: OpenFile): number {
    const watch = this.#find(fd, file);
    if (watch === undefined) return -E.ENOENT;
    this.forget(watch);
    return 0;
  }

  /** As kqueue does it: replaces whatever was asked for before. */
  set(fd: number, file: OpenFile, events: number): number {
    if (events === 0) {
      this.remove(fd, file);
      return 0;
    }
    return this.#find(fd, file) ? this.modify(fd, file, events) : this.add(fd, file, events);
  }

  /** Stops watching a file, which may have been closed. */
  forget(watch: Watch): void {
    const others = this.#watches.get(watch.fd)?.filter((other) => other !== watch) ?? [];
    if (others.length > 0) this.#watches.set(watch.fd, others);
    else this.#watches.delete(watch.fd);
    watch.file.watches.delete(watch);
    this.candidates.delete(watch);
  }

  /**
   * Writes the descriptors that are ready. `choose` decides their order, and whether some are left out.
   */
  tell(pairs: Int32Array, choose: Choose): number {
    const ready = this.#ready();
    let count = Math.min(pairs.length >> 1, ready.length);
    if (count > 1) {
      const fewer = choose(count, 'how many are told'); // the others are reported the next time
      if (fewer > 0) count = fewer;
    }
    for (let i = 0; i < count; i++) {
      const others = ready.length - i;
      const j = others > 1 ? i + choose(others, 'who is told first') : i;
      const { watch, mask } = ready[j];
      ready[j] = ready[i];
      if (watch.events & EDGE) this.candidates.delete(watch); // until something happens to it
      pairs[2 * i] = watch.fd;
      pairs[2 * i + 1] = mask;
    }
    return count;
  }

  #ready(): { watch: Watch; mask: number }[] {
    const ready: { watch: Watch; mask: number }[] = [];
    for (const watch of this.candidates) {
      const mask = watch.file.mask() & (watch.events | ALWAYS);
      if (mask === 0) this.candidates.delete(watch);
      else ready.push({ watch, mask });
    }
    return ready;
  }

  #find(fd: number, file: OpenFile): Watch | undefined {
    return this.#watches.get(fd)?.find((watch) => watch.file === file);
  }
}
