/**
 * Compares the simulated kernel of packages/testing with the system's: 100,000 random programs of
 * system calls, or as many as `npm run referee -- --programs N --seed 1` says. Linux only.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readArguments } from './arguments.mjs';

const { values } = readArguments('npm run referee -- [--programs 100000] [--seed 1]', {
  options: {
    programs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});
const cwd = join(import.meta.dirname, '../packages/testing');
const env = { ...process.env, ASYNCORE_REFEREE: values.programs, ASYNCORE_SEED: values.seed };
const args = ['exec', 'vitest', 'run', 'test/system_calls.test.ts'];
process.exitCode = spawnSync('pnpm', args, { cwd, env, stdio: 'inherit' }).status ?? 1;
