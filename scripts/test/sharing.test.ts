import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { ViteUserConfig } from 'vitest/config';
import { byProcess, runsAll, testFiles } from '../sharing.mjs';

it.each([
  ['run', true],
  ['run --reporter=dot', true],
  ['run test/loop.test.ts', false],
  ['watch', false],
])('vitest %s has test files share a process: %s', (line, isShared) => {
  expect(runsAll(line.split(' '))).toBe(isShared && !process.env.ASYNCORE_TEST_COVERAGE);
});

it('gives a process of its own to a test file that says why', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-sharing-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'test/faults'), { recursive: true });
  writeFileSync(join(folder, 'test/faults/a.test.ts'), '');
  writeFileSync(join(folder, 'test/b.test.ts'), '// In a process of its own: it counts.\n');
  const files = testFiles(folder);
  expect(files.toSorted()).toEqual(['test/b.test.ts', 'test/faults/a.test.ts']);
  const config: ViteUserConfig = { test: { setupFiles: [] } };
  const projects = byProcess(config, folder, 'some', files);
  expect(projects.map(({ test }) => [test?.include, test?.isolate])).toEqual([
    [['test/faults/a.test.ts'], false],
    [['test/b.test.ts'], undefined],
  ]);
});
