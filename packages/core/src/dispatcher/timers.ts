import { type Transport, wrong } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { handling, settle } from '../handlers/handling.js';
import { run_as_handler } from '../handlers/run_as_handler.js';
import { type Due, TimerQueue } from '../timer_queue.js';
import type { dispatcher } from './dispatcher.js';

/** A pending call, as `call_later`, `call_every` and `call_at` return it. */
export interface timer {
  /** Cancels the call. Cancelling twice does nothing. */
  cancel(): void;
  /** Starts the wait anew from now, also after the call was made. Does nothing to a cancelled timer. */
  reset(): void;
}

/** The timers of one channel, made when it sets its first. */
export class Timers {
  readonly #channel: dispatcher<Transport>;
  readonly #waiting = new Set<ChannelTimer>();

  constructor(channel: dispatcher<Transport>) {
    this.#channel = channel;
  }

  later(call: string, seconds: number, f: () => unknown): timer {
    check(call, 'seconds', seconds);
    return this.#start(call, seconds * 1000, f, false);
  }

  every(seconds: number, f: () => unknown): timer {
    check('call_every', 'seconds', seconds);
    if (seconds === 0) throw wrong.range('call_every: seconds must be more than 0');
    return this.#start('call_every', seconds * 1000, f, true);
  }

  at(when: number, f: () => unknown): timer {
    check('call_at', 'when', when);
    const milliseconds = Math.max(0, when * 1000 - clock.now());
    return this.#start('call_at', milliseconds, f, false, when * 1000);
  }

  #start(
    call: string,
    milliseconds: number,
    f: () => unknown,
    repeats: boolean,
    at = clock.now() + milliseconds,
  ): timer {
    if (typeof f !== 'function') throw wrong.type(`${call}: f must be a function`);
    const made = new ChannelTimer(this.#channel, this.#waiting, milliseconds, f, repeats);
    made.waitUntil(at);
    return made;
  }

  /** The channel is closed: cancels all of its timers. */
  cancelAll(): void {
    for (const one of this.#waiting) one.cancel();
  }
}

function check(call: string, what: string, value: unknown): void {
  if (typeof value !== 'number') throw wrong.type(`${call}: ${what} must be a number of seconds`);
  if (!(value >= 0 && value < Infinity)) {
    throw wrong.range(`${call}: ${what} must be a finite number of seconds, 0 or more`);
  }
}

class ChannelTimer implements timer, Due {
  at = 0;
  turn = 0;
  place = -1;
  #isCancelled = false;
  /** For a repeating timer: its function runs, or the promise that it returned is pending. */
  #isRunning = false;
  /** The function returned a promise. */
  #isPending = false;
  readonly #queue: TimerQueue;

  constructor(
    private readonly channel: dispatcher<Transport>,
    /** The channel's timers that have yet to call. */
    private readonly siblings: Set<ChannelTimer>,
    private readonly milliseconds: number,
    private readonly f: () => unknown,
    private readonly repeats: boolean,
  ) {
    this.#queue = TimerQueue.of(channel._map);
  }

  cancel(): void {
    this.#isCancelled = true;
    this.siblings.delete(this);
    this.#queue.remove(this);
  }

  reset(): void {
    if (this.#isCancelled) return;
    if (this.#isRunning) this.at = clock.now();
    else this.waitUntil(clock.now() + this.milliseconds);
  }

  waitUntil(at: number): void {
    this.siblings.add(this);
    this.#queue.put(this, at);
  }

  happen(isPass: boolean): void {
    if (!this.repeats) this.siblings.delete(this);
    this.#isRunning = this.repeats;
    try {
      if (isPass) handling(this.channel, () => this.#call());
      else run_as_handler(this.channel, () => this.#call());
    } finally {
      if (!this.#isPending) this.#again();
    }
  }

  #call(): void {
    this.#isPending = settle(this.channel, this.f(), undefined, () => {
      this.#isPending = false;
      this.#again();
    });
  }

  /** Sets the next time of a repeating timer. Times that have passed meanwhile are skipped. */
  #again(): void {
    this.#isRunning = false;
    if (!this.repeats || this.#isCancelled) return;
    const now = clock.now();
    const next = this.at + this.milliseconds;
    this.#queue.put(this, next > now ? next : now + this.milliseconds);
  }
}
