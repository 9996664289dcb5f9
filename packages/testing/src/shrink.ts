import { attempt } from './attempt.js';
import { kindOf } from './kind.js';
import type { network } from './network.js';
import type { simulate_options } from './options.js';
import { real_now } from './outside.js';

const MOST_TIME = 10_000;

/** The plainest decisions found with which `body` fails in the same way, and how many runs that took. */
export async function shrink(
  decisions: readonly number[],
  options: simulate_options,
  body: (net: network) => unknown,
  kind: string,
  most: number,
): Promise<{ decisions: readonly number[]; tries: number }> {
  let best = trimmed(decisions);
  let tries = 0;
  const end = real_now() + MOST_TIME;
  const isOver = () => tries >= most || real_now() > end;

  const fails = async (candidate: readonly number[]): Promise<boolean> => {
    if (isOver()) return false;
    tries += 1;
    const { failure, decisions: made } = await attempt({ ...options, decisions: candidate }, body);
    if (failure === null || kindOf(failure) !== kind) return false;
    best = trimmed(made);
    return true;
  };

  /** Makes whole blocks plain, from the end, as long as one can be. */
  const plainBlocks = async (size: number): Promise<boolean> => {
    let isPlainer = false;
    for (let end = best.length; end > 0 && !isOver(); end -= size) {
      const start = Math.max(0, end - size);
      if (!best.slice(start, end).some((value) => value !== 0)) continue;
      if (await fails(best.map((value, i) => (i >= start && i < end ? 0 : value)))) {
        isPlainer = true;
      }
    }
    return isPlainer;
  };

  for (let size = best.length; size >= 1 && !isOver(); ) {
    const isPlainer = await plainBlocks(size);
    if (!isPlainer || size > 1) size = Math.floor(size / 2);
  }
  for (let i = 0; i < best.length && !isOver(); i++) {
    for (const value of [1, 2, best[i] >> 1, best[i] - 1]) {
      if (value <= 0 || value >= (best[i] ?? 0)) continue;
      if (await fails(best.map((other, j) => (j === i ? value : other)))) break;
    }
  }
  return { decisions: best, tries };
}

function trimmed(decisions: readonly number[]): readonly number[] {
  let end = decisions.length;
  while (end > 0 && decisions[end - 1] === 0) end -= 1;
  return decisions.slice(0, end);
}
