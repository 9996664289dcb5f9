import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');

/** Where the project is published from; a first publisher who is elsewhere changes it, and what fails then. */
const REPOSITORY = 'https://github.com/asyncore-node/asyncore';

describe.each(readdirSync(join(root, 'packages')))('%s', (name) => {
  it('says where its repository, issues and page are', () => {
    const { repository, bugs, homepage } = JSON.parse(text('packages', name, 'package.json'));
    expect({ repository, bugs, homepage }).toEqual({
      repository: {
        type: 'git',
        url: `git+${REPOSITORY}.git`,
        directory: `packages/${name}`,
      },
      bugs: `${REPOSITORY}/issues`,
      homepage: `${REPOSITORY}/tree/main/packages/${name}#readme`,
    });
  });
});

it.each([
  '.changeset/changelog.cjs',
  'docs/reference/site.json',
  'docs/reference/typedoc.json',
  'packages/examples/src/runner/copy.ts',
  'packages/testing/README.md',
  'scripts/check_packages.mjs',
])('%s names that repository and no other of this name', (path) => {
  const named = [...text(path).matchAll(/https:\/\/github\.com\/[\w-]+\/asyncore\b/g)];
  expect(new Set(named.map(([url]) => url))).toEqual(new Set([REPOSITORY]));
});
