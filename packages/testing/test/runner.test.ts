import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('works with node:test', () => {
  const file = join(import.meta.dirname, 'with_node_test.mjs');
  const { stdout, status } = spawnSync(process.execPath, ['--test', file], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined },
  });
  expect(stdout).toMatch(/pass 3\b/);
  expect(status).toBe(0);
}, 30_000);
