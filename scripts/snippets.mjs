/**
 * Puts the files that the documentation shows into it: after `<!-- file: PATH -->` follows that file,
 * up to date. With --check it changes nothing and fails if any is not.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const SNIPPET = /<!-- file: (\S+) -->\n(?:\n```ts\n[\s\S]*?\n```\n)?/g;
const check = process.argv.includes('--check');
let stale = 0;

const packages = readdirSync(join(root, 'packages')).map((name) => join('packages', name));
const folders = ['.', ...packages].flatMap((folder) => [folder, join(folder, 'docs')]);
const documents = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)))
  .filter((name) => name.endsWith('.md'));

for (const name of documents) {
  const document = join(root, name);
  const before = readFileSync(document, 'utf8');
  const after = before.replace(SNIPPET, (_, path) => {
    const code = readFileSync(join(dirname(document), path), 'utf8').trimEnd();
    return `<!-- file: ${path} -->\n\n\`\`\`ts\n${code}\n\`\`\`\n`;
  });
  if (before === after) continue;
  if (check)
    console.error(`${name} shows a file as it no longer is: run node scripts/snippets.mjs`);
  else writeFileSync(document, after);
  stale += 1;
}
process.exitCode = check && stale > 0 ? 1 : 0;
