/** What the tests of every package on top of this one stand on: a map of its own, on every poller. */
import { type channel_map, close_all, loop, type loop_options } from '@asyncore/core';
import { afterEach, describe } from 'vitest';

export type UsePoll = boolean | undefined;

/** Declares the tests of `body` for select, poll and the best there is. */
export function onEveryPoller(body: (use_poll: UsePoll) => void): void {
  describe('select', () => body(false));
  describe('poll', () => body(true));
  describe('default', () => body(undefined));
}

/** How many seconds something may take to happen, at least. */
export const PATIENCE = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 15);

const stages: Stage[] = [];

afterEach(() => {
  for (const { map } of stages.splice(0)) close_all(map, true);
});

/** A map, the poller that serves it, and a trace. */
export class Stage {
  readonly trace: string[] = [];
  #heard = () => {};

  constructor(
    readonly use_poll?: UsePoll,
    readonly map: channel_map = new Map(),
  ) {
    stages.push(this);
  }

  say(line: string): void {
    this.trace.push(line);
    this.#heard();
  }

  /** How many times `line` is in the trace. */
  count(line: string): number {
    return this.trace.filter((each) => each === line).length;
  }

  loop(options: loop_options = {}): Promise<void> {
    return loop({ use_poll: this.use_poll, map: this.map, ...options });
  }

  /** Runs the loop until `what` is in the trace or, asked after each line, is so. */
  async until(what: string | (() => boolean)): Promise<void> {
    const happened = () => (typeof what === 'string' ? this.trace.includes(what) : what());
    const end = new AbortController();
    const late = () => end.abort(new Error(`not until ${what}, but: ${this.trace.join(', ')}`));
    const timer = setTimeout(late, PATIENCE * 1000);
    // After the handlers of this pass.
    this.#heard = () => happened() && queueMicrotask(() => end.abort('happened'));
    try {
      if (happened()) return;
      await this.loop({ signal: end.signal });
      if (!happened()) throw new Error(`the loop ended: ${this.trace.join(', ')}`);
    } catch (error) {
      if (error !== 'happened') throw error;
    } finally {
      clearTimeout(timer);
      this.#heard = () => {};
    }
  }

  /** So many passes that do not wait: enough to see whether something comes again. */
  passes(count = 20): Promise<void> {
    return this.loop({ timeout: 0, count });
  }

  /** Whether nothing is ready: a pass then takes as long as it may. */
  async isIdle(): Promise<boolean> {
    const start = performance.now();
    await this.loop({ timeout: 0.05, count: 1 });
    return performance.now() - start > 45;
  }
}
