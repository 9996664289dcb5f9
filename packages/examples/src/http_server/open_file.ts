/** The disk: nothing leads out of the root. */
import { constants, fstatSync, openSync, realpathSync, type Stats } from 'node:fs';
import { refuse } from './refusal.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

export interface File {
  /** Without links. */
  path: string;
  fd: number;
  stats: Stats;
}

/** Opens what a path leads to, if that is inside of the root. */
export function open(path: string, root: string): File {
  const real = inside(path, root);
  const fd = openSync(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK); // a FIFO would else be waited for
  return { path: real, fd, stats: fstatSync(fd) };
}

/** A path without links, which leads to something inside of the root. */
export function inside(path: string, root: string): string {
  const real = realpathSync.native(path);
  if (!`${real}/`.startsWith(root === '/' ? root : `${root}/`)) refuse(404);
  return real;
}
