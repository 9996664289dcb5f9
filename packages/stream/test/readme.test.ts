import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('the program in the README runs, and ends', () => {
  const program = join(import.meta.dirname, 'readme.mjs');
  const options = { encoding: 'utf8', timeout: 20_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, [program], options);
  expect([stderr, status]).toEqual(['', 0]);
  expect(stdout).toContain('200 OK');
  expect(stdout).toContain('hello');
});
