// In a process of its own: it counts timers.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { Agent, get, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { close_all, dispatcher, loop, socket_map } from '@asyncore/core';
import { HTTPHandler, HTTPServer } from '@asyncore/examples';
import {
  type InetAddress,
  IPPROTO_TCP,
  SO_RCVBUF,
  SO_SNDBUF,
  SOL_SOCKET,
  TCP_NODELAY,
} from '@asyncore/socket';
import {
  afterAll,
  beforeAll,
  describe,
  expect,
  it,
  onTestFinished,
  type TestContext,
  vi,
} from 'vitest';
import { needIPv6, run, start } from './example.js';
import { printing } from './printing.js';
import { Client, example, frugalExample, has, need } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const MiB = 1 << 20;
const above = mkdtempSync(join(tmpdir(), 'http_server-'));
const folder = join(above, 'root');
const big = randomBytes(10 * MiB);
let port = 0;
let pid: number | undefined;

beforeAll(async () => {
  mkdirSync(join(folder, 'sub', 'empty'), { recursive: true });
  mkdirSync(join(folder, 'with index', 'index.html'), { recursive: true });
  mkdirSync(join(folder, 'indexed'));
  mkdirSync(`${folder} 2`);
  for (const [name, content] of [
    ['hello.txt', 'hello, world\n'],
    ['empty.html', ''],
    ['big', big],
    ['medium', Buffer.alloc(60_000)],
    ['.hidden', 'secret'],
    ['sub/<b>&"\'.txt', 'odd'],
    ['sub/Grüße?#%41', 'greetings'],
    ['indexed/index.html', '<p>index\n'],
    ['../secret', 'secret'],
    ['../root 2/secret', 'secret'],
  ] as const) {
    writeFileSync(join(folder, name), content);
  }
  symlinkSync('../secret', join(folder, 'out'));
  symlinkSync('../root 2', join(folder, 'out2'));
  symlinkSync('hello.txt', join(folder, 'in'));
  symlinkSync('loop', join(folder, 'loop'));
  spawnSync('mkfifo', [join(folder, 'fifo')]);
  // Nothing here waits for time to run out.
  const server = await example('http_server', '--quiet', '--timeout', '1000', folder);
  port = server.port;
  pid = server.child.pid;
});
afterAll(() => rmSync(above, { recursive: true }));

/** How many files of the folder a server has open. */
function openFiles(pid = 0): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ''; // closed meanwhile
    }
  });
  return links.filter((link) => link.startsWith(folder)).length;
}

function needProc(context: TestContext): void {
  context.skip(!existsSync('/proc/self/fd'), 'needs Linux: /proc/PID tells what a process has');
}

/** A request of the method and path, with further header lines. */
function request(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');
}

/** All that comes for some input until the server closes. */
async function answered(input: string): Promise<string> {
  const client = new Client(port);
  client.say(input);
  return client.until(/never/);
}

/** A connection that has asked, and been answered, and takes nothing. */
async function untaken(port: number, input: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(input);
  await once(socket, 'readable');
  return socket;
}

function statuses(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status);
}

const LAST = request('GET /empty.html', 'Connection: close');

