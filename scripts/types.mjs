/** Type-checks everything, tests too, and finds what the API reference would lack a docstring for. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
const tests = ['bench', 'endurance', 'scripts', ...packages].map((folder) => join(folder, 'test'));
const projects = [
  '.',
  ...tests.filter((folder) => existsSync(join(root, folder, 'tsconfig.json'))),
];

function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

run('tsc', '-b', ...projects);
run('turbo', 'run', 'types', '--filter=@asyncore/reference');
