import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

it.each(['ARCHITECTURE.md', 'CONTRIBUTING.md'])('%s names only files that are there', (name) => {
  const text = readFileSync(join(root, name), 'utf8');
  // Paths in backquotes; one with capitals, such as packages/NAME, stands for many.
  const named = text.matchAll(
    /`((?:packages|scripts|test-support|docs|\.changeset|\.github)\/[^`\s]*)`/g,
  );
  const paths = [...named]
    .map(([, path]) => path)
    .filter((path) => !/[A-Z]{2}|\*|reference\/html|docs\/site/.test(path));
  expect(paths.length).toBeGreaterThan(4);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

it.each(['CONTRIBUTING.md', 'docs/reliability.md', 'endurance/README.md'])(
  '%s names only commands that there are',
  (name) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const text = readFileSync(join(root, name), 'utf8');
    const named = [...text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g)].map(
      ([, script]) => script,
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  },
);
