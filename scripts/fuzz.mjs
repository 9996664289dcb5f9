/**
 * Runs the fuzz tests of socket, chat and the examples one after another: `npm run fuzz -- --seconds
 * 600 --seed 1`. A failure prints how to play it again.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error('--seconds must be a number of seconds');
const packages = ['socket', 'chat', 'examples'];
const env = { ...process.env, ASYNCORE_FUZZ_SECONDS: String(seconds / packages.length) };
if (values.seed !== undefined) env.ASYNCORE_FUZZ_SEED = values.seed;

for (const name of packages) {
  const cwd = join(import.meta.dirname, '../packages', name);
  const args = ['exec', 'vitest', 'run', 'test/fuzz.test.ts'];
  const { status } = spawnSync('pnpm', args, { cwd, env, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
