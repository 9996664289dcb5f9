import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';

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
