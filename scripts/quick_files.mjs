/** Which test files `npm run quick` runs: see test_costs.mjs. */

/** Seconds of work that two workers do in less than ten, with time left for Vitest's own start. */
export const QUICK = 9;

/** What is taken for a file that was not measured yet: a worker's start, and little else. */
const NEW = 0.7;

/**
 * Those of `files` (names like 'put_right/order') that take no more than `budget` seconds together, the cheapest first.
 * `costs` has the seconds of those that were measured, and perhaps of some that are no longer there.
 *
 * @param {string[]} files
 * @param {Record<string, number>} [costs]
 * @returns {string[]}
 */
export function quickFiles(files, costs = {}, budget = QUICK) {
  const cost = (name) => costs[name] ?? NEW;
  let left = budget;
  return files
    .toSorted((a, b) => cost(a) - cost(b) || (a < b ? -1 : 1))
    .filter((name) => {
      left -= cost(name);
      return left >= 0;
    });
}
