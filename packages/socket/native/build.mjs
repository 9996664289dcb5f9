/** Compiles the C sources, unless the binary already is what they would become. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compile } from './compile.mjs';

const folder = dirname(import.meta.dirname);
const stamp = join(folder, 'build/stamp');

function wanted() {
  const { platform, arch, version } = process;
  const hash = createHash('sha256').update([platform, arch, version.split('.')[0]].join());
  const sources = readdirSync(import.meta.dirname).filter((name) => /\.[ch]$/.test(name));
  for (const name of ['../binding.gyp', ...sources.sort()]) {
    hash.update(`${name}\0`).update(readFileSync(join(import.meta.dirname, name)));
  }
  return hash.digest('hex');
}

const digest = wanted();
const built = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
if (built !== digest || !existsSync(join(folder, 'build/Release/asyncore_socket.node'))) {
  compile(folder);
  writeFileSync(stamp, digest);
}
