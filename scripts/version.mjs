/**
 * Raises the versions by the pending changesets and writes the CHANGELOGs. A package that was never published
 * has an entry of its own for its first release, first_release/NAME.md, which takes the place of changesets that
 * speak of what nobody had. Both are used up by it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const entries = join(root, 'scripts/first_release');

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const manifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

run(join(root, 'node_modules/@changesets/cli/bin.js'), 'version');
for (const file of existsSync(entries) ? readdirSync(entries) : []) {
  const folder = join(root, 'packages', basename(file, '.md'));
  const { name, version } = manifest(folder);
  if (version === '0.0.0') throw new Error(`no changeset raises ${name}, which has a first entry`);
  const text = readFileSync(join(entries, file), 'utf8');
  writeFileSync(join(folder, 'CHANGELOG.md'), `# ${name}\n\n## ${version}\n\n${text}`);
  rmSync(join(entries, file));
}
// As the checks want it.
run(join(root, 'node_modules/@biomejs/biome/bin/biome'), 'format', '--write', 'packages');
