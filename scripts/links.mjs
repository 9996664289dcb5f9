/**
 * Follows every link in the Markdown files of the repository to the file and heading that it names. Prints
 * those that lead nowhere, and fails if there are any.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = dirname(import.meta.dirname);
const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;
const tracked = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});
const documents = tracked.stdout
  .split('\0')
  .filter((name) => name.endsWith('.md') && !name.startsWith('.changeset/'));

/** As GitHub makes the anchor of a heading. */
function anchor(heading) {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

const prose = (file) => readFileSync(file, 'utf8').replace(/^```[\s\S]*?^```/gm, '');

function anchors(file) {
  return new Set(Array.from(prose(file).matchAll(/^#+ (.+)$/gm), ([, heading]) => anchor(heading)));
}

for (const name of documents) {
  const file = join(root, name);
  if (!existsSync(file)) continue;
  for (const [, link] of prose(file)
    .replace(/`[^`\n]*`/g, '')
    .matchAll(LINK)) {
    if (/^(?:[a-z]+:|\{@link)/.test(link)) continue;
    const [path, heading] = link.split('#');
    const target = path === '' ? file : resolve(dirname(file), decodeURIComponent(path));
    if (!existsSync(target)) console.error(`${name} links to ${link}: there is no such file`);
    else if (heading && target.endsWith('.md') && !anchors(target).has(heading)) {
      console.error(`${name} links to ${link}: there is no such heading`);
    } else continue;
    process.exitCode = 1;
  }
}
