import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const gate = join(import.meta.dirname, '../changeset_gate.mjs');
let folder: string;

const git = (...args: string[]) => {
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost'];
  execFileSync('git', [...who, ...args], { cwd: folder });
};

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** What the gate says of the files as they are now. */
function verdict(): string {
  const { status, stderr } = spawnSync(process.execPath, [gate, 'start'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return status === 0 ? 'passes' : stderr;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'asyncore-gate-'));
  git('init', '--quiet');
  write('packages/core/src/loop.ts', 'before');
  git('add', '--all');
  git('commit', '--quiet', '--message=start');
  git('tag', 'start');
});
afterEach(() => rmSync(folder, { recursive: true }));

it('passes while nothing that is published has changed', () => {
  write('packages/core/test/loop.test.ts', 'new');
  expect(verdict()).toBe('passes');
});

it('names the package that has changed without a changeset', () => {
  write('packages/core/src/loop.ts', 'after');
  expect(verdict()).toContain('names @asyncore/core:');
  write('.changeset/other.md', "---\n'@asyncore/chat': patch\n---\n\nOther.\n");
  expect(verdict()).toContain('names @asyncore/core:');
});

it('passes with a changeset of that package, or an empty one', () => {
  write('packages/core/src/loop.ts', 'after');
  write('.changeset/own.md', "---\n'@asyncore/core': patch\n---\n\nOwn.\n");
  expect(verdict()).toBe('passes');
  write('.changeset/own.md', '---\n---\n');
  expect(verdict()).toBe('passes');
});

it('passes when versions are raised, which takes the changesets away', () => {
  write('packages/core/src/loop.ts', 'after');
  write('packages/core/CHANGELOG.md', '0.2.0');
  git('add', '--all');
  expect(verdict()).toBe('passes');
});
