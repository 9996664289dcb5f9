/** Checks that the tests which docs/reliability.md and security.md name are there: `[name of the test](its file)`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../docs');

for (const page of ['reliability.md', 'security.md']) {
  const text = readFileSync(join(folder, page), 'utf8');
  const named = [...text.matchAll(/\[([^\]]+)\]\((\S+\.test\.ts)\)/g)];
  if (named.length === 0) throw new Error(`docs/${page} names no test`);
  for (const [, name, path] of named) {
    const file = join(folder, path);
    const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (["'", '"', '`'].some((quote) => source.includes(quote + name + quote))) continue;
    console.error(`docs/${page}: there is no test "${name}" in ${path}`);
    process.exitCode = 1;
  }
}
