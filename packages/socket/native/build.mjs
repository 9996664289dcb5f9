/** Compiles the C sources, unless the binary already is what they would become. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compile } from './compile.mjs';
import { digest } from './digest.cjs';

const folder = dirname(import.meta.dirname);
const binary = join(folder, 'build/Release/asyncore_socket.node');
const stamp = join(folder, 'build/stamp');
const { platform, arch, version } = process;
const sources = digest();
const wanted = [platform, arch, version.split('.')[0], sources].join();

const built = existsSync(stamp) && existsSync(binary) && readFileSync(stamp, 'utf8');
// By hand it may have been compiled since.
if (built !== wanted || !readFileSync(binary).includes(sources)) {
  compile(folder);
  writeFileSync(stamp, wanted);
}
