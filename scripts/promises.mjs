/** Checks that the tests which docs/reliability.md names are there: `[name of the test](its file)`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../docs');
const text = readFileSync(join(folder, 'reliability.md'), 'utf8');
const named = [...text.matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)\)/g)];

for (const [, name, path] of named) {
  const file = join(folder, path);
  const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
  if (["'", '"', '`'].some((quote) => source.includes(quote + name + quote))) continue;
  console.error(`docs/reliability.md: there is no test "${name}" in ${path}`);
  process.exitCode = 1;
}
if (named.length === 0) throw new Error('docs/reliability.md names no test');
