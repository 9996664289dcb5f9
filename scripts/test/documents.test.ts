import { spawnSync } from 'node:child_process';
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

it('CONTRIBUTING.md names only commits that there are, and one in each recipe', (context) => {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const [, recipes = ''] = /## Recipes\n(.*?)\n## /s.exec(text) ?? [];
  const paragraphs = recipes.split('\n\n').filter((paragraph) => paragraph.startsWith('**'));
  expect(paragraphs).toHaveLength(7);
  for (const paragraph of paragraphs) expect(paragraph).toMatch(/`git show [0-9a-f]{7,}`/);
  const named = Array.from(recipes.matchAll(/`git show (\w+)`/g), ([, commit]) => commit);
  const git = (...args: string[]) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout;
  const isWhole = git('rev-parse', '--is-shallow-repository').trim() === 'false';
  context.skip(!isWhole, 'needs the history: git fetch --unshallow');
  expect(named.filter((commit) => git('cat-file', '-t', commit).trim() !== 'commit')).toEqual([]);
});

it('docs/troubleshooting.md has what error messages send their readers there for', () => {
  const text = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');
  for (const asked of [
    'mark @asyncore/socket as external',
    '--external:@asyncore/socket',
    'has no binary for this',
    'needs Node.js 20.19 or later',
    '@types/node',
  ]) {
    expect(text).toContain(asked);
  }
});
