import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'asyncore-hook-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('the hook that CONTRIBUTING switches on refuses what is not formatted, and takes what is', () => {
  const git = (...args: string[]) =>
    spawnSync(
      'git',
      ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-C', folder, ...args],
      { encoding: 'utf8' },
    );
  git('init', '--quiet');
  git('config', 'core.hooksPath', '.githooks');
  cpSync(join(root, '.githooks'), join(folder, '.githooks'), { recursive: true });
  writeFileSync(join(folder, '.gitignore'), 'node_modules\nbiome.json\n');
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@biomejs'), join(folder, 'node_modules/@biomejs'));
  symlinkSync(join(root, 'node_modules/.bin/biome'), join(folder, 'node_modules/.bin/biome'));
  // Types are not what is tried here.
  writeFileSync(join(folder, 'node_modules/.bin/tsc'), '#!/bin/sh\n', { mode: 0o755 });
  const settings = {
    vcs: { enabled: true, clientKind: 'git' },
    formatter: { indentStyle: 'space' },
  };
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(settings));
  const commit = (text: string) => {
    writeFileSync(join(folder, 'one.ts'), text);
    git('add', '.');
    return git('commit', '--quiet', '--message=one').status;
  };
  expect(commit('export   const one = 1\n')).not.toBe(0);
  expect(commit('export const one = 1;\n')).toBe(0);
});
