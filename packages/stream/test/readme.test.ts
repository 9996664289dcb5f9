import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

it('the program in the README runs, and ends', () => {
  const root = dirname(import.meta.dirname);
  const [, program] =
    /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', String(program)],
    { cwd: root, encoding: 'utf8', timeout: 20_000 },
  );
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toContain('200 OK');
  expect(stdout).toContain('hello');
});
