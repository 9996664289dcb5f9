import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = dirname(import.meta.dirname);
let folder: string;

/** A copy of this package; the URL of its entry. */
function copy(version: string): string {
  const to = join(folder, version);
  mkdirSync(join(to, 'node_modules/@asyncore'), { recursive: true });
  cpSync(join(root, 'dist'), join(to, 'dist'), { recursive: true });
  symlinkSync(join(root, '../socket'), join(to, 'node_modules/@asyncore/socket'));
  writeFileSync(join(to, 'package.json'), JSON.stringify({ type: 'module', version }));
  return pathToFileURL(join(to, 'dist/index.js')).href;
}

/** What a program writes to standard error that imports these, one after the other. */
function imports(...urls: string[]): string {
  const program = urls.map((url) => `await import('${url}');`).join('\n');
  const args = ['--input-type=module', '--eval', program];
  return spawnSync(process.execPath, args, { encoding: 'utf8' }).stderr;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'asyncore'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('says in one line that two copies are loaded, and which', () => {
  const warned = imports(copy('0.1.0'), copy('0.2.0'));
  expect(warned.split('\n').filter((line) => line.includes('asyncore'))).toEqual([
    expect.stringMatching(
      /Warning: two copies of @asyncore\/core are loaded, 0\.1\.0 and 0\.2\.0: /,
    ),
  ]);
});

it('says nothing of one copy, however often it is imported', () => {
  const url = copy('0.1.0');
  expect(imports(url, url, `${url}?reloaded`)).toBe('');
});
