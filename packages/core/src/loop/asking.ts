import type { Registration } from './registration.js';

/** The channels that have to be asked what to wait for, before a loop waits again. */
export class Asking {
  /** The channels to ask on every turn of Node's loop: only they know when their answer changes. */
  readonly always = new Set<Registration>();
  /**
   * The other channels to ask: a list linked by `next`, since most channels are put into it in every
   * pass.
   */
  #first: Registration | null = null;
  #last: Registration | null = null;

  /** Puts the channel into the list, so that the loop asks it the next time. False if it was there. */
  add(registration: Registration): boolean {
    if (registration.next !== undefined) return false;
    registration.next = null;
    if (this.#last === null) this.#first = registration;
    else this.#last.next = registration;
    this.#last = registration;
    return true;
  }

  /** Takes out and returns the next channel to ask. */
  take(): Registration | null {
    const registration = this.#first;
    if (registration === null) return null;
    this.#first = registration.next ?? null;
    if (this.#first === null) this.#last = null;
    registration.next = undefined;
    return registration;
  }

  clear(): void {
    while (this.take() !== null);
  }
}
