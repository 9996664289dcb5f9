import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ended, run, start } from './example.js';
import { printing } from './printing.js';
import { Client, has, need } from './service.js';

vi.setConfig({ testTimeout: 60_000 });

/** A path for a socket, in a folder that goes with the test and that anybody may enter. */
function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'unix'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  return join(folder, 'socket');
}

async function serverOn(...args: string[]) {
  const child = start('unix_echo', ...args);
  const until = printing(child);
  await until('echoing on');
  return { child, until };
}

async function echoed(path: string): Promise<string> {
  const client = new Client(path);
  client.say('hello');
  return client.until(/hello/);
}

it('sends hello back', async () => {
  const path = place();
  await serverOn(path);
  expect(await echoed(path)).toBe('hello');
});

it('tells who connects', async (context) => {
  need(context, 'python3', 'python3');
  const path = place();
  const { until } = await serverOn('--mode', '666', path);
  const script = `
import os, socket, sys
os.setgid(12345) or os.setuid(12346)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
`;
  const isRoot = process.getuid?.() === 0;
  const python = spawn('python3', ['-c', isRoot ? script : script.replace('os.set', '#'), path]);
  await once(python, 'close');
  const [uid, gid] = isRoot ? [12346, 12345] : [process.getuid?.(), process.getgid?.()];
  await until(`connected: pid ${python.pid}, uid ${uid}, gid ${gid}\n`);
});

it.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('removes the file at %s', async (signal) => {
  const path = place();
  const { child } = await serverOn(path);
  expect(statSync(path).isSocket()).toBe(true);
  await echoed(path);
  child.kill(signal);
  const { code, stderr } = await ended(child);
  expect([code, stderr]).toEqual([128 + constants.signals[signal], '']);
  expect(existsSync(path)).toBe(false);
});

it('replaces the file that a killed server has left', async () => {
  const path = place();
  const { child } = await serverOn(path);
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(existsSync(path)).toBe(true);
  await serverOn(path);
  expect(await echoed(path)).toBe('hello');
});

it('leaves a socket alone that somebody listens on', async () => {
  const path = place();
  const server = createServer((socket) => socket.pipe(socket)).listen(path);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { code, stderr } = await run('unix_echo', path);
  expect([code, stderr]).toEqual([1, `unix_echo: ${path} is in use\n`]);
  expect(await echoed(path)).toBe('hello');
});

it('leaves a file alone that is no socket', async () => {
  const path = place();
  writeFileSync(path, 'precious');
  const { code, stderr } = await run('unix_echo', path);
  expect([code, stderr]).toEqual([1, `unix_echo: ${path} is in use\n`]);
  expect(statSync(path).size).toBe(8);
});

it('leaves the file alone that has taken the place of its own', async () => {
  const path = place();
  const { child } = await serverOn(path);
  rmSync(path);
  await serverOn(path);
  child.kill('SIGTERM');
  await ended(child);
  expect(await echoed(path)).toBe('hello');
});

it.each([
  [[], '600'],
  [['--mode', '660'], '660'],
  [['--mode', '666'], '666'],
])('with %j the file has the mode %s', async (args, mode) => {
  const path = place();
  await serverOn(...args, path);
  expect((statSync(path).mode & 0o777).toString(8)).toBe(mode);
});

it.each([
  ['600', 'PermissionError'],
  ['666', 'connected'],
])('with mode %s another user gets: %s', async (mode, outcome) => {
  const path = place();
  if (process.getuid?.() !== 0 || !has('python3', '--version')) return;
  await serverOn('--mode', mode, path);
  const script = `
import os, socket, sys
os.setuid(12346)
try:
  socket.socket(socket.AF_UNIX).connect(sys.argv[1])
  print('connected')
except OSError as error:
  print(type(error).__name__)
`;
  const { stdout } = spawnSync('python3', ['-c', script, path], { encoding: 'utf8' });
  expect(stdout.trim()).toBe(outcome);
});

it('needs root and python3 for the two tests above', (context) => {
  context.skip(process.getuid?.() !== 0, 'needs root: it becomes another user');
  need(context, 'python3', 'python3');
});

it('listens on an abstract name, without a file', async (context) => {
  context.skip(process.platform !== 'linux', 'needs Linux: it alone has abstract names');
  need(context, 'socat', 'socat');
  const name = `unix_echo-${process.pid}`;
  const { until } = await serverOn(`@${name}`);
  const args = ['-t', '5', '-', `ABSTRACT-CONNECT:${name}`];
  const socat = spawn('socat', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  socat.stdin.end('hello');
  const [data] = await once(socat.stdout, 'data');
  expect(String(data)).toBe('hello');
  await until(`connected: pid ${socat.pid},`);
  expect(existsSync(`@${name}`)).toBe(false);
});

it('talks with nc', async (context) => {
  context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
  const path = place();
  await serverOn(path);
  const { stdout } = spawnSync('nc', ['-N', '-U', path], { input: 'hello', encoding: 'utf8' });
  expect(stdout).toBe('hello');
});

it.each([
  ['', 'usage: unix_echo'],
  ['--mode 888 x', 'usage: unix_echo'],
  ['/nonexistent/socket', 'bind ENOENT /nonexistent/socket (no such file or directory)'],
  [`/tmp/${'x'.repeat(200)}`, 'ENAMETOOLONG'],
])('says in one line what is wrong with %j', async (args, message) => {
  const { code, stderr } = await run('unix_echo', ...args.split(' ').filter(Boolean));
  expect(stderr).toMatch(/^unix_echo: .*\n$/);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
