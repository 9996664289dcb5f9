/**
 * Puts the code that the documentation shows into it, up to date: after `<!-- file: PATH -->` that
 * file, after `<!-- file: PATH, TEXT -->` the part of it that begins at the line with TEXT. With
 * --check it changes nothing, and fails if any is not as it is, or comes from no file.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

const root = dirname(import.meta.dirname);
// The code that is replaced has no heading and no other marker: those belong to the text after it.
const SNIPPET =
  /<!-- file: ([^\s,]+)(?:, (.+?))? -->\n(?:\n```\w+\n(?:(?!\n## |\n<!-- file: )[\s\S])*?\n```\n)?/g;
const UNMARKED = /(?<!-->\n)\n```(?:ts|js|python)\n.*/g;
const LANGUAGES = { '.ts': 'ts', '.mjs': 'js', '.py': 'python' };
const check = process.argv.includes('--check');

const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
const folders = ['.', 'bench', ...packages].flatMap((folder) => [folder, join(folder, 'docs')]);
const documents = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)))
  .filter((name) => name.endsWith('.md') && !name.endsWith('CHANGELOG.md'));

/** The lines from the one with `text` to the end of what it opens, as the indentation tells. */
function part(code, text) {
  const lines = code.split('\n');
  const first = lines.findIndex((line) => line.includes(text));
  if (first < 0) throw new Error(`no line with: ${text}`);
  const indent = lines[first].search(/\S/);
  let end = first + 1;
  while (end < lines.length && (lines[end] === '' || lines[end].search(/\S/) > indent)) end += 1;
  if (/^\s*[}\])]/.test(lines[end] ?? '')) end += 1;
  return lines
    .slice(first, end)
    .map((line) => line.slice(indent))
    .join('\n');
}

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

for (const name of documents) {
  const document = join(root, name);
  const before = readFileSync(document, 'utf8');
  const after = before.replace(SNIPPET, (_, path, text) => {
    const code = readFileSync(join(dirname(document), path), 'utf8');
    const shown = (text ? part(code, text) : code).trimEnd();
    const marker = `<!-- file: ${path}${text ? `, ${text}` : ''} -->`;
    return `${marker}\n\n\`\`\`${LANGUAGES[extname(path)]}\n${shown}\n\`\`\`\n`;
  });
  for (const [snippet] of after.matchAll(UNMARKED)) {
    fail(`${name} shows code that comes from no file: ${snippet.trim().split('\n')[1]}`);
  }
  if (before === after) continue;
  if (check) fail(`${name} shows a file as it no longer is: run node scripts/snippets.mjs`);
  else writeFileSync(document, after);
}
