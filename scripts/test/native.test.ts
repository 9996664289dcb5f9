import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { compile } from '../../packages/socket/scripts/compile.mjs';
import { digest } from '../../packages/socket/scripts/digest.cjs';

const socket = join(import.meta.dirname, '../../packages/socket');
const ELSEWHERE = process.platform === 'linux' ? 'kqueue.c' : 'epoll.c';

it('compiling says how each C file of this system was compiled, for clangd', () => {
  const commands: { file: string; command: string }[] = JSON.parse(
    readFileSync(join(socket, 'build/compile_commands.json'), 'utf8'),
  );
  const sources = readdirSync(join(socket, 'native')).filter((name) => name.endsWith('.c'));
  const named = new Set(commands.map(({ file }) => basename(file)));
  expect([...named].sort()).toEqual(sources.filter((name) => name !== ELSEWHERE).sort());
  for (const { command } of commands) expect(command).toContain('-std=c11');
});

it('compiling again compiles what has other contents, whatever its date, and nothing else', () => {
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
  const configured = () => statSync(join(folder, 'build/Makefile')).mtimeMs;
  const object = () =>
    statSync(join(folder, 'build/Release/obj.target/asyncore_socket/native/a.o'));
  const expectIn = (...texts: string[]) => {
    for (const text of [...texts, digest(folder)]) {
      expect(binaries().map((binary) => binary.includes(text))).toEqual([true, true]);
    }
  };

  compile(folder);
  expectIn('source 1', 'header 1');
  const first = configured();
  const compiled = object().mtimeMs;

  write(
    'native/exports.c',
    '#include "../build/sources.h"\nconst char sources[] = "new" SOURCES;\n',
  );
  compile(folder);
  expectIn('new');
  expect([configured(), object().mtimeMs]).toEqual([first, compiled]);

  // As a version of yesterday is, that git or cp puts back.
  const old = (path: string) => utimesSync(join(folder, path), 1, 1);
  write('native/a.c', '#include "a.h"\nconst char a[] = "source 2", b[] = FROM_HEADER;\n');
  old('native/a.c');
  compile(folder);
  expectIn('source 2', 'header 1');

  write('native/a.h', '#define FROM_HEADER "header 2"\n');
  old('native/a.h');
  compile(folder);
  expectIn('source 2', 'header 2');
  expect(configured()).toBe(first);
});
