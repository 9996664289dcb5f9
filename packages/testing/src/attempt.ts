import { network } from './network.js';
import type { simulate_options } from './options.js';
import { turned } from './outside.js';

/** The result of a run. */
export interface Outcome {
  /** What it threw. */
  failure: Error | null;
  decisions: readonly number[];
  sizes: readonly number[];
  lines: readonly string[];
}

/** Runs `body` once, in a network of its own. */
export async function attempt(
  options: simulate_options,
  body: (net: network) => unknown,
): Promise<Outcome> {
  const net = new network(options);
  const { made: decisions, sizes } = net.decisions;
  let failure: Error | null = null;
  try {
    await body(net);
  } catch (error) {
    failure = asError(error);
  }
  // Decisions made while everything is being closed do not belong to the run.
  const outcome = { decisions: [...decisions], sizes: [...sizes], lines: net.trace() };
  try {
    await net.close();
  } catch (error) {
    failure ??= asError(error);
  }
  await turned(); // or the time limit of the test, which is one of Node's own timers, would never come
  return { failure, ...outcome };
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`thrown: ${String(thrown)}`, { cause: thrown });
}
