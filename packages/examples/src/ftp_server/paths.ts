/**
 * Where a client's path leads, which is never out of the root. Paths are bytes, each a character of
 * latin1, as a client sends them and as the disk has them, whatever the encoding is.
 *
 * What is resolved here must be used before anything else runs: nobody can then put a link in its way
 * in between. So the calls that open, rename and remove are synchronous.
 */
import { lstatSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { posix } from 'node:path';

const MOST_LINKS = 40;
/** A link, that comes before this, may not be followed further than the folder it lies in. */
const UP = '..';

/** What a client has asked for and cannot have, in terms of errno. */
export class PathError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** For node:fs. */
export function onDisk(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** A folder, with all links resolved. Throws what realpath(3) does, and if it is none. */
export function rootOf(folder: string): string {
  const root = realpathSync(folder, 'buffer').toString('latin1');
  if (!lstatSync(onDisk(root)).isDirectory()) throw new Error(`${folder} is not a folder`);
  return root;
}

/** A path as the client sees it, which is absolute: `at('/a', '../b')` is '/b'. */
export function at(folder: string, path: string): string {
  return posix.resolve('/', folder, path);
}

/** As stat(2), but null for what is not there, or is a link. */
export function entry(real: string): Stats | null {
  return lstatSync(onDisk(real), { throwIfNoEntry: false }) ?? null;
}

/**
 * The real path of one that the client sees; no part of it is a link. The last part need not be there.
 *
 * @throws PathError ENOENT for one that leads out of the root, as if it were not there
 */
export function resolve(root: string, path: string): string {
  const names = namesIn(path);
  let real = root;
  for (let links = 0; names.length > 0; ) {
    const name = names.shift() as string; // it is not empty
    if (name === UP) {
      real = posix.dirname(real);
      continue;
    }
    const next = posix.join(real, name);
    const stats = entry(next);
    if (stats?.isSymbolicLink()) {
      if (++links > MOST_LINKS) throw new PathError('ELOOP');
      const target = readlinkSync(onDisk(next), 'buffer').toString('latin1');
      names.unshift(...namesIn(target));
      if (target.startsWith('/')) real = '/';
    } else if (stats === null && names.length > 0) {
      throw new PathError('ENOENT');
    } else if (stats !== null && !stats.isDirectory() && names.length > 0) {
      throw new PathError('ENOTDIR');
    } else {
      real = next;
    }
  }
  if (!isWithin(root, real)) throw new PathError('ENOENT');
  return real;
}

/** The same, for what is done to a link rather than to what it leads to: the last part may be one. */
export function resolveEntry(root: string, path: string): string {
  if (path === '/') throw new PathError('EPERM');
  return posix.join(resolve(root, posix.dirname(path)), posix.basename(path));
}

function namesIn(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** '/srv/root2' is not within '/srv/root'. */
function isWithin(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}
