import { expect, it } from 'vitest';
import { chart } from '../dist/chart.js';
import { type CaseResult, figures, ratios, spread } from '../dist/results.js';
import { table } from '../dist/table.js';

const samples = (...costs: (number | null)[]) =>
  costs.map((cost) => (cost === null ? null : { cost, rate: 1 / cost }));
const c = { name: 'c', label: 'C', isOurs: false, isYardstick: true, samples: samples(1, 2, 4) };
const mine = {
  name: 'ours',
  label: 'a & b',
  isOurs: true,
  isYardstick: false,
  samples: samples(3, null, 4),
};
const result: CaseResult = {
  name: 'one',
  title: 'One',
  cost: 'µs/request',
  rate: 'requests/s',
  command: 'pnpm bench',
  servers: [mine, c],
};

it('takes the middle of an odd number of figures, and halfway between two of an even one', () => {
  expect(spread([9, 1, 2])).toEqual({ median: 2, least: 1, most: 9 });
  expect(spread([10, 9])).toEqual({ median: 9.5, least: 9, most: 10 });
  expect(spread([])).toBeNull();
});

it('leaves out a round that failed', () => {
  expect(figures(mine, 'cost')).toEqual({ median: 3.5, least: 3, most: 4 });
});

it('compares within a round', () => {
  expect(ratios(mine, c, 'cost')).toEqual({ median: 2, least: 1, most: 3 });
  expect(ratios(mine, undefined, 'cost')).toBeNull();
});

it('shows medians with their spread in a table', () => {
  expect(table(result)).toContain('| a & b | 3.50 (3.00–4.00) |');
  expect(table(result)).toContain('| 2.00 (1.00–3.00) |');
});

it('draws a chart that is well-formed', () => {
  const svg = chart({ machine: {}, cases: [result] });
  expect(svg).toContain('a &amp; b');
  expect(svg.match(/<g /g)).toHaveLength(svg.match(/<\/g>/g)?.length ?? 0);
});
