/** Follows every link between the pages of a folder, to pages, anchors and images: links.mjs FOLDER */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const site = resolve(process.argv[2]);
const LINK = /<(?:a|img|link|script)\b[^>]*?\s(?:href|src)="([^"]*)"/g;
const pages = readdirSync(site, { recursive: true }).filter((name) => name.endsWith('.html'));
const anchors = new Map();

function anchorsOf(file) {
  if (!anchors.has(file)) {
    const found = readFileSync(file, 'utf8').matchAll(/\s(?:id|name)="([^"]*)"/g);
    anchors.set(file, new Set(Array.from(found, ([, id]) => id)));
  }
  return anchors.get(file);
}

const dead = new Set();
let followed = 0;
for (const page of pages) {
  const file = join(site, page);
  const text = readFileSync(file, 'utf8').replace(/<pre>[\s\S]*?<\/pre>/g, '');
  for (const [, link] of text.matchAll(LINK)) {
    if (/^(?:https?:|mailto:|data:)/.test(link)) continue;
    const [path, anchor] = decodeURIComponent(link.replaceAll('&amp;', '&')).split('#');
    let target = path === '' ? file : resolve(dirname(file), path.split('?')[0]);
    if (existsSync(target) && statSync(target).isDirectory()) target = join(target, 'index.html');
    followed += 1;
    if (!target.startsWith(site) || !existsSync(target)) dead.add(`${page}: ${link}`);
    else if (anchor && target.endsWith('.html') && !anchorsOf(target).has(anchor)) {
      dead.add(`${page}: ${link} (no such heading in ${relative(site, target)})`);
    }
  }
}
for (const one of dead) console.error(`dead link in ${one}`);
console.log(`${pages.length} pages, ${followed} links, ${dead.size} dead`);
process.exitCode = dead.size === 0 ? 0 : 1;
