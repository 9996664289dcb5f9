import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { missing } from '../sweep/shim.mjs';

const lacking = missing();
const hint = lacking ? ` (${lacking})` : '';
const script = join(import.meta.dirname, '../sweep/sweep.mjs');

function sweep(...args: string[]) {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', timeout: 60_000 });
}

it.skipIf(lacking !== null)(`plays one place again${hint}`, { timeout: 60_000 }, () => {
  const { stdout, stderr, status } = sweep('--only', 'echo', 'epoll', 'send#1:half');
  expect(stderr).toContain('1 altered');
  expect(stdout).toContain('1 passed, 0 failed\n');
  expect(status).toBe(0);
});

it.skipIf(lacking !== null)(
  `fails where there is no such place${hint}`,
  { timeout: 60_000 },
  () => {
    const { stdout, status } = sweep('--only', 'echo', 'epoll', 'send#9999:half');
    expect(stdout).toContain('there is no such call');
    expect(status).toBe(1);
  },
);

it('says which programs there are', () => {
  expect(sweep('--programs', 'nothing').stderr).toContain('nothing is none of stubborn');
});
