import { checked, errno } from './os_error.js';
import { int32 } from './wrong.js';

/**
 * The descriptors of a poller that gives all of them to the kernel for each wait: pairs fd, events
 * in one block of memory, and the place of each descriptor's pair.
 */
export class Registered {
  #pairs = new Int32Array(64);
  #places = new Map<number, number>();
  /** Where `ready` begins, so that the first in the list do not starve the others. */
  #turn = 0;

  get size(): number {
    return this.#places.size;
  }

  add(fd: number, events: number): void {
    int32('register', 'fd', fd);
    int32('register', 'events', events);
    if (fd < 0) checked('register', -errno.EBADF);
    if (this.#places.has(fd)) checked('register', -errno.EEXIST);
    const place = this.size;
    if (2 * place === this.#pairs.length) {
      const larger = new Int32Array(2 * this.#pairs.length);
      larger.set(this.#pairs);
      this.#pairs = larger;
    }
    this.#places.set(fd, place);
    this.#pairs[2 * place] = fd;
    this.#pairs[2 * place + 1] = events;
  }

  set(fd: number, events: number): void {
    int32('modify', 'events', events);
    this.#pairs[2 * this.#place('modify', fd) + 1] = events;
  }

  /** The last pair takes the place of the one that goes. */
  remove(fd: number): void {
    const place = this.#place('unregister', fd);
    const last = this.size - 1;
    const moved = this.#pairs[2 * last];
    this.#pairs.copyWithin(2 * place, 2 * last, 2 * last + 2);
    this.#places.set(moved, place);
    this.#places.delete(fd);
  }

  /** A copy of the pairs, for the kernel to write its answers into. */
  copy(): Int32Array {
    return this.#pairs.slice(0, 2 * this.size);
  }

  clear(): void {
    this.#places.clear();
  }

  /** Moves the pairs that have events from `answers` to `into`, as many as there is room for. */
  ready(answers: Int32Array, into: Int32Array): number {
    const pairs = answers.length / 2;
    let count = 0;
    let next = 0;
    for (let seen = 0; seen < pairs; seen++) {
      const i = 2 * ((this.#turn + seen) % pairs);
      if (answers[i + 1] === 0) continue;
      if (2 * count + 1 >= into.length) {
        next = i / 2;
        break;
      }
      into[2 * count] = answers[i];
      into[2 * count + 1] = answers[i + 1];
      count += 1;
    }
    this.#turn = next;
    return count;
  }

  #place(call: string, fd: number): number {
    int32(call, 'fd', fd);
    return this.#places.get(fd) ?? checked(call, -errno.ENOENT);
  }
}