describe('a file', () => {
  it('comes with its length, type and times', async () => {
    const [head, body] = (await answered(request('GET /hello.txt', 'Connection: close'))).split(
      '\r\n\r\n',
    );
    expect(body).toBe('hello, world\n');
    const lines = head.split('\r\n');
    expect(lines[0]).toBe('HTTP/1.1 200 OK');
    expect(lines).toContain('Content-Length: 13');
    expect(lines).toContain('Content-Type: text/plain; charset=utf-8');
    expect(lines).toContain('Accept-Ranges: bytes');
    expect(lines).toContain('Connection: close');
    for (const name of ['Date', 'Last-Modified']) {
      const [, time = ''] =
        new RegExp(`^${name}: (.* GMT)$`, 'm').exec(head.replaceAll('\r', '')) ?? [];
      expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(600_000);
    }
  });

  it('has no body for HEAD, but the same head', async () => {
    const [head, rest] = (await answered(request('HEAD /hello.txt') + LAST)).split(/(?<=\r\n\r\n)/);
    expect(statuses(rest)).toEqual(['200']);
    const full = await answered(request('GET /hello.txt') + LAST);
    const undated = (text: string) => text.replace(/^Date: .*$/m, '');
    expect(undated(full.slice(0, head.length))).toBe(undated(head));
  });

  it.each([
    ['GET http://example.org:80/hello.txt?query', '200'],
    ['GET https://example.org', '200'],
    ['GET /hello.txt/', '404'],
    ['GET /hello.txt/x', '404'],
    ['GET /in', '200'],
    ['GET /nothing', '404'],
    ['GET /fifo', '404'],
    ['GET /loop', '404'],
    [`GET /${'x'.repeat(300)}`, '404'],
    ['GET /%', '400'],
    ['GET /%ff', '400'],
    ['GET hello.txt', '400'],
    ['GET *', '400'],
    ['GET /#x', '400'],
    ['DELETE /hello.txt', '405'],
    ['OPTIONS *', '405'],
    ['get /hello.txt', '405'],
  ])('%s gets %s', async (line, status) => {
    expect(statuses(await answered(request(line) + LAST))).toEqual([status, '200']);
  });

  it.each([
    '/../secret',
    '/sub/../../secret',
    '/%2e%2e/secret',
    '/.%2E/secret',
    '/..%2fsecret',
    '/%2e%2e%2fsecret',
    '/sub/..%2f..%2fsecret',
    '/hello.txt%00',
    '/%00',
    '//../secret',
    '/.hidden',
    '/%2ehidden',
    '/out',
    '/out2/secret',
    '/out2/',
    'http://a/../secret',
  ])('%s leads nowhere', async (path) => {
    const text = await answered(request(`GET ${path}`) + LAST);
    expect(statuses(text)).toEqual(['404', '200']);
    expect(text).not.toContain('secret');
  });

  it('that cannot be read is forbidden', async (context) => {
    context.skip(process.getuid?.() === 0, 'needs to run as another user than root');
    writeFileSync(join(folder, 'locked'), '', { mode: 0 });
    expect(statuses(await answered(request('GET /locked') + LAST))).toEqual(['403', '200']);
  });

  it('that becomes shorter while it is sent ends the connection', async () => {
    const path = join(folder, 'shrinking');
    writeFileSync(path, Buffer.alloc(20 * MiB));
    const socket = await untaken(port, request('GET /shrinking') + LAST);
    truncateSync(path, 1000);
    socket.resume();
    await once(socket, 'end');
    expect(socket.bytesRead).toBeLessThan(20 * MiB);
  });
});

