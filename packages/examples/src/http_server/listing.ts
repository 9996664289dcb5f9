/** A folder as an answer. */
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, text } from './answer.js';
import { inside } from './open_file.js';

/** A table of what a folder holds. A link is what it leads to, and of one that leads out only its name is told. */
export function listing(folder: string, location: string, root: string): Answer {
  const rows = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .map((entry): [name: string, stats: Stats | null] => {
      const stats = known(join(folder, entry.name), root);
      return [(stats ?? entry).isDirectory() ? `${entry.name}/` : entry.name, stats];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (location !== '/') rows.unshift(['../', null]);
  const title = escaped(decodeURIComponent(location));
  return text(
    200,
    'text/html',
    `<!DOCTYPE html>\n<meta charset="utf-8">\n<title>${title}</title>\n` +
      '<style>th { text-align: left } td + td { padding-left: 2em; text-align: right }</style>\n' +
      `<h1>${title}</h1>\n<table>\n<tr><th>Name</th><th>Bytes</th><th>Modified (UTC)</th></tr>\n` +
      `${rows.map(([name, stats]) => row(name, stats)).join('')}</table>\n`,
  );
}

/** Null for what cannot be looked at, and for what lies outside of the root. */
function known(path: string, root: string): Stats | null {
  try {
    return statSync(inside(path, root));
  } catch {
    return null;
  }
}

function row(name: string, stats: Stats | null): string {
  const href = name.split('/').map(encodeURIComponent).join('/');
  const cells = [
    `<a href="${href}">${escaped(name)}</a>`,
    stats?.isFile() ? stats.size.toLocaleString('en') : '',
    stats === null ? '' : minute(stats.mtime),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>\n`;
}

/** Nothing for a time that is too far away for a Date: a file may have any. */
function minute(time: Date): string {
  if (Number.isNaN(time.getTime())) return '';
  return time
    .toISOString()
    .replace(/:\d\d\.\d+Z$/, '')
    .replace('T', ' ');
}

function escaped(name: string): string {
  return name.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
