/** Input made to keep a pattern or a parser busy: each server is through with it at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import type { async_chat } from '@asyncore/chat';
import {
  FTPHandler,
  FTPServer,
  HTTPHandler,
  HTTPServer,
  PublicHandler,
  RedisHandler,
  SMTPHandler,
  SMTPServer,
  StoreHandler,
} from '@asyncore/examples';
import type { Socket } from '@asyncore/socket';
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { answersTo } from './fed.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000 });

/** In milliseconds. What is not linear takes many times as long. */
const BOUND = 5000;

const folder = mkdtempSync(`${tmpdir()}/asyncore`);
const ftp = new FTPServer('127.0.0.1', 0, folder);
const http = new HTTPServer('127.0.0.1', 0, folder, 30, true);
const smtp = new SMTPServer('127.0.0.1', 0, () => {});
afterAll(() => {
  ftp.close();
  http.close();
  smtp.close();
  rmSync(folder, { recursive: true });
});

/** What each takes before it says that it is too long. */
const servers: [
  string,
  (sock: Socket) => async_chat,
  length: number,
  before: string[],
  end: string,
][] = [
  [
    'http_server: a request line',
    (sock) => new HTTPHandler(sock, http),
    16000,
    ['', 'GET ', 'GET /'],
    '\r\n\r\n',
  ],
  [
    'http_server: a field',
    (sock) => new HTTPHandler(sock, http),
    16000,
    ['', 'Host:', 'Connection:', 'Range: bytes=', 'If-None-Match:', 'If-Modified-Since:'].map(
      (field) => `GET / HTTP/1.1\r\nHost: a\r\n${field}`,
    ),
    '\r\n\r\n',
  ],
  [
    'ftp_server',
    (sock) => new FTPHandler(sock, ['127.0.0.1', 1], ftp.settings),
    8000,
    ['', 'USER ', 'CWD ', 'LIST -', 'STAT ', 'PORT ', 'EPRT |', 'OPTS MLST '].map(
      (command) => `USER ftp\r\nPASS x\r\n${command}`,
    ),
    '\r\n',
  ],
  [
    'smtp_server',
    (sock) => new SMTPHandler(sock, smtp),
    2000,
    ['', 'HELO ', 'HELO a\r\nMAIL FROM:', 'HELO a\r\nMAIL FROM:<', 'HELO a\r\nMAIL FROM:<a> '],
    '\r\n',
  ],
  [
    'redis_server',
    (sock) => new RedisHandler(sock),
    65000,
    ['', '*', '*1\r\n$', 'ECHO ', 'ECHO "', "ECHO '", 'SET k v\r\nKEYS ', 'INCR ', 'EXPIRE k '],
    '\r\n',
  ],
  ['store_server', (sock) => new StoreHandler(sock, new Map()), 990, ['', 'put ', 'put a 1'], '\n'],
  ['public_server', (sock) => new PublicHandler(sock, 0), 990, ['', 'bye'], '\n'],
];

const units = [
  ' ',
  '\t ',
  ',',
  ';',
  ':',
  '.',
  '/',
  '%41',
  '"',
  '\\"',
  "'",
  "\\'",
  '"a',
  '<',
  '<"',
  '>',
  '1',
  '0-',
  '-',
  '[',
  '*',
  '*a',
  '=',
  'a',
  '\xff',
  '\0',
];

it.each(servers)('%s', (_, make, length, beginnings, end) => {
  for (const before of beginnings) {
    for (const unit of units) {
      const input = before + unit.repeat(length / unit.length) + end;
      const started = performance.now();
      answersTo(make, [input, input]);
      expect(performance.now() - started, JSON.stringify(before + unit)).toBeLessThan(BOUND);
    }
  }
});

it('redis_server compares no key with a pattern that would take minutes', () => {
  const make = (sock: Socket) => new RedisHandler(sock);
  const key = 'a'.repeat(100_000);
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const set = `*3\r\n${bulk('SET')}${bulk(key)}${bulk('1')}`;
  const keys = (pattern: string) => `*2\r\n${bulk('KEYS')}${bulk(pattern)}`;
  const started = performance.now();
  const answers = answersTo(make, [
    'FLUSHALL\r\n',
    set,
    keys(`*${'a'.repeat(50_000)}b`),
    keys(`*[${'b'.repeat(50_000)}]`),
    keys(`*${'a'.repeat(254)}b`),
    keys(`*${'a'.repeat(255)}`),
    'FLUSHALL\r\n',
  ]);
  const tooLong = '-ERR the pattern is too long\r\n';
  expect(answers).toBe(`+OK\r\n+OK\r\n${tooLong}${tooLong}*0\r\n*1\r\n${bulk(key)}+OK\r\n`);
  expect(performance.now() - started).toBeLessThan(BOUND);
});

it('chat_room reads a message of Redis full of beginnings of telnet’s at once', async () => {
  const lines = Buffer.alloc(1_000_000, '\xff\xfa', 'latin1');
  const redis = createServer((socket) => {
    let heard = '';
    socket.on('data', (data) => {
      heard += data.toString('latin1');
      if (heard.includes('HELLO')) socket.write('%0\r\n');
      if (heard.includes('SUBSCRIBE') && heard.includes('chat_room:say:lobby')) {
        for (const text of [
          Buffer.concat([Buffer.from('some-id '), lines]),
          Buffer.from('some-id over'),
        ]) {
          socket.write(`>3\r\n$7\r\nmessage\r\n$19\r\nchat_room:say:lobby\r\n$${text.length}\r\n`);
          socket.write(Buffer.concat([text, Buffer.from('\r\n')]));
        }
      }
      if (heard.includes('PING')) socket.write('+PONG\r\n');
      heard = '';
    });
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
  });
  onTestFinished(() => void redis.close());
  await new Promise<void>((resolve) => redis.listen(0, '127.0.0.1', resolve));
  const { port } = redis.address() as { port: number };
  const server = await example('chat_room', '--redis', `redis://127.0.0.1:${port}`);
  const client = new Client(server.port);
  client.say('zoe\n');
  const started = performance.now();
  await client.until(/over\r\n/);
  expect(client.text).toContain('over\r\n');
  expect(performance.now() - started).toBeLessThan(30_000);
});
