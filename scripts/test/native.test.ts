import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compile } from '../../packages/socket/scripts/compile.mjs';
import { digest } from '../../packages/socket/scripts/digest.cjs';
import { locked } from '../../packages/socket/scripts/locked.mjs';

const socket = join(import.meta.dirname, '../../packages/socket');
const ELSEWHERE = process.platform === 'linux' ? 'kqueue.c' : 'epoll.c';

/** A folder of small C sources that compile to two binaries, in place of the package's. */
function newSources() {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore native '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const write = (path: string, text: string) => writeFileSync(join(folder, path), text);
  const target = (name: string) => ({
    target_name: name,
    sources: ['native/exports.c', 'native/a.c'],
  });
  const targets = ['asyncore_socket', 'asyncore_wakeup'].map(target);
  mkdirSync(join(folder, 'native'));
  write('binding.gyp', JSON.stringify({ targets }));
  write('native/a.h', '#define FROM_HEADER "header 1"\n');
  write('native/a.c', '#include "a.h"\nconst char a[] = "source 1", b[] = FROM_HEADER;\n');
  write('native/exports.c', '#include "../build/sources.h"\nconst char sources[] = SOURCES;\n');
  const binaries = () =>
    ['asyncore_socket', 'asyncore_wakeup'].map((name) =>
      readFileSync(join(folder, `build/Release/${name}.node`), 'latin1'),
    );
  return { folder, write, binaries };
}

it('compiling says how each C file of this system was compiled, for clangd', () => {
  const commands: { file: string; command: string }[] = JSON.parse(
    readFileSync(join(socket, 'build/compile_commands.json'), 'utf8'),
  );
  const sources = readdirSync(join(socket, 'native')).filter((name) => name.endsWith('.c'));
  const named = new Set(commands.map(({ file }) => basename(file)));
  expect([...named].sort()).toEqual(sources.filter((name) => name !== ELSEWHERE).sort());
  for (const { command } of commands) expect(command).toContain('-std=c11');
});

it('compiling again compiles what has other contents, whatever its date, and nothing else', async () => {
  const { folder, write, binaries } = newSources();
  const configured = () => statSync(join(folder, 'build/Makefile')).mtimeMs;
  const object = () =>
    statSync(join(folder, 'build/Release/obj.target/asyncore_socket/native/a.o'));
  const expectIn = (...texts: string[]) => {
    for (const text of [...texts, digest(folder)]) {
      expect(binaries().map((binary) => binary.includes(text))).toEqual([true, true]);
    }
  };

  await compile(folder);
  expectIn('source 1', 'header 1');
  const first = configured();
  const compiled = object().mtimeMs;

  write(
    'native/exports.c',
    '#include "../build/sources.h"\nconst char sources[] = "new" SOURCES;\n',
  );
  await compile(folder);
  expectIn('new');
  expect([configured(), object().mtimeMs]).toEqual([first, compiled]);

  // As a version of yesterday is, that git or cp puts back.
  const old = (path: string) => utimesSync(join(folder, path), 1, 1);
  write('native/a.c', '#include "a.h"\nconst char a[] = "source 2", b[] = FROM_HEADER;\n');
  old('native/a.c');
  await compile(folder);
  expectIn('source 2', 'header 1');

  write('native/a.h', '#define FROM_HEADER "header 2"\n');
  old('native/a.h');
  await compile(folder);
  expectIn('source 2', 'header 2');
  expect(configured()).toBe(first);
});

describe('two that compile at once', () => {
  it('compile each file once', async () => {
    const { folder, write, binaries } = newSources();
    cpSync(join(socket, 'scripts'), join(folder, 'scripts'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    const gyp = join(import.meta.dirname, '../../node_modules/node-gyp');
    symlinkSync(gyp, join(folder, 'node_modules/node-gyp'));
    const [compiler, log] = [join(folder, 'cc'), join(folder, 'log')];
    writeFileSync(compiler, `#!/bin/sh\necho "$*" >>'${log}'\nexec cc "$@"\n`, { mode: 0o755 });
    const env = { ...process.env, CC: `'${compiler}'`, LINK: 'cc' };
    const build = () =>
      promisify(execFile)(process.execPath, [join(folder, 'scripts/build.mjs')], {
        env,
        timeout: 60_000,
      });
    const compiled = async () => {
      writeFileSync(log, '');
      await Promise.all([build(), build()]);
      const names = readFileSync(log, 'utf8').matchAll(/-o \S+ \S*native\/(\w+\.c) /g);
      return [...names].map(([, name]) => name).sort();
    };
    const eachOnce = ['a.c', 'a.c', 'exports.c', 'exports.c']; // for two binaries
    expect(await compiled()).toEqual(eachOnce);
    write('native/a.c', 'const char a[] = "source 2", b[] = "2";\n');
    expect(await compiled()).toEqual(eachOnce);
    for (const binary of binaries()) {
      expect(binary).toContain('source 2');
      expect(binary).toContain(digest(folder));
    }
    expect(readdirSync(join(folder, 'node_modules'))).toEqual(['node-gyp']);
  });

  it('wait for each other', async () => {
    const lock = join(newSources().folder, 'lock');
    const program = `import(${JSON.stringify(join(socket, 'scripts/locked.mjs'))}).then(({ locked }) =>
      locked(process.argv[1], () => { console.log('locked'); process.stdin.resume(); return new Promise(() => {}); }))`;
    const other = spawn(process.execPath, ['--eval', program, lock], { timeout: 60_000 });
    await once(other.stdout, 'data');
    let runs = false;
    const waiting = locked(lock, () => {
      runs = true;
    });
    await setImmediate();
    expect([runs, readFileSync(lock, 'utf8')]).toEqual([false, String(other.pid)]);
    other.kill('SIGKILL'); // which leaves its lock
    await once(other, 'exit');
    await waiting;
    expect([runs, existsSync(lock)]).toEqual([true, false]);
  });
});
