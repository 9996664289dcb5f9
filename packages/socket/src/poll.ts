import { binding } from './binding.js';
import type { Poller } from './poller.js';
import { Registered } from './registered.js';
import { pairsOf, roomFor, waiting } from './waiting.js';

/** Readiness by poll(2). Takes any descriptor; costs time in proportion to those registered. */
export class poll implements Poller {
  #registered = new Registered();

  register(fd: number, events: number): void {
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
    let answers = this.#registered.copy();
    waiting('poll', into, timeout, (milliseconds) => {
      answers = this.#registered.copy();
      return binding.poll(answers, answers.length / 2, milliseconds);
    });
    return this.#registered.ready(answers, into);
  }

  close(): void {
    this.#registered.clear();
  }
}
