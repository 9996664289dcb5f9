import { binding } from './binding.js';
import { FD_SETSIZE, POLLIN } from './constants.js';
import { errno } from './os_error.js';
import type { Poller } from './poller.js';
import { Registered } from './registered.js';
import { pairsOf, roomFor, waiting } from './waiting.js';
import { wrong } from './wrong.js';

/**
 * Readiness by select(2), which takes descriptors below FD_SETSIZE only. It decides who is ready
 * but cannot tell a hang-up from data, so those it names are asked with poll(2) how they are, and
 * so are, before it waits, those not watched for reading: select(2) tells these of no hang-up.
 */
export class select implements Poller {
  #registered = new Registered();

  register(fd: number, events: number): void {
    if (typeof fd === 'number' && fd >= FD_SETSIZE) {
      throw wrong.range(
        `select: descriptor ${fd} is too high, select(2) takes those below ${FD_SETSIZE} (FD_SETSIZE)`,
      );
    }
    this.#registered.add(fd, events);
  }

  modify(fd: number, events: number): void {
    this.#registered.set(fd, events);
  }

  unregister(fd: number): void {
    this.#registered.remove(fd);
  }

  poll(timeout: number | null = null): [fd: number, events: number][] {
    const into = roomFor(this.#registered.size);
    return pairsOf(into, this.wait(into, timeout));
  }

  wait(into: Int32Array, timeout: number | null): number {
    const all = this.#registered.copy();
    const silent = all.filter((_, i) => (all[i | 1] & POLLIN) === 0);
    const hungUp = binding.poll(silent, silent.length / 2, 0);
    let answers = all;
    waiting('select', into, hungUp > 0 ? 0 : timeout, (milliseconds) => {
      answers = all.slice();
      const result = binding.select(answers, answers.length / 2, milliseconds);
      // A descriptor closed behind our back: poll(2) says which one.
      return result === -errno.EBADF ? 0 : result;
    });
    // select has left each pair's events 0, or not 0 where poll(2) is to say which.
    const chosen = all.filter((_, i) => answers[i | 1] !== 0 || (all[i | 1] & POLLIN) === 0);
    binding.poll(chosen, chosen.length / 2, 0);
    return this.#registered.ready(chosen, into);
  }

  close(): void {
    this.#registered.clear();
  }
}
