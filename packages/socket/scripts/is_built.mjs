/** Whether the binaries are those of the C sources, which takes a few milliseconds to tell. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BINARIES } from './compile.mjs';
import { digest } from './digest.cjs';

const folder = dirname(import.meta.dirname);
const binaries = BINARIES.map((path) => join(folder, 'build/Release', path));

/** What the binaries were compiled of, and for which Node. */
export const STAMP = join(folder, 'build/stamp');

/** What STAMP will say of binaries that are compiled now. */
export function stampNow() {
  const { platform, arch, version } = process;
  return [platform, arch, version.split('.')[0], digest()].join();
}

/** Whether the binaries are made of these sources, for this Node; with `keep`, for any Node. */
export function isBuilt({ keep }) {
  const stamp = stampNow();
  if (!keep && !(existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp)) return false;
  // By hand they may have been compiled since.
  return binaries.every(
    (path) => existsSync(path) && readFileSync(path).includes(stamp.split(',').at(-1)),
  );
}
