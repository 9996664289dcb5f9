/** What the server says, as RFC 959 has it: a line, or several of which the last one has the code alone. */

/** Between the first line and the last, each begins with a space, so that none looks like the last. */
export function inLines(
  code: number,
  first: string,
  lines: Iterable<string>,
  last: string,
): string {
  const between = Array.from(lines, (line) => ` ${line}\r\n`).join('');
  return `${code}-${first}\r\n${between}${code} ${last}`;
}

/** A path in quotes, those in it doubled. */
export function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

const BEFORE: Record<string, string> = {
  ENOENT: '550 no such file or folder',
  ENOTDIR: '550 not a folder',
  EISDIR: '550 is a folder',
  EEXIST: '550 is there already',
  ENOTEMPTY: '550 is not empty',
  EACCES: '550 not allowed',
  EPERM: '550 not allowed',
  EROFS: '550 not allowed',
  ELOOP: '550 too many links',
  EXDEV: '550 cannot be moved there',
  EINVAL: '550 cannot be done',
  EBUSY: '450 in use',
  ETXTBSY: '450 in use',
  ENAMETOOLONG: '553 the name is too long',
  ENOSPC: '452 no space left',
  EDQUOT: '452 no space left',
  EMFILE: '450 too many open files',
  ENFILE: '450 too many open files',
};

/**
 * How an error of a command's is told. It names no path, since that would be the real one. Null for
 * an error that no system call gave: a mistake of ours.
 */
export function refusal(error: unknown): string | null {
  const { code } = Object(error) as NodeJS.ErrnoException;
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return null;
  return BEFORE[code] ?? '550 cannot be done';
}

/** How an error of the disk is told once a transfer runs. */
export function failure(error: unknown): string {
  const { code } = Object(error) as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  return isFull ? '552 no space left' : '451 the disk has failed';
}