describe('a folder', () => {
  it('is listed, with names that cannot be taken for markup', async () => {
    const text = await answered(request('GET /sub/', 'Connection: close'));
    expect(text).toContain('Content-Type: text/html; charset=utf-8\r\n');
    const cells = Array.from(text.matchAll(/^<tr><td>(.*?)<\/td>/gm), ([, cell]) => cell);
    expect(cells).toEqual([
      '<a href="../">../</a>',
      '<a href="%3Cb%3E%26%22\'.txt">&#60;b&#62;&#38;&#34;&#39;.txt</a>',
      `<a href="Gr%C3%BC%C3%9Fe%3F%23%2541">${latin1('Grüße?#%41')}</a>`,
      '<a href="empty/">empty/</a>',
    ]);
    for (const [, href] of cells
      .slice(1)
      .join()
      .matchAll(/href="([^"]*)"/g)) {
      expect(statuses(await answered(request(`GET /sub/${href}`) + LAST))[0]).toBe('200');
    }
  });

  it('is listed with the size and the time of each file', async () => {
    for (const name of ['big', 'sub', 'in']) {
      utimesSync(join(folder, name), new Date(0), new Date('2024-02-29T23:59:58Z'));
    }
    const text = await answered(request('GET /', 'Connection: close'));
    const row = (name: string) => text.split('\n').find((line) => line.includes(`>${name}<`));
    expect(row('big')).toBe(
      '<tr><td><a href="big">big</a></td><td>10,485,760</td><td>2024-02-29 23:59</td></tr>',
    );
    expect(row('sub/')).toMatch(/<\/a><\/td><td><\/td><td>2024-02-29 23:59<\/td><\/tr>$/);
    expect(row('in')).toMatch(/<td>13<\/td><td>2024-02-29 23:59<\/td><\/tr>$/);
    expect(row('fifo')).toMatch(/<td><\/td><td>2\d{3}-\d\d-\d\d \d\d:\d\d<\/td><\/tr>$/);
  });

  it.each(['out', 'out2', 'loop'])(
    'tells only the name of %s, a link that leads out or nowhere',
    async (name) => {
      const text = await answered(request('GET /', 'Connection: close'));
      expect(text).toContain(`<tr><td><a href="${name}">${name}</a></td><td></td><td></td></tr>\n`);
    },
  );

  it('is listed with a file whose time no Date can tell', async (context) => {
    const path = join(folder, 'far');
    writeFileSync(path, '');
    onTestFinished(() => rmSync(path));
    utimesSync(path, 1e14, 1e14);
    const isFar = Number.isNaN(statSync(path).mtimeMs) || statSync(path).mtimeMs > 8.64e15;
    context.skip(!isFar, 'needs a file system with such times: TMPDIR=/dev/shm on Linux');
    const text = await answered(request('GET /', 'Connection: close'));
    expect(text).toContain('<tr><td><a href="far">far</a></td><td>0</td><td></td></tr>\n');
  });

  it('shows no hidden names, and no way up from the root', async () => {
    const text = await answered(request('GET /', 'Connection: close'));
    expect(text).toContain('>hello.txt<');
    expect(text).not.toMatch(/hidden|\.\.\//);
  });

  it.each([
    ['/sub', '/sub/'],
    ['/sub?a=b', '/sub/?a=b'],
    ['//sub', '/sub/'],
    ['/with%20index', '/with%20index/'],
  ])('%s is elsewhere: %s', async (path, location) => {
    const text = await answered(request(`GET ${path}`) + LAST);
    expect(statuses(text)).toEqual(['301', '200']);
    expect(text).toContain(`\r\nLocation: ${location}\r\n`);
  });

  it('with an index.html is that, if it is a file', async () => {
    expect(await answered(request('GET /indexed/', 'Connection: close'))).toMatch(/<p>index\n$/);
    expect(await answered(request('GET /with%20index/', 'Connection: close'))).toContain('<table>');
  });
});

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

describe('a part of a file', () => {
  it.each([
    ['bytes=0-4', 'hello', '0-4'],
    ['bytes=7-', 'world\n', '7-12'],
    ['bytes=-6', 'world\n', '7-12'],
    ['bytes=-100', 'hello, world\n', '0-12'],
    ['BYTES=12-99999999999999999999', '\n', '12-12'],
    ['bytes=0-0,99-', 'h', '0-0'],
  ])('%s is %j', async (range, body, place) => {
    const text = await answered(request('GET /hello.txt', `Range: ${range}`, 'Connection: close'));
    expect(text).toMatch(/^HTTP\/1\.1 206 /);
    expect(text).toContain(
      `\r\nContent-Range: bytes ${place}/13\r\nContent-Length: ${body.length}\r\n`,
    );
    expect(text.split('\r\n\r\n')[1]).toBe(body);
  });

  it('may be several parts', async () => {
    const text = await answered(
      request('GET /hello.txt', 'Range: bytes=0-1, 4-4 ,-2', 'Connection: close'),
    );
    const [, boundary] = /Content-Type: multipart\/byteranges; boundary=(\S+)\r\n/.exec(text) ?? [];
    const [head, ...rest] = text.split('\r\n\r\n');
    const body = rest.join('\r\n\r\n');
    expect(head).toContain(`Content-Length: ${body.length}`);
    const part = (place: string, content: string) =>
      `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Range: bytes ${place}/13\r\n\r\n${content}`;
    expect(body).toBe(
      `${part('0-1', 'he')}${part('4-4', 'o')}${part('11-12', 'd\n')}\r\n--${boundary}--\r\n`,
    );
  });

  it.each([
    'bytes=13-',
    'bytes=-0',
    'bytes=',
    'bytes=-',
    'bytes=5-4',
    'bytes=a-b',
    'bytes=1',
    'bytes=0-1;2',
  ])('cannot be %s', async (range) => {
    const text = await answered(request('GET /hello.txt', `Range: ${range}`) + LAST);
    expect(statuses(text)).toEqual(['416', '200']);
    expect(text).toContain('\r\nContent-Range: bytes */13\r\n');
  });

  it.each([
    ['another unit', 'GET', 'Range: lines=0-1'],
    ['overlapping parts', 'GET', 'Range: bytes=0-9,0-9'],
    ['HEAD', 'HEAD', 'Range: bytes=0-1'],
    ['a file that is another by now', 'GET', 'Range: bytes=0-1\r\nIf-Range: "other"'],
  ])('with %s it is all of it', async (_, method, fields) => {
    const text = await answered(request(`${method} /hello.txt`, fields) + LAST);
    expect(statuses(text)).toEqual(['200', '200']);
    expect(text).toContain('\r\nContent-Length: 13\r\n');
  });
});

