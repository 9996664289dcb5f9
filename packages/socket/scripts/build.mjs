/**
 * Compiles the C sources, unless the binaries already are what they would become. With --keep those of
 * another Node are good enough: Node-API is the same there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BINARIES, compile } from './compile.mjs';
import { digest } from './digest.cjs';

const folder = dirname(import.meta.dirname);
const binaries = BINARIES.map((path) => join(folder, 'build/Release', path));
const stamp = join(folder, 'build/stamp');
const { platform, arch, version } = process;
const sources = digest();
const wanted = [platform, arch, version.split('.')[0], sources].join();

const built = existsSync(stamp) && readFileSync(stamp, 'utf8');
// By hand they may have been compiled since.
const isCurrent = (path) => existsSync(path) && readFileSync(path).includes(sources);
const isKept = process.argv.includes('--keep') || built === wanted;
if (!isKept || !binaries.every(isCurrent)) {
  compile(folder);
  writeFileSync(stamp, wanted);
}
