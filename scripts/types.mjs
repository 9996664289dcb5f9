/** Type-checks everything, tests too, and finds what the API reference would lack a docstring for. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { compiler } from './compile.mjs';

const root = join(import.meta.dirname, '..');

function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1); // and what it found is the last that is printed
}

run(await compiler(), '-b');
run('turbo', 'run', 'types', '--filter=@asyncore/reference');
