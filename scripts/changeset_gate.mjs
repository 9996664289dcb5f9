/**
 * Fails when what users get has changed since BASE (default origin/main) and no new changeset names
 * that package: `node scripts/changeset_gate.mjs [BASE]`. A change that nobody notices says so by an
 * empty one: `npm run changeset -- --empty`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const base = process.argv[2] ?? 'origin/main';
const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();

/** What is published of a package, beside its README. */
const PUBLISHED = /^packages\/([^/]+)\/(?:src\/|native\/|binding\.gyp$)/;

const changed = git('diff', '--name-only', git('merge-base', base, 'HEAD')).split('\n');
const untracked = git('ls-files', '--others', '--exclude-standard').split('\n');
const files = [...changed, ...untracked];

const notes = files.filter(
  (file) => /^\.changeset\/(?!README).*\.md$/.test(file) && existsSync(file),
);
const texts = notes.map((file) => readFileSync(file, 'utf8'));
const isEmpty = texts.some((text) => /^---\s*---/.test(text));
const named = new Set(
  texts.flatMap((text) =>
    [...text.matchAll(/^["']@asyncore\/([\w-]+)["']:/gm)].map(([, name]) => name),
  ),
);
const packages = new Set(files.map((file) => PUBLISHED.exec(file)?.[1]).filter(Boolean));
// The pull request that raises the versions takes the changesets away.
const isRelease = changed.some((file) => /^packages\/[^/]+\/CHANGELOG\.md$/.test(file));
const missing = [...packages].filter((name) => !named.has(name));

if (missing.length > 0 && !isEmpty && !isRelease) {
  console.error(
    `No changeset since ${base} names ${missing.map((name) => `@asyncore/${name}`).join(', ')}: run npm run changeset (CONTRIBUTING.md, "A changeset"); if no user notices the change, npm run changeset -- --empty`,
  );
  process.exitCode = 1;
}
