/** Random and mutated bytes at each example that listens: it survives, and serves the next proper client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { Random } from '../../socket/test/random.mjs';
import { Client, example, peak } from './service.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
writeFileSync(join(folder, 'hello.txt'), 'hello, world\n');
afterAll(() => rmSync(folder, { recursive: true }));

interface Server {
  args?: string[];
  /** What is mutated: what a client may say, in lines or pieces that are put together. */
  words: string[];
  /** What a proper client says, and is answered. */
  says: string;
  hears: RegExp;
}

const LINES = ['hello\n', '\r\n', '\r', 'quit\r\n', 'x'.repeat(2000), '\xff\xfb\x01', '\0'];
const REQUEST = 'GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

const SERVERS: Record<string, Server> = {
  chat_room: {
    words: [...LINES, '/join porch\n', '/who\n', '/rooms\n', '/quit\n', 'ann\n', 'bob\r\n'],
    says: 'proper\nhello\n',
    hears: /proper: hello\r\n/,
  },
  echo_server: { words: LINES, says: 'hello', hears: /hello/ },
  graceful_shutdown: {
    words: ['0\n', '0.001\n', '-1\n', '1e9\n', ...LINES],
    says: '0\n',
    hears: /done in 0 s/,
  },
  http_server: {
    args: ['--quiet', folder],
    words: [
      REQUEST,
      'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345',
      'HEAD /hello.txt HTTP/1.0\r\n\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Range: bytes=0-1,3-4,-2\r\n',
      'If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n',
      'Expect: 100-continue\r\n',
      '/%2e%2e/../etc/passwd',
      '\r\n\r\n',
    ],
    says: REQUEST,
    hears: /^HTTP\/1.1 200 OK\r\n.*hello, world\n$/s,
  },
  logging_echo_server: { words: LINES, says: 'hello', hears: /hello/ },
  multi_core: { args: ['--workers', '1'], words: LINES, says: 'hello\n', hears: /hello/ },
  public_server: { words: [...LINES, 'bye\n'], says: 'hello\n', hears: /hello\n/ },
  redis_server: {
    words: [
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n',
      '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n',
      '*1000000\r\n',
      '$536870912\r\n',
      '$-1\r\n',
      'SET k "a\\x41" EX 100\r\n',
      'KEYS *[a-z]?\\*\r\n',
      'INCR n\r\nEXPIRE n 1\r\nTTL n\r\nDEL n\r\n',
      'CONFIG GET *\r\nINFO\r\nCOMMAND COUNT\r\n',
      'QUIT\r\n',
    ],
    says: 'SET proper yes\r\nGET proper\r\n',
    hears: /^\+OK\r\n\$3\r\nyes\r\n/,
  },
  smtp_sink: {
    args: ['--mbox', join(folder, 'mbox'), '--size', '10000'],
    words: [
      'EHLO me\r\n',
      'MAIL FROM:<a@example.org> SIZE=5\r\n',
      'RCPT TO:<"b c"@example.org>\r\n',
      'DATA\r\n',
      'From a line\r\n..\r\n',
      '.\r\n',
      '\n.\n',
      'RSET\r\nQUIT\r\n',
      'x'.repeat(3000),
    ],
    says: 'HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n.\r\n',
    hears: /250 kept\r\n/,
  },
  store_server: {
    words: ['put a 5\r\n12345', 'get a\r\n', 'put b 0\n', 'put c 99999999\n', 'quit\n', ...LINES],
    says: 'put proper 3\nyesget proper\n',
    hears: /kept\r\n3\r\nyes/,
  },
};
const names = Object.keys(SERVERS);

/** For all of them. */
const seconds = Number(process.env.ASYNCORE_FUZZ_SECONDS ?? 4);
const seed = Number(process.env.ASYNCORE_FUZZ_SEED ?? Date.now() % 2 ** 32);
vi.setConfig({ testTimeout: (seconds + 60) * 1000 });

const LONGEST = 64 * 1024;

/** Something that a client could say, and then something is done to it. */
function input(random: Random, words: string[]): Buffer {
  const count = 1 + random.below(12);
  let bytes = Buffer.from(
    Array.from({ length: count }, () => random.pick(words)).join(''),
    'latin1',
  );
  for (let changes = random.below(6); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    const to = at + random.below(random.pick([2, 10, bytes.length + 1]));
    const noise = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
    const number = Buffer.from(String(random.pick([0, -1, 1e9, 2 ** 31, 2 ** 53, 1e20, 'NaN'])));
    const word = Buffer.from(random.pick(words), 'latin1');
    const piece = random.pick([noise, number, word, bytes.subarray(at, to), Buffer.alloc(0)]);
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      piece,
      bytes.subarray(random.chance(0.5) ? at : to),
    ]);
  }
  return bytes.subarray(0, LONGEST);
}

/** A client that says it, in pieces or at once, reads or does not, and leaves in some way. */
async function attack(random: Random, port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const isReading = random.chance(0.7);
  if (isReading) socket.resume();
  const cut = random.chance(0.5) ? bytes.length : random.below(bytes.length + 1);
  await new Promise((done) => socket.write(bytes.subarray(0, cut), done));
  await new Promise((done) => socket.write(bytes.subarray(cut), done));
  const leave = random.pick<(socket: Socket) => void>([
    (socket) => void socket.end(),
    (socket) => void socket.destroy(),
    (socket) => void socket.resetAndDestroy(),
  ]);
  leave(socket);
  if (!socket.destroyed) {
    socket.resume();
    await Promise.race([
      new Promise((closed) => socket.on('close', closed)),
      // A server that waits for more does not close: such a client has waited long enough by then.
      new Promise((resolve) => setTimeout(resolve, 100)),
    ]);
    socket.destroy();
  }
}

it.each(names)('%s survives random and mutated input', async (name) => {
  const { args = [], words, says, hears } = SERVERS[name];
  const { child, port } = await example(name, ...args);
  onTestFinished(() => void child.kill('SIGKILL'));
  const serves = async () => {
    const client = new Client(port);
    client.say(says);
    const text = await client.until(hears);
    client.socket.destroy();
    return text;
  };
  const again = `ASYNCORE_FUZZ_SECONDS=${seconds} ASYNCORE_FUZZ_SEED=${seed} npx vitest run test/fuzz.test.ts -t ${name}`;
  // One of them says its port before it listens.
  await expect.poll(serves, { timeout: 10_000 }).toMatch(hears);
  const before = peak(child);
  const random = new Random(seed);
  const end = performance.now() + (seconds / names.length) * 1000;
  let sent = 0;
  do {
    const inputs = Array.from({ length: 1 + random.below(10) }, () => input(random, words));
    await Promise.all(inputs.map((bytes) => attack(random, port, bytes)));
    sent += inputs.reduce((sum, { length }) => sum + length, 0);
    expect([child.exitCode, child.signalCode], again).toEqual([null, null]);
  } while (performance.now() < end);
  expect(await serves(), again).toMatch(hears);
  // Two of them keep what they are given, for as long as they run.
  expect(peak(child) - before, again).toBeLessThan((100 << 20) + sent);
  console.log(`${name}: ${sent} bytes from seed ${seed}`);
});
