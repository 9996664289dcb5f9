/**
 * Runs the simulated tests of packages/testing and the examples in many networks: 20,000 times chaos over
 * core and chat, or as many as `npm run chaos -- --schedules N` says, and a hundredth of it each promise and example.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readArguments } from './arguments.mjs';

const { values, refuse } = readArguments('npm run chaos -- [--schedules 20000]', {
  options: { schedules: { type: 'string', default: '20000' } },
});
const schedules = Number(values.schedules);
if (!(schedules >= 1)) refuse('--schedules must be a number from 1.');
const tests = [
  ['testing', 'test/chaos.test.ts'],
  ['testing', 'test/promises.test.ts'],
  ['examples', 'test/simulated.test.ts'],
];
for (const [name, file] of tests) {
  const cwd = join(import.meta.dirname, '../packages', name);
  const env = { ...process.env, ASYNCORE_SCHEDULES: String(schedules) };
  const { status } = spawnSync('pnpm', ['exec', 'vitest', 'run', file], {
    cwd,
    env,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
