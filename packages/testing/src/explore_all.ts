import { attempt } from './attempt.js';
import { checkedBody, checkedOptions } from './checked.js';
import { explore_failure } from './explore_failure.js';
import type { network } from './network.js';
import type { explore_all_options } from './options.js';

/**
 * Runs `body` in a plain network, and then in every one that differs from it in a single decision: each
 * cut, each delay, each order, each size of a buffer. The first failure is thrown as an `explore_failure`
 * with its trace. Returns how many runs there were.
 */
export async function explore_all(
  options: explore_all_options,
  body: (net: network) => unknown,
): Promise<number> {
  checkedOptions('explore_all', options, ['most']);
  checkedBody('explore_all', body);
  const { most = 64, ...rest } = options;
  const plain = await attempt({ ...rest, decisions: [] }, body);
  if (plain.failure !== null) throw plain.failure;
  let runs = 1;
  for (const [i, size] of plain.sizes.entries()) {
    for (let value = 1; value < Math.min(size, most); value++) {
      const decisions = [...Array<number>(i).fill(0), value];
      runs += 1;
      const { failure } = await attempt({ ...rest, decisions }, body);
      if (failure === null) continue;
      const shown = await attempt({ ...rest, decisions, trace: true }, body);
      const message = `${failure.message}\n  run ${runs}: one decision is not the plain one (marked ~)`;
      throw new explore_failure(message, shown.lines, undefined, decisions, failure);
    }
  }
  return runs;
}
