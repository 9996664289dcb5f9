import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const run = (program: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(root, program), ...args], { encoding: 'utf8' });

it.each(['scripts/pack.mjs', 'bench/dist/main.js', 'bench/pairs.mjs'])(
  '%s says how it is used, and names an option that it does not have',
  (program) => {
    const help = run(program, '--help');
    expect([help.status, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toMatch(/^usage: (npm run|node) /);
    const wrong = run(program, '--spam');
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/^Unknown option '--spam'.*\nusage: (npm run|node) /);
  },
);
