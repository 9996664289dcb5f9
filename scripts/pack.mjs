/** Packs every package into a folder, as a release would publish it: pack.mjs FOLDER */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readArguments } from './arguments.mjs';

const root = dirname(import.meta.dirname);
const { positionals, refuse } = readArguments('npm run pack -- FOLDER', { allowPositionals: true });
if (positionals.length !== 1) refuse('It takes one folder.');
const [folder] = positionals;
const into = resolve(process.env.INIT_CWD ?? '.', folder);
mkdirSync(into, { recursive: true });

function run(cwd, command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} failed in ${cwd}\n${stdout}${stderr}`);
  process.exit(1);
}

// The binaries of this machine: a release holds those of every system.
run(root, process.execPath, join(root, 'packages/socket/scripts/prebuild.mjs'));
for (const name of readdirSync(join(root, 'packages'))) {
  run(join(root, 'packages', name), 'pnpm', 'pack', '--pack-destination', into);
}
for (const name of readdirSync(into).filter((file) => file.endsWith('.tgz'))) {
  console.log(join(into, name));
}
