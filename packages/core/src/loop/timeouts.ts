import { clock } from '@asyncore/socket/kernel';
import { checkLimit } from '../checked.js';
import type { Endpoint } from '../endpoint.js';
import { type Escape, escapingTo } from '../handlers/escaping.js';
import { type Erring, handling } from '../handlers/handling.js';

/**
 * How many times during the shortest timeout the timer looks at the channels. Progress since the last
 * look counts as made now, and a channel without progress is told at the next look. Each delays
 * `handle_timeout` by at most a twentieth of the timeout, a tenth in all.
 */
const LOOKS = 20;
export const LONGEST_TIMER = 0x7fffffff;

/** A channel's place in the map. */
interface Timed {
  readonly endpoint: Pick<Endpoint, 'limit' | 'patience'>;
  readonly channel: Erring;
  /** The channel's timeout in seconds, as last seen; 0 for none. */
  timeout: number;
  /** Tells the channel that it has made no progress for too long. */
  tellTimeout(): void;
}

/**
 * The channels of a map that have a `timeout`. A channel only notes that it made progress. One timer
 * reads the clock for all of them, when the first channel's timeout may be over.
 */
export class Timeouts {
  #timed = new Set<Timed>();
  #timer: NodeJS.Timeout | undefined;
  /** When to look next, by the clock that set the timer. */
  #at = Infinity;
  #clock = clock;
  readonly #loop: () => Escape | null;

  /** `loop` gives the loop that runs on the map, if one does. */
  constructor(loop: () => Escape | null) {
    this.#loop = loop;
  }

  /** Called whenever the channel is asked. Costs one comparison, unless its timeout has changed. */
  watch(registration: Timed): void {
    const { limit: timeout } = registration.endpoint;
    if (!Object.is(timeout, registration.timeout)) this.#change(registration, timeout);
  }

  #change(registration: Timed, timeout: number): void {
    this.drop(registration);
    if (typeof timeout !== 'number' || !(timeout > 0)) {
      registration.timeout = timeout; // a wrong value is reported once
      handling(registration.channel, () => checkLimit('timeout', 'seconds', timeout));
      return;
    }
    const left = registration.endpoint.patience(clock.now());
    registration.timeout = timeout;
    this.#timed.add(registration);
    this.#lookIn(Math.min(left, (timeout * 1000) / LOOKS));
  }

  drop(registration: Timed): void {
    registration.timeout = 0;
    this.#timed.delete(registration);
  }

  /** The milliseconds until the first channel's timeout may be over. */
  untilNext(): number {
    const now = clock.now();
    let next = Infinity;
    for (const { endpoint } of this.#timed) next = Math.min(next, endpoint.patience(now));
    return Math.max(0, next);
  }

  /** Tells the channels that have made no progress for too long. */
  check(): void {
    if (this.#timed.size === 0) return;
    const loop = this.#loop();
    const now = clock.now();
    let shortest = Infinity;
    try {
      for (const registration of this.#timed) {
        if (this.#loop() !== loop) break; // a handler has ended it
        this.watch(registration); // its timeout may have changed
        if (registration.timeout === 0) continue;
        const limit = registration.timeout * 1000;
        const left = registration.endpoint.patience(now);
        shortest = Math.min(shortest, limit);
        if (left <= 0) registration.tellTimeout();
      }
    } finally {
      this.#lookIn(shortest / LOOKS);
    }
  }

  #lookIn(milliseconds: number): void {
    if (this.#clock !== clock) {
      // Times of another clock mean nothing here.
      this.#clock.clearTimeout(this.#timer);
      this.#clock = clock;
      this.#at = Infinity;
    }
    const at = clock.now() + milliseconds;
    if (at >= this.#at) return;
    this.#at = at;
    clock.clearTimeout(this.#timer);
    // An immediate runs after the wait, so that input that came while the thread was busy is read first.
    const soon = () => clock.setImmediate(this.#look);
    this.#timer = clock.setTimeout(soon, Math.min(Math.ceil(milliseconds), LONGEST_TIMER)).unref();
  }

  #look = () => {
    this.#at = Infinity;
    const loop = this.#loop();
    if (loop === null) {
      for (const registration of this.#timed) this.drop(registration); // the next loop asks all channels again
      return;
    }
    try {
      escapingTo(loop, () => this.check());
    } catch (error) {
      loop.fail(error);
    }
  };
}
