/** Folders, as LIST, NLST and MLSD show them. Names are bytes in latin1, see paths.ts. */
import { readdirSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { entry, onDisk, resolve } from './paths.js';

/** In bytes, of what is made at a time. */
const PIECE = 32 * 1024;
const HALF_A_YEAR = 182 * 24 * 3600 * 1000;
const EARLIEST = Date.parse('0001-01-01');
const LATEST = Date.parse('9999-12-31T23:59:59Z');
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** A line of a listing, without its end. */
export type Format = (name: string, stats: Stats) => string;

/** The facts of MLSD and MLST: RFC 3659, 7.5. */
export const FACTS = ['type', 'size', 'modify', 'perm', 'UNIX.mode'] as const;
export type Fact = (typeof FACTS)[number];

/**
 * The lines of a folder, or of a file alone, in pieces of some size. `name` is how a file is to be
 * called; what is in a folder has its own names. Throws what the disk does, when it is called.
 */
export function listing(
  root: string,
  path: string,
  name: string,
  format: Format,
): Iterable<Buffer> {
  const real = resolve(root, path);
  const stats = entry(real);
  const isFolder = stats?.isDirectory() ?? true; // or is not there: the call below says so
  const names = isFolder ? namesIn(real) : [name];
  return pieces(linesOf(root, isFolder ? path : posix.dirname(path), names, format));
}

function namesIn(real: string): string[] {
  const names = readdirSync(onDisk(real), 'buffer').map((name) => name.toString('latin1'));
  return names.filter(isListed).sort();
}

/** A line end in a name would make two entries of one. */
function isListed(name: string): boolean {
  return !/[\r\n]/.test(name);
}

function* linesOf(root: string, folder: string, names: string[], format: Format): Iterable<string> {
  for (const name of names) {
    const stats = visible(root, posix.join(folder, posix.basename(name)));
    if (stats) yield `${format(name, stats)}\r\n`;
  }
}

/** What there is; null for a link that leads nowhere or out of the root. */
function visible(root: string, path: string): Stats | null {
  try {
    return entry(resolve(root, path));
  } catch {
    return null;
  }
}

function* pieces(lines: Iterable<string>): Iterable<Buffer> {
  let piece = '';
  for (const line of lines) {
    piece += line;
    if (piece.length < PIECE) continue;
    yield Buffer.from(piece, 'latin1');
    piece = '';
  }
  if (piece !== '') yield Buffer.from(piece, 'latin1');
}

// ---- lines ----

/** As `ls -l`, which every client can read. */
export function long(name: string, stats: Stats): string {
  const kind = stats.isDirectory() ? 'd' : '-';
  const links = String(stats.nlink).padStart(4);
  const size = String(stats.size).padStart(12);
  return `${kind}${rights(stats.mode)} ${links} owner    group    ${size} ${dateOf(stats)} ${name}`;
}

function rights(mode: number): string {
  return Array.from('rwxrwxrwx', (right, i) => (mode & (0o400 >> i) ? right : '-')).join('');
}

/** In UTC. What is older than half a year, or is of the future, has its year instead of the time. */
function dateOf(stats: Stats): string {
  const [date, time] = changed(stats).toISOString().split('T');
  const [year, month, day] = date.split('-');
  const age = Date.now() - stats.mtimeMs;
  const isRecent = age >= 0 && age < HALF_A_YEAR;
  const last = isRecent ? time.slice(0, 5) : year.padStart(5);
  return `${MONTHS[Number(month) - 1]} ${day.replace(/^0/, ' ')} ${last}`;
}

/** Only names. */
export function short(name: string): string {
  return name;
}

/** `type=file;size=5;… name`. */
export function facts(chosen: readonly Fact[], isWritable: boolean): Format {
  return (name, stats) => {
    const known: Record<Fact, string> = {
      type: stats.isDirectory() ? 'dir' : 'file',
      size: String(stats.size),
      modify: stamp(stats),
      perm: permissions(stats.isDirectory(), isWritable),
      'UNIX.mode': (stats.mode & 0o7777).toString(8).padStart(4, '0'),
    };
    return `${chosen.map((fact) => `${fact}=${known[fact]};`).join('')} ${name}`;
  };
}

function permissions(isFolder: boolean, isWritable: boolean): string {
  if (isFolder) return isWritable ? 'cdeflmp' : 'el';
  return isWritable ? 'adfrw' : 'r';
}

/** `YYYYMMDDhhmmss`, in UTC: when a file was changed. */
export function stamp(stats: Stats): string {
  return changed(stats)
    .toISOString()
    .replaceAll(/[-:T]|\..*/g, '');
}

/** File systems keep times that a year of four digits, or even a Date, cannot tell. */
function changed({ mtimeMs }: Stats): Date {
  return new Date(Math.min(Math.max(mtimeMs, EARLIEST), LATEST));
}
