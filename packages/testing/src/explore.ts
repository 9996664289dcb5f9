import { attempt } from './attempt.js';
import { checkedBody, checkedOptions } from './checked.js';
import { explore_failure } from './explore_failure.js';
import { kindOf } from './kind.js';
import type { network } from './network.js';
import type { explore_options } from './options.js';
import { shrink } from './shrink.js';

/**
 * Runs `body` in `runs` networks. Each delays, cuts and orders in its own way, wild in some respects and
 * plain in others. The first run that fails is repeated, to see whether it fails again. Then the plainest
 * run that still fails is searched for, and thrown as an `explore_failure` with its trace. Returns how
 * many runs there were.
 */
export async function explore(
  options: explore_options,
  body: (net: network) => unknown,
): Promise<number> {
  checkedOptions('explore', options, ['runs', 'seed', 'shrinks']);
  checkedBody('explore', body);
  const {
    runs = 1000,
    seed = Number(process.env.ASYNCORE_SEED ?? 1),
    shrinks = 400,
    ...rest
  } = options;
  if (!Number.isInteger(runs) || runs < 1)
    throw new RangeError('explore: runs must be an integer from 1');
  if (!Number.isInteger(seed)) throw new RangeError('explore: seed must be an integer');
  for (let i = 0; i < runs; i++) {
    const these = { ...rest, seed: seed + i };
    const { failure, decisions } = await attempt(these, body);
    if (failure === null) continue;
    const again = await attempt(these, body);
    if (again.failure === null || again.decisions.join() !== decisions.join()) {
      const title = `${failure.message}\n  seed ${seed + i} failed, and did not the same a second time`;
      const why = 'something outside of the simulation decides: real timers, chance, files';
      throw new explore_failure(`${title}: ${why}`, [], seed + i, decisions, failure);
    }
    const small = await shrink(decisions, these, body, kindOf(failure), shrinks);
    const shown = await attempt({ ...these, decisions: small.decisions, trace: true }, body);
    const error = shown.failure ?? failure;
    const odd = small.decisions.filter((value) => value !== 0).length;
    const run = `run ${i + 1} of ${runs}, seed ${seed + i}; made plainer in ${small.tries} runs`;
    const count = `${odd} of ${shown.decisions.length} decisions are not the plain ones (marked ~)`;
    const message = `${error.message}\n  ${run}: ${count}`;
    throw new explore_failure(message, shown.lines, seed + i, small.decisions, error);
  }
  return runs;
}
