import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { names, run } from './example.js';

it('lists every example with a line on what it is', async () => {
  const { code, stdout } = await run('--list');
  const lines = stdout.toString().trimEnd().split('\n');
  expect(lines.map((line) => line.split(' ')[0])).toEqual(names.sort());
  for (const line of lines) expect(line).toMatch(/^\w+ {2,}[A-Z].*[.:]$/);
  expect(code).toBe(0);
});

it('has a row for every example in its README', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| \[`(\w+)`\]\(src\/\1\.ts\) \| /gm)];
  expect(rows.map(([, name]) => name)).toEqual(names.sort());
});

it('lists them without arguments too, and says what else it does', async () => {
  const { code, stdout } = await run();
  const list = (await run('--list')).stdout.toString();
  expect(stdout.toString()).toMatch(`${list}\nrun NAME`);
  expect(code).toBe(0);
});

it.each(names)('has help for %s', async (name) => {
  const { code, stdout, stderr } = await run(name, '--help');
  expect(stdout.toString()).toMatch(/^[A-Z]/);
  expect([code, stderr]).toEqual([0, '']);
});

it.each(['run', 'run echo_server', 'echo_server'])('is the echo server with %s', async (args) => {
  const { stdout } = await run(...args.split(' '), '--help');
  expect(stdout.toString()).toContain('echo_server [--host 127.0.0.1] [--port 8080]');
});

it.each(['nope', 'main', 'index', 'runner', '../src/main', '__proto__'])(
  'has no example %s',
  async (name) => {
    const { code, stdout, stderr } = await run(name);
    expect(stderr).toBe(`${name}: there is no such example; --list tells which there are\n`);
    expect([code, stdout.length]).toEqual([1, 0]);
  },
);

it.each([
  '--bogus',
  '--port',
  '--port http',
  '--port -1',
  '--port 65536',
  '--host example.org',
  'echo_server operand',
  'http_client',
  'http_client localhost / more',
  'http_client localhost --port 1.5',
])('says in one line what is wrong with %s', async (args) => {
  const { code, stdout, stderr } = await run(...args.split(' '));
  expect(stderr).toMatch(/^(echo_server|http_client): .*\n$/);
  expect([code, stdout.length]).toEqual([1, 0]);
});
