// In a process of its own: its programs take so long that a start more does not count.
import { expect, it } from 'vitest';
import { names, run } from './example.js';

it('lists every example with a line on what it is', async () => {
  const { code, stdout } = await run('--list');
  const lines = stdout.toString().trimEnd().split('\n');
  expect(lines.map((line) => line.split(' ')[0])).toEqual(names.sort());
  for (const line of lines) expect(line).toMatch(/^\w+ {2,}[A-Z].*[.:]$/);
  expect(code).toBe(0);
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
    expect(stderr).toBe(`${name}: there is no such example; --list shows all\n`);
    expect([code, stdout.length]).toEqual([1, 0]);
  },
);

it.each([
  ['echo_sever', 'echo_server'],
  ['echo', 'echo_server'],
  ['http-client', 'http_client'],
  ['chatroom', 'chat_room'],
])('asks whether %s is to be %s', async (name, meant) => {
  const { code, stderr } = await run(name);
  expect(stderr).toBe(
    `${name}: there is no such example; did you mean ${meant}? --list shows all\n`,
  );
  expect(code).toBe(1);
});

it('has -h for --help, and --version', async () => {
  const long = await run('echo_server', '--help');
  expect(await run('echo_server', '-h')).toEqual(long);
  expect(await run('-h')).toEqual(await run('--help'));
  const { stdout } = await run('--version');
  expect(String(stdout)).toMatch(
    /^@asyncore\/examples \d+\.\d+\.\d+\S*, Node\.js \d+\.\d+\.\d+\n$/,
  );
});

it.each([
  ['public_server --timeout 5s', '--timeout must be a number of seconds over 0'],
  ['public_server --connections xyz', '--connections must be a number over 0'],
  ['child_pipes', "usage: child_pipes [--command 'bc -q'] LINE..."],
  [
    'http_client http://example.org:8080/a?b',
    'give host and path: http_client --port 8080 example.org /a?b',
  ],
  ['http_client https://example.org/', 'it speaks http only, without TLS'],
])('says what is wrong with %s', async (args, message) => {
  const { code, stdout, stderr } = await run(...args.split(' '));
  expect(stderr).toBe(`${args.split(' ')[0]}: ${message}\n`);
  expect([code, stdout.length]).toEqual([1, 0]);
});

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
