/**
 * The simulated kernel answers as the system's does: random programs of system calls on both. `npm run
 * referee` tries 100,000 of them, or as many as ASYNCORE_REFEREE says.
 */
import { expect, it } from 'vitest';
import { compared } from './referee/compare.js';
import type { Step } from './referee/machine.js';
import { program, program_of_pairs } from './referee/program.js';

const isLinux = process.platform === 'linux';
const programs = Number(process.env.ASYNCORE_REFEREE ?? 3000);
const first = Number(process.env.ASYNCORE_SEED ?? 1);

/** By the call that is answered otherwise, the shortest program and how many there are. */
function differences(make: (seed: number) => Step[]): { shortest: string; count: number }[] {
  const kinds = new Map<string, { shortest: string; count: number }>();
  for (let seed = first; seed < first + programs; seed++) {
    const { difference } = compared(make(seed));
    if (difference === null) continue;
    const last = difference.slice(difference.lastIndexOf('\n')).replace(/\b[abAB]'? ?|\d+/g, '');
    const known = kinds.get(last) ?? { shortest: difference, count: 0 };
    known.count += 1;
    if (difference.length < known.shortest.length) known.shortest = difference;
    kinds.set(last, known);
  }
  return [...kinds.values()].sort((a, b) => b.count - a.count);
}

it.skipIf(!isLinux).each([
  ['connections', program],
  ['Unix sockets, pipes and datagrams', program_of_pairs],
])(
  `${programs} programs of system calls on %s are answered as by Linux (run it there)`,
  { timeout: Math.max(30_000, programs * 10) },
  (_, make) => {
    const found = differences(make);
    const shown = found.slice(0, 5).map(({ count, shortest }) => `${count} times: ${shortest}`);
    expect(shown.join('\n'), `${found.length} kinds`).toBe('');
  },
);
