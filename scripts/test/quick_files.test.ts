import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { QUICK, quickFiles } from '../quick_files.mjs';
import costs from '../test_costs.json' with { type: 'json' };

it('a quick run has the cheapest files, as many as fit', () => {
  const known = { dear: QUICK, half: QUICK / 2, cheap: 1, cheaper: 0.6, gone: 0.1 };
  expect(quickFiles(['dear', 'half', 'cheap', 'cheaper'], known)).toEqual([
    'cheaper',
    'cheap',
    'half',
  ]);
});

it('a quick run has a file that nobody has measured yet', () => {
  const known = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`file${i}`, 1]));
  expect(quickFiles([...Object.keys(known), 'new'], known)).toContain('new');
});

it.each(Object.entries(costs))('most test files of %s have been measured', (name, known) => {
  const packages = join(import.meta.dirname, '../../packages');
  const folder = join(existsSync(join(packages, name)) ? packages : join(packages, '..'), name);
  const files = readdirSync(join(folder, 'test'), { recursive: true }).map(String);
  const tests = files.filter((file) => file.endsWith('.test.ts'));
  const unknown = tests.filter((file) => !(file.replace('.test.ts', '') in known));
  expect(
    unknown.length / tests.length,
    `npm run test-costs -- ${name} measures ${unknown.join(', ')}`,
  ).toBeLessThan(0.25);
});
