import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loop } from '@asyncore/core';
import { HTTPDownload } from '@asyncore/examples';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { ended, needIPv6, run, serverFor, start, unusedPort } from './example.js';
import { printing } from './printing.js';
import { example } from './service.js';

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

describe('--output', () => {
  /** A path in a folder that goes with the test. */
  function file(content?: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'http_client-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'file');
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  async function save(port: number, path = file()) {
    const { code, stdout, stderr } = await get(port, '--output', path, '127.0.0.1', '/a?b');
    const saved = existsSync(path) ? readFileSync(path, 'latin1') : null;
    return { path, code, stdout: String(stdout), stderr, saved };
  }

  const OK = 'HTTP/1.1 200 OK\r\n';

  it.each([
    ['so many bytes', `${OK}A: b\r\ncontent-LENGTH:  5 \r\n\r\nhello`],
    ['no more than so many', `${OK}Content-Length: 5\r\n\r\nhello, world`],
    ['all until the connection ends', `${OK}\r\nhello`],
    ['all until it ends, from before HTTP/1.1', 'HTTP/1.0 200\r\n\r\nhello'],
    ['what follows a word before', `HTTP/1.1 103 Early\r\nA: b\r\n\r\n${OK}\r\nhello`],
    [
      'chunks',
      `${OK}Transfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n` +
        '2\r\nhe\r\n003 ;a=b\r\nllo\r\n0\r\nTrailer: c\r\n\r\n',
    ],
  ])('saves %s, however it is cut', async (_, answer) => {
    for (const chunks of [[answer], [...answer]]) {
      const port = await answering(async (socket) => {
        socket.setNoDelay();
        for (const chunk of chunks) await new Promise((sent) => socket.write(chunk, sent));
        socket.end();
      });
      const { path, ...result } = await save(port);
      expect(result).toEqual({ code: 0, stdout: `${path}: 5 bytes\n`, stderr: '', saved: 'hello' });
    }
  });

  it('saves an empty file', async () => {
    for (const fields of ['Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const port = await answering((socket) => socket.end(`${OK}${fields}\r\n0\r\n\r\n`));
      expect(await save(port)).toMatchObject({ code: 0, saved: '' });
    }
  });

  it('is done when it has everything, though the server keeps the connection', async () => {
    const port = await answering((socket) => socket.write(`${OK}Content-Length: 5\r\n\r\nhello`));
    expect(await save(port, file('a longer file'))).toMatchObject({ code: 0, saved: 'hello' });
  });

  it('closes the file', async (context) => {
    context.skip(!existsSync('/proc/self/fd'), 'needs Linux: /proc/self/fd');
    const port = await answering((socket) => socket.end(`${OK}\r\nhello`));
    const path = file();
    const download = new HTTPDownload('127.0.0.1', '/', port, path);
    await loop();
    expect([download.error, download.received]).toEqual([null, 5]);
    const open = readdirSync('/proc/self/fd').filter((fd) => {
      return existsSync(`/proc/self/fd/${fd}`) && readlinkSync(`/proc/self/fd/${fd}`) === path;
    });
    expect(open).toEqual([]);
  });

  it('asks for the path, in HTTP/1.1', async () => {
    let asked = '';
    const port = await answering((socket, request) => {
      asked = request;
      socket.end(`${OK}\r\n`);
    });
    await save(port);
    expect(asked).toBe(`GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
  });

  it.each([
    ['HTTP/1.1 404 Not \x1b[31mFound\r\n\r\n', ' answered 404 Not [31mFound'],
    ['HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n', ' answered 301 Moved'],
    ['HTTP/1.1 204\r\n\r\n', ' answered 204'],
    ['SSH-2.0-OpenSSH\r\n\r\n', ' does not speak HTTP'],
    [`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`, ' answered 200 OK in a coding of its own'],
    [`${OK}Content-Length: 1, 2\r\n\r\n`, ' answered 200 OK of no clear length'],
    [`${OK}${'x'.repeat(70_000)}`, ' does not come to the point'],
    ['', ' closed without an answer'],
    [OK, ' closed without an answer'],
  ])('leaves a file alone at the answer %j', async (answer, message) => {
    const port = await answering((socket) => socket.end(answer));
    const { code, stdout, stderr, saved } = await save(port, file('before'));
    expect(stderr).toBe(`http_client: 127.0.0.1:${port}${message}\n`);
    expect([code, stdout, saved]).toEqual([1, '', 'before']);
  });

  it.each([
    ['Content-Length: 6\r\n\r\nhello', ' closed after 5 of 6 bytes'],
    ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', ' closed after 5 bytes, before the end'],
    [
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
      ' closed after 5 bytes, before the end',
    ],
    [
      'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n',
      ' closed after 5 bytes, before the end',
    ],
    ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n', ' sent a chunk of no length'],
    ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello, world\r\n', ' sent a chunk of another length'],
  ])('says what is missing after %j', async (answer, message) => {
    const port = await answering((socket) => socket.end(`${OK}${answer}`));
    const { code, stderr, saved } = await save(port);
    expect(stderr).toBe(`http_client: 127.0.0.1:${port}${message}\n`);
    expect([code, saved]).toEqual([1, 'hello']);
  });

  it('says that the server reset, with what there is in the file', async () => {
    const path = file();
    const port = await answering((socket) => {
      socket.write(`${OK}\r\nhello`);
      const timer = setInterval(() => {
        if (!existsSync(path) || readFileSync(path, 'latin1') !== 'hello') return;
        clearInterval(timer);
        socket.resetAndDestroy();
      }, 10);
    });
    const { code, stderr } = await save(port, path);
    expect(stderr).toBe(
      `http_client: 127.0.0.1:${port} reset the connection after 5 bytes, before the end\n`,
    );
    expect(code).toBe(1);
  });

  it('says that nobody listens, or that the file cannot be made', async () => {
    const closed = await unusedPort();
    const { code, stderr } = await save(closed);
    expect([code, stderr]).toEqual([
      1,
      `http_client: 127.0.0.1:${closed} refused the connection\n`,
    ]);
    const port = await answering((socket) => socket.end(`${OK}\r\n`));
    const missing = await save(port, '/nonexistent/file');
    expect(missing.stderr).toMatch(/^http_client: ENOENT.*\n$/);
    expect(missing.code).toBe(1);
  });

  it('says that the disk is full', async (context) => {
    context.skip(!existsSync('/dev/full'), 'needs Linux: /dev/full');
    const port = await answering((socket) => socket.end(`${OK}\r\nhello`));
    const { code, stderr } = await get(port, '--output', '/dev/full', '127.0.0.1');
    expect(stderr).toMatch(/^http_client: ENOSPC.*\n$/);
    expect(code).toBe(1);
  });

  it('saves what Python and our own http_server serve', async (context) => {
    const { port, big } = await python(context);
    const path = file();
    expect((await get(port, '--output', path, 'localhost', '/big')).code).toBe(0);
    expect(readFileSync(path).equals(big)).toBe(true);
    const ours = await example('http_server', '--quiet', dirname(path));
    const copy = file();
    expect((await get(ours.port, '--output', copy, 'localhost', '/file')).code).toBe(0);
    expect(readFileSync(copy).equals(big)).toBe(true);
  });

  it('saves chunks of Node’s own server', async () => {
    const big = randomBytes(10_000_000);
    const server = createServer((_, response) => {
      for (let at = 0; at < big.length; at += 123_456) {
        response.write(big.subarray(at, at + 123_456));
      }
      response.end();
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const path = file();
    const { port } = server.address() as AddressInfo;
    expect((await get(port, '--output', path, 'localhost')).code).toBe(0);
    expect(readFileSync(path).equals(big)).toBe(true);
  });

  describe('at a terminal', () => {
    const terminal =
      'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
    const runner = fileURLToPath(new URL('../dist/main.js', import.meta.url));
    const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

    /** What a terminal shows of a download that `ends` goes on with after the first megabyte. */
    async function shown(fields: string, ends: (socket: Socket) => void) {
      let socket: Socket | undefined;
      const port = await answering((client) => {
        socket = client;
        client.write(`${OK}${fields}\r\n`);
        client.write(Buffer.alloc(1_000_000));
      });
      const args = ['http_client', '--port', String(port), '--output', file(), '127.0.0.1'];
      const child = spawn('python3', ['-c', terminal, process.execPath, runner, ...args]);
      onTestFinished(() => void child.kill('SIGKILL'));
      const result = ended(child);
      await printing(child)('1.0 ');
      ends(socket as Socket);
      const { code, stdout } = await result;
      return {
        code,
        port,
        lines: String(stdout)
          .replaceAll('\x1b[K', '')
          .split(/\r\n|\r|\n/),
      };
    }

    it.skipIf(!hasPython)('a bar grows with the file', async () => {
      const { code, lines } = await shown('Content-Length: 2000000\r\n', (socket) => {
        socket.end(Buffer.alloc(1_000_000));
      });
      const bar = /^ *(\d+)% \[(#*)(\.*)\] (\d\.\d) of 2\.0 MB, \d+\.\d MB\/s$/;
      const drawn = lines.filter(Boolean).map((line) => bar.exec(line) ?? [line]);
      for (const [line, percent, done, rest] of drawn) {
        expect(line).toHaveLength(79);
        const share = done.length / (done.length + rest.length);
        expect(Math.abs(share - Number(percent) / 100)).toBeLessThan(0.05);
      }
      const percents = drawn.map(([, percent]) => Number(percent));
      expect(percents).toContain(50);
      expect(percents.at(-1)).toBe(100);
      expect(percents).toEqual(percents.toSorted((a, b) => a - b));
      expect(lines.at(-1)).toBe('');
      expect(code).toBe(0);
    });

    it.skipIf(!hasPython)('bytes are counted where the length is unknown', async () => {
      const { code, lines } = await shown('', (socket) => socket.end());
      expect(lines.at(-2)).toMatch(/^1\.0 MB, \d+\.\d MB\/s$/);
      expect(code).toBe(0);
    });

    it.skipIf(!hasPython)('what went wrong has a line of its own', async () => {
      const fields = 'Content-Length: 2000000\r\n';
      const { code, port, lines } = await shown(fields, (socket) => socket.end());
      expect(lines.at(-3)).toMatch(/^ 50% /);
      expect(lines.at(-2)).toBe(
        `http_client: 127.0.0.1:${port} closed after 1000000 of 2000000 bytes`,
      );
      expect(code).toBe(1);
    });

    it('needs python3 for the tests above', (context) => {
      context.skip(!hasPython, 'needs python3 in the PATH, for its pty');
    });
  });
});
