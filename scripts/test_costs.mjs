/**
 * Measures what each test file costs, from which `npm run quick` chooses, and writes scripts/test_costs.json again:
 * `npm run test-costs`, or `-- core chat` for these packages. It takes as long as the tests, one at a time, on Linux.
 * A file that is not in the list is taken for a quick one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { readArguments } from './arguments.mjs';

const root = dirname(import.meta.dirname);
const others = ['bench', 'endurance', 'scripts'];
const all = [...readdirSync(join(root, 'packages')), ...others];
const { positionals: names, refuse } = readArguments('npm run test-costs -- [PACKAGE…]', {
  allowPositionals: true,
});
for (const name of names) {
  if (!all.includes(name)) refuse(`There is no package ${name}, only ${all.join(', ')}.`);
}

const list = join(import.meta.dirname, 'test_costs.json');
const costs = JSON.parse(readFileSync(list, 'utf8'));
const temp = mkdtempSync(join(tmpdir(), 'asyncore-costs-'));

/**
 * What a file takes of the seconds that two workers have: its processor time, or a quarter of the time on the clock,
 * since the other worker goes on while it waits, and other programs may have made that twice as long.
 */
const seconds = ({ processor, clock }) => Math.round(Math.max(processor, clock / 4) * 10) / 10;

try {
  for (const name of names.length > 0 ? names : all) {
    const cwd = join(root, others.includes(name) ? '.' : 'packages', name);
    const file = join(temp, name);
    spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), 'run'], {
      cwd,
      stdio: 'inherit',
      env: {
        ...process.env,
        ASYNCORE_TEST_COSTS: file,
        ASYNCORE_TEST_KINDS: 'plain',
        VITEST_MAX_WORKERS: '1',
      },
    });
    if (!existsSync(file)) refuse(`No test of ${name} has run.`);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const entries = lines.map((line) => {
      const { file: path, ...times } = JSON.parse(line);
      return [relative(join(cwd, 'test'), path).replace('.test.ts', ''), seconds(times)];
    });
    costs[name] = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(list, `${JSON.stringify(costs, null, 2)}\n`);
  }
} finally {
  rmSync(temp, { recursive: true, force: true });
}
