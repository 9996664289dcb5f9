import { indented } from './trace.js';

/** What `explore` and `explore_all` throw: the failure itself is the `cause`. */
export class explore_failure extends Error {
  /** 'explore_failure'. */
  override name = 'explore_failure';
  /** The seed of the run that failed: `explore({ seed, runs: 1 })` repeats it. */
  readonly seed: number | undefined;
  readonly #decisions: readonly number[];
  readonly #trace: readonly string[];

  /** @internal */
  constructor(
    message: string,
    trace: readonly string[],
    seed: number | undefined,
    decisions: readonly number[],
    cause: Error,
  ) {
    super(message + indented(trace), { cause });
    this.seed = seed;
    this.#decisions = decisions;
    this.#trace = trace;
  }

  /** The decisions of the run: `simulate({ decisions })` repeats it. */
  get decisions(): readonly number[] {
    return this.#decisions;
  }

  /** What happened, line by line. */
  get trace(): readonly string[] {
    return this.#trace;
  }
}
