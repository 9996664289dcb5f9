import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { ended, needIPv6, run, serverFor, start, unusedPort } from './example.js';

function get(port: number, ...args: string[]) {
  return run('http_client', '--port', String(port), ...args);
}

/** Python's own web server on a free port, with a page and a file of 10 MB. */
async function python(context: TestContext, address = '127.0.0.1') {
  const { status } = spawnSync('python3', ['--version']);
  context.skip(status !== 0, 'needs python3 in the PATH, for its http.server');
  const folder = mkdtempSync(join(tmpdir(), 'http_client-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const page = Buffer.from('<p>a page</p>\n');
  const big = randomBytes(10_000_000);
  writeFileSync(join(folder, 'index.html'), page);
  writeFileSync(join(folder, 'big'), big);
  const args = ['-u', '-m', 'http.server', '0', '--bind', address, '--directory', folder];
  const child: ChildProcess = spawn('python3', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return { port: Number(/port (\d+)/.exec(String(line))?.[1]), page, big };
}

/** A server that waits for the request and then does as it likes. */
function answering(answer: (socket: Socket, request: string) => void): Promise<number> {
  return serverFor((socket) => {
    socket.on('error', () => {});
    socket.once('data', (request) => answer(socket, String(request)));
  });
}

it('prints the page that python3 -m http.server serves', async (context) => {
  const { port, page, big } = await python(context);
  for (const args of [['localhost', '/'], ['127.0.0.1'], ['--host', 'localhost', '/index.html']]) {
    const { code, stdout, stderr } = await get(port, ...args);
    expect(stdout.toString('latin1')).toMatch(/^HTTP\/1\.0 200 OK\r\n/);
    expect(stdout.subarray(-page.length).equals(page)).toBe(true);
    expect([code, stderr]).toEqual([0, '']);
  }
  const { stdout } = await get(port, 'localhost', '/big');
  expect(stdout.subarray(-big.length).equals(big)).toBe(true);
});

it('reads from IPv6 too', async (context) => {
  await needIPv6(context);
  const { port, page } = await python(context, '::1');
  const { stdout } = await get(port, '::1', '/');
  expect(stdout.subarray(-page.length).equals(page)).toBe(true);
});

it('asks for the path and names the host', async () => {
  let asked = '';
  const port = await answering((socket, request) => {
    asked = request;
    socket.end('ok');
  });
  const { code, stdout } = await get(port, 'localhost', '/a?b=c');
  expect(asked).toBe(`GET /a?b=c HTTP/1.0\r\nHost: localhost:${port}\r\n\r\n`);
  expect([code, String(stdout)]).toEqual([0, 'ok']);
});

it('says in one line that nobody listens', async () => {
  const port = await unusedPort();
  for (const host of ['127.0.0.1', 'localhost']) {
    const { code, stdout, stderr } = await get(port, host);
    expect(stderr).toBe(`http_client: ${host}:${port} refused the connection\n`);
    expect([code, stdout.length]).toEqual([1, 0]);
  }
});

it('says in one line that a name is unknown', async () => {
  const { code, stderr } = await get(80, 'no-such-host.invalid');
  // EAI_AGAIN where there is no name server to ask.
  expect(stderr).toMatch(
    /^http_client: .*no-such-host\.invalid:80.*(cannot be found|EAI_\w+.*)\n$/,
  );
  expect(code).toBe(1);
});

it('says in one line that the server closed without an answer', async () => {
  const port = await answering((socket) => socket.end());
  const { code, stderr } = await get(port, '127.0.0.1');
  expect(stderr).toBe(`http_client: 127.0.0.1:${port} closed without an answer\n`);
  expect(code).toBe(1);
});

it.each(['at once', 'after the request'])(
  'says in one line that the server reset %s',
  async (when) => {
    const reset = (socket: Socket) => void socket.resetAndDestroy(); // SO_LINGER 0
    const port = await (when === 'at once' ? serverFor(reset) : answering(reset));
    const { code, stdout, stderr } = await get(port, '127.0.0.1');
    expect(stderr).toMatch(new RegExp(`^http_client: .*127\\.0\\.0\\.1:${port}.* reset .*\n$`));
    expect([code, stdout.length]).toEqual([1, 0]);
  },
);

it('prints what came before the server reset', async () => {
  let reset = () => {};
  const port = await answering((socket) => {
    socket.write('half a page');
    reset = () => socket.resetAndDestroy();
  });
  const child = start('http_client', '127.0.0.1', '--port', String(port));
  const result = ended(child);
  child.stdout.once('data', () => reset());
  const { code, stdout, stderr } = await result;
  expect(String(stdout)).toBe('half a page');
  expect(stderr).toBe(`http_client: 127.0.0.1:${port} reset the connection\n`);
  expect(code).toBe(1);
});

it('reads no more than what can be printed', async () => {
  const block = randomBytes(65536);
  const sent = createHash('sha256');
  let blocks = 0;
  let stalled = () => {};
  const stall = new Promise<void>((resolve) => (stalled = resolve));
  const port = await answering(async (socket) => {
    for (; blocks < 1000; blocks++) {
      sent.update(block);
      const written = new Promise((resolve) => socket.write(block, resolve));
      if ((await Promise.race([written, delay(500)])) === undefined) stalled();
      await written;
    }
    socket.end();
  });
  const child = start('http_client', '127.0.0.1', '--port', String(port));
  await stall;
  expect(blocks).toBeLessThan(500);
  const { code, stdout } = await ended(child);
  expect(createHash('sha256').update(stdout).digest('hex')).toBe(sent.digest('hex'));
  expect(code).toBe(0);
});

it('ends quietly when nobody reads what it prints', async () => {
  const port = await answering((socket) => {
    const timer = setInterval(() => socket.write('more\n'), 1);
    socket.on('close', () => clearInterval(timer));
  });
  const child = start('http_client', '127.0.0.1', '--port', String(port));
  await once(child.stdout, 'data');
  child.stdout.destroy();
  const [code] = await once(child, 'exit');
  expect(code).toBe(128 + constants.signals.SIGPIPE);
  expect(child.stderr.read()).toBe(null);
});