it('more than 32 parts of a file are all of it', async () => {
  const parts = (count: number) => Array.from({ length: count }, (_, i) => `${i}-${i}`).join();
  for (const [count, status] of [
    [32, '206'],
    [33, '200'],
  ] as const) {
    const socket = await untaken(port, request('GET /big', `Range: bytes=${parts(count)}`));
    expect(statuses(String(socket.read()))).toEqual([status]);
  }
});

describe('what the client has', () => {
  async function tagged(...fields: string[]): Promise<string[]> {
    return statuses(await answered(request('GET /hello.txt', ...fields) + LAST));
  }
  let etag = '';
  let modified = '';
  beforeAll(async () => {
    const { headers } = await fetch(`http://127.0.0.1:${port}/hello.txt`, { method: 'HEAD' });
    etag = headers.get('ETag') ?? '';
    modified = headers.get('Last-Modified') ?? '';
  });

  it('is not sent again', async () => {
    expect(await tagged(`If-None-Match: ${etag}`)).toEqual(['304', '200']);
    expect(await tagged(`If-None-Match: "a", W/${etag}`)).toEqual(['304', '200']);
    expect(await tagged('If-None-Match: *')).toEqual(['304', '200']);
    expect(await tagged(`If-Modified-Since: ${modified}`)).toEqual(['304', '200']);
  });

  it('is sent if it has changed', async () => {
    const before = 'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT';
    expect(await tagged(before)).toEqual(['200', '200']);
    expect(await tagged('If-Modified-Since: yesterday')).toEqual(['200', '200']);
    expect(await tagged('If-None-Match: "a"', `If-Modified-Since: ${modified}`)).toEqual([
      '200',
      '200',
    ]);
  });

  it('goes on where it ended', async () => {
    expect(await tagged('Range: bytes=5-', `If-Range: ${etag}`)).toEqual(['206', '200']);
    expect(await tagged('Range: bytes=5-', `If-Range: ${modified}`)).toEqual(['206', '200']);
  });
});

