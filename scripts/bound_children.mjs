/**
 * Gives what a test waits for synchronously two minutes, unless it says otherwise: while such a child runs,
 * vitest's own time limit cannot end the test, and a child that hangs would hold up everything.
 */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

const LIMIT = { timeout: 120_000, killSignal: 'SIGKILL' };

for (const name of ['spawnSync', 'execFileSync']) {
  const original = childProcess[name];
  if (original.name === 'bounded') continue; // by a test file before this one, in the same process
  childProcess[name] = function bounded(command, ...rest) {
    const args = Array.isArray(rest[0]) ? rest[0] : [];
    return original(command, args, { ...LIMIT, ...rest.at(Array.isArray(rest[0]) ? 1 : 0) });
  };
}
syncBuiltinESMExports();
