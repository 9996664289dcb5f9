import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { echoServer, ended, run, serverFor, start, unusedPort } from './example.js';

const runner = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const terminal = fileURLToPath(import.meta.resolve('@asyncore/test-support/in_terminal.py'));
const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

it('sends its input to the server and prints what comes back', async () => {
  const { port } = await echoServer();
  const child = start('tee_stdin', '--port', String(port));
  child.stdin.end('hello\n');
  const { code, stdout, stderr } = await ended(child);
  expect([code, String(stdout), stderr]).toEqual([0, 'hello\n', '']);
});

it('carries 20 MB there and back', async () => {
  const { port } = await echoServer();
  const child = start('tee_stdin', '--port', String(port));
  const data = randomBytes(20_000_000);
  child.stdin.end(data);
  const { stdout } = await ended(child);
  expect(stdout.equals(data)).toBe(true);
});

it('prints what the server still answers when the input has ended', async () => {
  const port = await serverFor((socket) => {
    socket.resume();
    socket.on('end', () => socket.end('goodbye\n'));
  });
  const child = start('tee_stdin', '--port', String(port));
  child.stdin.end();
  expect(String((await ended(child)).stdout)).toBe('goodbye\n');
});

it('ends when the server does, though there may be more input', async () => {
  const port = await serverFor((socket) => socket.end('goodbye\n'));
  const { code, stdout } = await run('tee_stdin', '--port', String(port));
  expect([code, String(stdout)]).toEqual([0, 'goodbye\n']);
});

it('prints nothing of its own when the input ends after the server has reset the connection', async () => {
  const data = randomBytes(8_000_000);
  let reset = () => {};
  const port = await serverFor((socket) => {
    socket.write(data);
    socket.setTimeout(200, () => socket.resetAndDestroy()); // without anything taken
    socket.on('close', () => reset());
  });
  const child = start('tee_stdin', '--port', String(port));
  await new Promise<void>((done) => {
    reset = done;
  });
  child.stdin.end(); // and only now is read what it prints
  const { code, stdout, stderr } = await ended(child);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.equals(data.subarray(0, stdout.length))).toBe(true);
});

it('ends when nobody reads what it prints', async () => {
  const { port } = await echoServer();
  const child = start('tee_stdin', '--port', String(port));
  child.stdout.destroy();
  child.stdin.on('error', () => {}); // it has gone
  child.stdin.write(randomBytes(1_000_000));
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

it('says in one line that there is no server', async () => {
  const port = await unusedPort();
  const { code, stderr } = await run('tee_stdin', '--port', String(port));
  expect(stderr).toBe(`tee_stdin: 127.0.0.1:${port} refused the connection\n`);
  expect(code).toBe(1);
});

const name = hasPython ? '' : ' (runs with python3 in PATH)';
describe.skipIf(!hasPython)(`at a terminal${name}`, () => {
  /** Types at a terminal where it runs, and tells whether the terminal waits, as it should. */
  async function typing(...steps: [wait: string, type: string][]) {
    const { port } = await echoServer();
    const program = [process.execPath, runner, 'tee_stdin', '--port', String(port)];
    const child = spawn('python3', [terminal, JSON.stringify(steps), ...program]);
    return JSON.parse(String((await ended(child)).stdout));
  }

  it.each([
    ['Ctrl-C', '\x03', 130],
    ['the end of the input', '\x04', 0],
  ])('leaves the terminal as it was at %s', async (_, key, expected) => {
    // What is typed early is read once it is connected: the terminal shows it, the server again.
    const { code, shown, blocking } = await typing(['', 'hello\n'], ['hello\r\nhello\r\n', key]);
    expect(shown).toContain('hello\r\nhello\r\n');
    expect([code, blocking]).toEqual([expected, [true, false, true]]);
  });
});
