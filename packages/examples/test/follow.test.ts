import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run, start } from './example.js';
import { printing } from './printing.js';

/** A folder that goes with the test, and the path of a log in it. */
function log(text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'follow'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log');
  if (text !== undefined) writeFileSync(path, text);
  return path;
}

function follow(...paths: string[]) {
  return printing(start('follow', ...paths));
}

it('prints a file, and what is added to it', async () => {
  const path = log('one\n');
  const until = follow(path);
  await until('one\n');
  appendFileSync(path, 'two\n');
  await until('two\n');
  appendFileSync(path, 'three\n');
  expect(await until('three\n')).toBe('one\ntwo\nthree\n');
});

it('prints 5 MB that are there from the start', async () => {
  const path = log(`${'x'.repeat(4_999_999)}\n`);
  expect((await follow(path)('\n')).length).toBe(5_000_000);
});

it('goes on with the file that takes the place of the one that was renamed', async () => {
  const path = log('one\n');
  const until = follow(path);
  await until('one\n');
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, 'late\n');
  writeFileSync(path, 'two\n');
  await until('two\n');
  appendFileSync(path, 'three\n');
  expect(await until('three\n')).toBe('one\nlate\ntwo\nthree\n');
});

it('waits for the successor of a file that was removed', async () => {
  const path = log('one\n');
  const other = log('other\n');
  const until = follow(path, other);
  await until('one\n');
  await until('other\n');
  rmSync(path);
  appendFileSync(other, 'more\n');
  await until('more\n'); // so it has looked meanwhile
  writeFileSync(path, 'two\n');
  expect(await until('two\n')).toMatch(/more\ntwo\n$/);
});

it('begins again with a file that was truncated', async () => {
  const path = log('a long line\n');
  const until = follow(path);
  await until('line\n');
  truncateSync(path);
  appendFileSync(path, 'two\n');
  expect(await until('two\n')).toBe('a long line\ntwo\n');
});

it('prints what one after the other writes to a FIFO', async () => {
  const path = log();
  spawnSync('mkfifo', [path]);
  const until = follow(path);
  await appendFile(path, 'one\n');
  await until('one\n');
  await appendFile(path, 'two\n');
  expect(await until('two\n')).toBe('one\ntwo\n');
});

it('goes on with the FIFO that takes the place of another', async () => {
  const path = log();
  spawnSync('mkfifo', [path]);
  const until = follow(path);
  await appendFile(path, 'one\n');
  await until('one\n');
  rmSync(path);
  spawnSync('mkfifo', [path]);
  await appendFile(path, 'two\n'); // which waits for somebody who reads
  expect(await until('two\n')).toBe('one\ntwo\n');
});

it.each([
  [[], 'usage: follow PATH...'],
  [['/nonexistent'], "ENOENT: no such file or directory, open '/nonexistent'"],
  [['/tmp'], 'fd is a directory, which cannot be waited on'],
])('says in one line what is wrong with %j', async (args, message) => {
  const { code, stderr } = await run('follow', ...args);
  expect(stderr).toMatch(/^follow: .*\n$/);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
