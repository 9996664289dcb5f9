import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { connected, echoServer, start } from './example.js';

it('writes its throughput, bytes of connections that have closed too', async () => {
  const child = start('live_view', '--port', '0', '--every', '0.05');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const [, port] = /^echoing on 127\.0\.0\.1:(\d+)$/.exec((await lines.next()).value) ?? [];
  const socket = await connected(Number(port));
  socket.end('hello');
  socket.resume();
  let moved = '';
  while (!/, [1-9]\S* B\/s$/.test(moved)) moved = (await lines.next()).value;
  expect(moved).toMatch(/^[12] channels, /);
});

it('draws a table in a terminal', (context) => {
  const python = spawnSync('python3', ['--version']);
  context.skip(python.error !== undefined, 'needs python3: apt-get install python3');
  const terminal = fileURLToPath(new URL('../../../test-support/in_terminal.py', import.meta.url));
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const steps = JSON.stringify([['EchoServer', '\x03']]);
  const args = [terminal, steps, process.execPath, main, 'live_view', '--port', '0'];
  const { stdout } = spawnSync('python3', args, { encoding: 'utf8' });
  const { shown } = JSON.parse(stdout);
  expect(shown).toContain('echoing on 127.0.0.1:');
  expect(shown).toMatch(
    /1 channels, 0 B\/s {2}▁\s+fd {2}class .*\s+\d+ {2}EchoServer {2}listening/,
  );
});

it('refuses a time that is none', async () => {
  const child = start('live_view', '--every', 'soon');
  const [text] = await once(child.stderr, 'data');
  expect(String(text)).toBe('live_view: --every must be a number of seconds\n');
});

it('an example prints its channels at SIGUSR2', async () => {
  const { child, port } = await echoServer();
  await connected(port);
  child.kill('SIGUSR2');
  const [table] = await once(child.stderr, 'data');
  expect(String(table)).toMatch(/^fd {2}class .*\n\d+ {2}EchoServer .*\n/);
});
