import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { run } from './example.js';

const hasBc = spawnSync('bc', ['--version']).status === 0;
const withBc = hasBc ? '' : ' (runs with bc in PATH)';

it.skipIf(!hasBc)(`prints what bc calculates${withBc}`, async () => {
  const { code, stdout, stderr } = await run('child_pipes', '2^64', 'scale=3', '1/8');
  expect([code, String(stdout), stderr]).toEqual([0, '18446744073709551616\n.125\n', '']);
});

it('prints what cat says', async () => {
  const { code, stdout } = await run('child_pipes', '--command', 'cat', 'spam', 'eggs');
  expect([code, String(stdout)]).toEqual([0, 'spam\neggs\n']);
});

it('talks with a child that answers only at the end', async () => {
  const { stdout } = await run('child_pipes', '--command', 'sort -n', '3', '1', '2');
  expect(String(stdout)).toBe('1\n2\n3\n');
});

it('asks more than a pipe holds while it is being answered', async () => {
  const lines = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(1000, '.'));
  const { stdout } = await run('child_pipes', '--command', 'cat', ...lines);
  expect(String(stdout)).toBe(`${lines.join('\n')}\n`);
});

it('a child that does not listen ends it', async () => {
  const lines = Array.from({ length: 1000 }, () => '.'.repeat(1000));
  const { code, stderr } = await run('child_pipes', '--command', 'true', ...lines);
  expect([code, stderr]).toEqual([0, '']);
});

it('says in one line that a child failed, or is not there', async () => {
  const failed = await run('child_pipes', '--command', 'false', 'spam');
  expect([failed.code, failed.stderr]).toEqual([1, 'child_pipes: false failed: 1\n']);
  const missing = await run('child_pipes', '--command', 'nonexistent', 'spam');
  expect(missing.stderr).toMatch(/^child_pipes: spawn nonexistent ENOENT.*\n$/);
  expect(missing.code).toBe(1);
});