describe('what is no request, or could be two, ends the connection', () => {
  it.each([
    ['400', 'nonsense\r\n\r\n'],
    ['400', '\r\n\r\n'],
    ['400', 'GET /\r\n\r\n'],
    ['400', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['400', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['400', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
    ['400', 'GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['400', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
    ['400', 'G(T / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['505', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
    // The host.
    ['400', 'GET / HTTP/1.1\r\n\r\n'],
    ['400', request('GET /', 'Host: a')],
    ['400', request('GET /', 'hOST: b')],
    ['400', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['400', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n'],
    ['400', 'GET / HTTP/1.0\r\nHost: a@b\r\n\r\n'],
    // Lines.
    ['400', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['400', request('GET /', 'A: b\nC: d')],
    ['400', request('GET /', 'A: b\rC: d')],
    ['400', request('GET /', 'A: b\r\r\nC: d')],
    ['400', request('GET /', 'A: b', ' folded')],
    ['400', request('GET /', '\tA: b')],
    ['400', request('GET /', 'A : b')],
    ['400', request('GET /', 'A')],
    ['400', request('GET /', ': b')],
    ['400', request('GET /', 'A: \0')],
    ['400', request('GET /', 'A: \x7f')],
    // The length.
    ['400', request('POST /', 'Content-Length: 0', 'Content-Length: 0')],
    ['400', request('POST /', 'Content-Length: 1', 'Content-Length: 2')],
    ['400', request('POST /', 'Content-Length: 0, 0')],
    ['400', request('POST /', 'Content-Length: +1')],
    ['400', request('POST /', 'Content-Length: -1')],
    ['400', request('POST /', 'Content-Length: 0x1')],
    ['400', request('POST /', 'Content-Length: 1 1')],
    ['400', request('POST /', 'Content-Length:')],
    ['400', request('POST /', 'Content-Length: 1\xa0')],
    ['400', request('POST /', 'Content-Length: 9999999999999999')],
    ['400', request('POST /', 'Content-Length: 5', 'Transfer-Encoding: chunked')],
    ['400', request('POST /', 'Transfer-Encoding: identity', 'Content-Length: 5')],
    ['400', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['411', request('POST /', 'Transfer-Encoding: chunked')],
    ['411', request('GET /', 'Transfer-Encoding: xchunked')],
    ['413', request('POST /', `Content-Length: ${MiB + 1}`)],
    ['431', `GET /${'x'.repeat(16_400)}`],
    ['431', request('GET /', `A: ${'x'.repeat(16_400)}`)],
  ])('%s: %j', async (status, input) => {
    const text = await answered(input + request('GET /hello.txt'));
    expect(statuses(text)).toEqual([status]);
    expect(text).toContain('\r\nConnection: close\r\n');
  });

  it.each([
    request('GET /hello.txt', 'A:', 'B: \t', 'C:c\t ', 'Content-Length: 0'),
    `${request('GET /hello.txt', 'Content-Length:3\t ')}abc`,
    `\r\n${request('GET /hello.txt', 'A: \xe4\t\xa0')}`,
    'GET /hello.txt HTTP/1.9\r\nHost:\r\n\r\n',
    'GET /hello.txt HTTP/1.1\r\nHost: [::1]:80\r\n\r\n',
    'GET /hello.txt HTTP/1.0\r\nConnection: x,Keep-Alive\r\n\r\n',
  ])('but not %j', async (input) => {
    expect(statuses(await answered(input + LAST))).toEqual(['200', '200']);
  });

  it('takes a head of 16,000 spaces without delay', async () => {
    for (const field of ['A: ', 'Connection: ', 'Range: bytes=', 'A: b']) {
      const input = request(
        'GET /hello.txt',
        `${field}${' '.repeat(15_000)}c`,
        'Connection: close',
      );
      expect(statuses(await answered(input))).toHaveLength(1);
    }
  });
});

describe('a connection', () => {
  const requests = [
    request('GET /hello.txt'),
    request('POST /hello.txt', 'Content-Length: 30') + request('GET /x').padEnd(30),
    request('HEAD /hello.txt'),
    request('GET /nothing', 'A: b'),
    `\r\n${request('GET /hello.txt', 'Range: bytes=0-1')}`,
    LAST,
  ].join('');
  const undated = (text: string) => text.replaceAll(/^Date: .*$/gm, '');

  it('takes requests however they are cut', async () => {
    const whole = undated(await answered(requests));
    expect(statuses(whole)).toEqual(['200', '405', '200', '404', '206', '200']);
    const cut = async (...chunks: string[]) => {
      const client = new Client(port);
      client.socket.setNoDelay();
      for (const chunk of chunks) {
        await new Promise((sent) => client.socket.write(chunk, 'latin1', sent));
      }
      return undated(await client.until(/never/));
    };
    for (let at = 1; at < requests.length; at++) {
      expect(await cut(requests.slice(0, at), requests.slice(at))).toBe(whole);
    }
    expect(await cut(...requests)).toBe(whole);
  });

  it('answers 5,000 requests that come at once, in order', async () => {
    const paths = Array.from({ length: 5000 }, (_, i) => `/${i}`);
    const input = paths.map((path) => request(`GET ${path.length % 2 ? '/hello.txt' : path}`));
    const expected = paths.map((path) => (path.length % 2 ? '200' : '404'));
    expect(statuses(await answered(input.join('') + LAST))).toEqual([...expected, '200']);
  });

  it('is not read further, nor a second file opened, while the client takes nothing', async (context) => {
    needProc(context);
    const socket = await untaken(port, request('GET /big').repeat(20_000));
    expect(openFiles(pid)).toBe(1);
    socket.destroy();
    await expect.poll(() => openFiles(pid)).toBe(0);
  });

  it('ends when the client wants it, or knows no better', async () => {
    for (const end of [
      '1.1\r\nHost: a\r\nConnection: x, Close',
      '1.0',
      '1.0\r\nConnection: keep-alive, close',
    ]) {
      const text = await answered(`GET /hello.txt HTTP/${end}\r\n\r\n${LAST}`);
      expect(statuses(text)).toEqual(['200']);
      expect(text).toContain('\r\nConnection: close\r\n');
    }
  });

  it('ends when a file is sent that took many pieces', async () => {
    const socket = await untaken(port, request('GET /big', 'Connection: close'));
    socket.resume();
    await once(socket, 'end');
    expect(socket.bytesRead).toBeGreaterThan(big.length);
  });

  it('ends when all of an answer is sent, not before', async () => {
    let received = 0;
    class Narrow extends dispatcher {
      handle_connect() {
        this.send(Buffer.from(request('GET /medium', 'Connection: close')));
      }
      handle_read() {
        received += this.recv(65536).length;
      }
      handle_close() {
        close_all();
      }
    }
    const server = new HTTPServer('127.0.0.1', 0, folder, 1000, true);
    server.setsockopt(SOL_SOCKET, SO_SNDBUF, 1); // its connections take it over
    const client = new Narrow();
    client.create_socket();
    client.setsockopt(SOL_SOCKET, SO_RCVBUF, 1);
    client.connect(server.getsockname());
    await loop();
    expect(received).toBeGreaterThan(60_000);
  });

  it('has no longer head after a body than before', async () => {
    const input = `${request('POST /', 'Content-Length: 1')}xGET /${'x'.repeat(20_000)}`;
    expect(statuses(await answered(input))).toEqual(['405', '431']);
  });

  it('sends without delay, and leaves no timer behind', async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const server = new HTTPServer('127.0.0.1', 0, folder, 1000, true);
    const serving = loop();
    const [, port] = server.getsockname() as InetAddress;
    const client = new Client(port);
    client.say(request('GET /hello.txt'));
    expect(statuses(await client.until(/world\n$/))).toEqual(['200']);
    const handler = [...socket_map.values()].find((channel) => channel instanceof HTTPHandler);
    expect(handler?.getsockopt(IPPROTO_TCP, TCP_NODELAY)).toBe(1);
    expect(timers()).toBeGreaterThan(before);
    close_all();
    await serving;
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('brings all of a file to a client that has ended its half', async () => {
    const client = new Client(port);
    client.socket.end(request('GET /big'));
    const text = await client.until(/never/);
    expect(text.endsWith(big.toString('latin1'))).toBe(true);
  });

  it('brings its answer to a client that is still sending', async () => {
    const client = new Client(port);
    client.say(request('PUT /big', 'Content-Length: 50000000'));
    for (let i = 0; i < 50; i++) client.say(big.subarray(0, MiB));
    expect(statuses(await client.until(/\r\n\r\n413.*\n$/))).toEqual(['413']);
  });

  it('sends 16 answers of 10 MB in no more memory than a few pieces', async (context) => {
    needProc(context);
    const { port, child } = await frugalExample('http_server', '--quiet', folder);
    const peak = () => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    };
    const before = peak();
    const downloads = Array.from({ length: 16 }, () => hashed({ path: '/big', port }));
    const hash = createHash('sha256').update(big).digest('hex');
    expect(await Promise.all(downloads)).toEqual(Array(16).fill(hash));
    expect(peak() - before).toBeLessThan(64 * MiB);
    expect(openFiles(child.pid)).toBe(0);
  });
});

/** What Node's own client gets, as its hash. */
async function hashed(options: RequestOptions): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: '127.0.0.1', ...options }, resolve).on('error', reject);
  });
  const hash = createHash('sha256');
  for await (const chunk of response) hash.update(chunk);
  return hash.digest('hex');
}

it('serves Node’s own client many files on one connection', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const opened = new Set<unknown>();
  const createConnection = agent.createConnection.bind(agent);
  agent.createConnection = (...args) => {
    const socket = createConnection(...args);
    opened.add(socket);
    return socket;
  };
  const hash = createHash('sha256').update(big).digest('hex');
  for (let i = 0; i < 5; i++) expect(await hashed({ path: '/big', agent })).toBe(hash);
  agent.destroy();
  expect(opened.size).toBe(1);
});

describe('time', () => {
  const impatient: { port: number; pid?: number } = { port: 0 };
  beforeAll(async () => {
    const { port, child } = await example('http_server', '--quiet', '--timeout', '0.3', folder);
    impatient.port = port;
    impatient.pid = child.pid;
  });

  it.each(['G', 'GET / HTTP/1.1\r\n', `${request('POST /', 'Content-Length: 5')}1234`])(
    'runs out for %j',
    async (input) => {
      const client = new Client(impatient.port);
      client.say(input);
      expect(statuses(await client.until(/never/))).toEqual(['408']);
    },
  );

  it('runs out for one who sends a byte now and then', async () => {
    const client = new Client(impatient.port);
    const timer = setInterval(() => client.say('x'), 50);
    expect(statuses(await client.until(/never/))).toEqual(['408']);
    clearInterval(timer);
  });

  // Again if the machine was too busy to send in time.
  it('begins anew with each request', { retry: 4 }, async () => {
    const { port } = await example('http_server', '--quiet', '--timeout', '2', folder);
    const client = new Client(port);
    await delay(1200);
    client.say('GET /hello.txt HTTP/1.0\r\n');
    await delay(1200);
    client.say('\r\n');
    expect(statuses(await client.until(/never/))).toEqual(['200']);
  });

  it('ends a connection that is not used, without a word', async () => {
    const client = new Client(impatient.port);
    expect(await client.until(/never/)).toBe('');
    const used = new Client(impatient.port);
    used.say(request('GET /hello.txt'));
    expect(statuses(await used.until(/never/))).toEqual(['200']);
  });

  it('ends a connection whose client takes nothing', async (context) => {
    needProc(context);
    const socket = await untaken(impatient.port, request('GET /big').repeat(10));
    expect(openFiles(impatient.pid)).toBe(1);
    await expect.poll(() => openFiles(impatient.pid)).toBe(0);
    socket.on('error', () => {}); // the connection is reset, or ends
    socket.resume();
    await once(socket, 'close');
    expect(socket.bytesRead).toBeLessThan(10 * big.length);
  });
});

it('listens on IPv6 too', async (context) => {
  await needIPv6(context);
  const { port } = await example('http_server', '--host', '::1', folder);
  const response = await fetch(`http://[::1]:${port}/hello.txt`);
  expect(await response.text()).toBe('hello, world\n');
});

it('says that it is out of descriptors, and goes on when it has some', async (context) => {
  needProc(context);
  need(context, 'prlimit', 'util-linux');
  const { port, child } = await example('http_server', '--quiet', folder);
  const asked = new Client(port);
  asked.say(request('GET /hello.txt'));
  await asked.until(/world\n$/);
  const limit = (count: number) =>
    spawnSync('prlimit', ['--pid', String(child.pid), `--nofile=${count}:`]);
  limit(0);
  asked.say(request('GET /hello.txt'));
  await asked.until(/503 Service Unavailable\n$/);
  limit(1000);
  asked.say(LAST);
  expect(statuses(await asked.until(/never/))).toEqual(['200', '503', '200']);
});

describe('the log', () => {
  it('has a line for each request, in which nobody can write more', async () => {
    const child = start('http_server', '--port', '0', folder);
    const until = printing(child);
    const [, number] = /:(\d+)\n/.exec(await until('\n')) ?? [];
    for (const input of [
      request('GET /hello.txt?"\\'),
      'GET /\x1b[31m\nforged HTTP/1.1\r\n\r\n',
      `${request('GET /')}\xe4" 200\r\n\r\n`,
      `GET /${'x'.repeat(20_000)}`,
    ]) {
      const client = new Client(Number(number));
      client.socket.end(input, 'latin1');
      await client.until(/never/);
    }
    const [serving, ...lines] = (await until(' 431 36\n')).trimEnd().split('\n');
    expect(serving).toBe(`serving ${folder} on http://127.0.0.1:${number}`);
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1 /;
    for (const line of lines) expect(line).toMatch(time);
    expect(lines.map((line) => line.replace(time, '').replace(/x{100,}/, 'xxx'))).toEqual([
      '"GET /hello.txt?\\x22\\x5c HTTP/1.1" 200 13',
      '"GET /\\x1b[31m" 400 16',
      expect.stringMatching(/^"GET \/ HTTP\/1.1" 200 \d+$/),
      '"\\xe4\\x22 200" 400 16',
      '"GET /xxx" 431 36',
    ]);
    for (const line of lines) expect(line.length).toBeLessThan(1200);
  });

  it.each([
    [['/nonexistent'], 'ENOENT'],
    [[join(folder, 'hello.txt')], 'is not a folder'],
    [['--timeout', 'never'], '--timeout must be'],
    [['a', 'b'], 'usage: http_server'],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { code, stderr } = await run('http_server', '--port', '0', ...args);
    expect(stderr).toMatch(/^http_server: .*\n$/);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });
});

function curl(...args: string[]) {
  const { status, stdout, stderr } = spawnSync('curl', ['-s', '-S', ...args], {
    maxBuffer: 100 * MiB,
  });
  return { status, stdout, text: stdout.toString('latin1'), stderr: String(stderr) };
}

describe.runIf(has('curl', '--version'))('curl', () => {
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const code = (...args: string[]) => curl('-o', '/dev/null', '-w', '%{http_code}', ...args).text;

  it('downloads a file, and uses the connection for a second one', () => {
    const { stdout, stderr } = curl('-v', url('/big'), url('/hello.txt'));
    expect(stdout.equals(Buffer.concat([big, Buffer.from('hello, world\n')]))).toBe(true);
    expect(stderr).toContain('Re-using existing connection');
  });

  it('goes on with a download that was broken off', () => {
    const path = join(above, 'download');
    writeFileSync(path, big.subarray(0, 3_000_000));
    expect(curl('-C', '-', '-o', path, url('/big')).status).toBe(0);
    expect(readFileSync(path).equals(big)).toBe(true);
  });

  it('gets what it asks for', () => {
    expect(curl('-r', '0-4', url('/hello.txt')).text).toBe('hello');
    expect(curl('-I', url('/hello.txt')).text).toContain('\r\nContent-Length: 13\r\n');
    expect(curl('-L', url('/indexed')).text).toBe('<p>index\n');
    expect(curl('-0', url('/hello.txt')).text).toBe('hello, world\n');
    expect(code('-z', 'Fri, 01 Jan 2100 00:00:00 GMT', url('/hello.txt'))).toBe('304');
    expect(code('--path-as-is', url('/../secret'))).toBe('404');
    expect(code('-d', 'x', url('/hello.txt'))).toBe('405');
    expect(code('-H', 'Host:', url('/'))).toBe('400');
  });

  it('may send what is not wanted', () => {
    const path = join(above, 'upload');
    writeFileSync(path, Buffer.alloc(MiB));
    const expecting = ['-H', 'Expect: 100-continue', '-T', path];
    expect(curl('-v', ...expecting, url('/x')).stderr).toMatch(/100 Continue.* 405 /s);
    writeFileSync(path, Buffer.alloc(5 * MiB));
    expect(code('-H', 'Expect:', '-T', path, url('/x'))).toBe('413');
    expect(code('-H', 'Expect:', '-T', '-', url('/x'))).toBe('411');
  });
});

describe('under load', () => {
  it('needs Debian’s curl, wrk and apache2-utils for some tests', (context) => {
    need(context, 'curl', 'curl');
    need(context, 'wrk', 'wrk');
    need(context, 'ab', 'apache2-utils');
  });

  it.runIf(has('wrk', '--version')).each([
    ['/hello.txt', 64],
    ['/big', 4],
    ['/nothing', 64],
  ])('wrk gets %s without an error', (path, connections) => {
    const args = ['-t1', `-c${connections}`, '-d1', `http://127.0.0.1:${port}${path}`];
    const { stdout } = spawnSync('wrk', args, { encoding: 'utf8' });
    expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(10);
    expect(stdout).not.toContain('Socket errors');
    expect(stdout.includes('Non-2xx')).toBe(path === '/nothing');
  });

  it.runIf(has('ab', '-V')).each([
    ['one connection for each', []],
    ['connections that are kept', ['-k']],
  ])('ab makes 2,000 requests on %s', (_, options) => {
    const args = [...options, '-n', '2000', '-c', '16', `http://127.0.0.1:${port}/hello.txt`];
    const { stdout } = spawnSync('ab', args, { encoding: 'utf8' });
    expect(stdout).toMatch(/Complete requests: +2000\nFailed requests: +0\n/);
    expect(stdout).toContain('HTML transferred:       26000 bytes');
    expect(/Keep-Alive requests: +(\d+)/.exec(stdout)?.[1]).toBe(options[0] && '2000');
  });
});
