import { binding } from './binding.js';
import { POLLIN } from './constants.js';
import { errno } from './os_error.js';
import type { Poller } from './poller.js';
import { Registered } from './registered.js';
import { pairsOf, roomFor, waiting } from './waiting.js';
import { wrong } from './wrong.js';

/**
 * Readiness by select(2), which takes descriptors below FD_SETSIZE only.
 *
 * select(2) does not say why a descriptor is ready, and reports a hang-up only to readers. So
 * poll(2) is asked twice, without waiting: before select(2), about the descriptors that are not
 * watched for reading; afterwards, about these and about those that select(2) has found ready.
 */
export class select implements Poller {
  #registered = new Registered();

  register(fd: number, events: number): void {
    const limit = binding.fd_setsize;
    if (typeof fd === 'number' && fd >= limit) {
      throw wrong.range(
        `select: descriptor ${fd} is too high, select(2) takes those below ${limit} (FD_SETSIZE)`,
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
    const hungUp = askPoll(silent);
    let answers = all;
    waiting('select', into, hungUp > 0 ? 0 : timeout, (milliseconds) => {
      answers = all.slice();
      const result = binding.select(answers, answers.length / 2, milliseconds);
      // One of them was closed without being unregistered. poll(2) says which.
      return result === -errno.EBADF ? 0 : result;
    });
    // Where select(2) has left events, poll(2) says which ones.
    const chosen = all.filter((_, i) => answers[i | 1] !== 0 || (all[i | 1] & POLLIN) === 0);
    askPoll(chosen);
    return this.#registered.ready(chosen, into);
  }

  close(): void {
    this.#registered.clear();
  }
}

/** Replaces the events of each pair by those that poll(2) reports now. Gives how many have any. */
function askPoll(pairs: Int32Array): number {
  if (pairs.length === 0) return 0;
  return waiting('poll', pairs, 0, () => binding.poll(pairs, pairs.length / 2, 0));
}
