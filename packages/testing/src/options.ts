import type { loop_options } from '@asyncore/core';

/** How a simulated network is. */
export interface simulate_options {
  /**
   * Makes the program's own time virtual too: setTimeout and kin, `Date`, `performance.now`,
   * `process.hrtime`, `AbortSignal.timeout`, `node:timers` and `node:timers/promises`; and Math.random
   * the same each time. Default false: then only the packages' own time is virtual.
   */
  globals?: boolean;
  /** Addresses by host name. A name that is not here is not found; 'localhost' always is. */
  hosts?: Readonly<Record<string, string | readonly string[]>>;
  /** How many descriptors may be open (EMFILE). Default 1024. */
  descriptors?: number;
  /**
   * The options of the `loop` that serves `socket_map`. null: the network serves no map by itself, and
   * the program under test calls `loop`. Default `{ timeout: null }`.
   */
  loop?: Omit<loop_options, 'map' | 'signal'> | null;
  /** Everything arrives at once, as on Linux's lo, and nothing is left to chance. */
  loopback?: boolean;
  /** Whether to keep a trace: `net.trace()` returns it, and errors end with it. Default false. */
  trace?: boolean;
  /**
   * The seed of a wild network: see `explore`. Left out: a plain network, where each step takes 0.05 ms.
   */
  seed?: number;
  /** Decisions to repeat, as a failure of `explore` has them. */
  decisions?: readonly number[];
}

/** Whether and how often to look. */
export interface explore_options extends Omit<simulate_options, 'decisions' | 'trace'> {
  /** How many schedules to try. Default 1000. */
  runs?: number;
  /**
   * The seed of the first run; each later run has the next number. Default: the environment's
   * ASYNCORE_SEED, or 1.
   */
  seed?: number;
  /** How many runs may be spent on making a failure plainer. Default 400. */
  shrinks?: number;
}

/** What to vary, one thing at a time. */
export interface explore_all_options
  extends Omit<simulate_options, 'decisions' | 'trace' | 'seed'> {
  /** Of a decision with more alternatives than this, only so many are tried. Default 64. */
  most?: number;
}
