/**
 * Runs the fuzz tests of socket, chat, testing and the examples one after another, TLS handshakes (10,000 in 600
 * seconds), and the random runs of the sweep:
 * `npm run fuzz -- --seconds 600 --seed 1`. A failure prints how to play it again.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { readArguments } from './arguments.mjs';

const { values, refuse } = readArguments('npm run fuzz -- [--seconds 60] [--seed N]', {
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) refuse('--seconds must be a number of seconds.');
const packages = ['socket', 'chat', 'testing', 'examples'];
const share = String(seconds / (packages.length + 2));
const env = {
  ...process.env,
  ASYNCORE_FUZZ_SECONDS: share,
  ASYNCORE_TEST_HANDSHAKES: String(Math.max(10, Math.round(Number(share) / 2) * 200)),
};
if (values.seed !== undefined) env.ASYNCORE_FUZZ_SEED = values.seed;

function run(name, file) {
  const cwd = join(import.meta.dirname, '../packages', name);
  const args = ['exec', 'vitest', 'run', `test/${file}.test.ts`];
  const { status } = spawnSync('pnpm', args, { cwd, env, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

for (const name of packages) run(name, 'fuzz');
run('tls', 'floods');

const sweep = join(import.meta.dirname, '../endurance/sweep/sweep.mjs');
const seed = values.seed === undefined ? [] : ['--seed', values.seed];
const { status } = spawnSync(process.execPath, [sweep, '--random', '--seconds', share, ...seed], {
  stdio: 'inherit',
});
if (status !== 0) process.exitCode = 1;
