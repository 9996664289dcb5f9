import { type ChildProcess, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedisHandler, RedisServer } from '@asyncore/examples';
import { SO_KEEPALIVE, SOL_SOCKET } from '@asyncore/socket';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answersTo, isHeldUp } from './fed.js';
import { Client, example, has, need, peak, service } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const INSTALL = 'redis-tools';
const MiB = 1 << 20;
let port = 0;
let child: ChildProcess;

beforeAll(async () => {
  ({ child, port } = await example('redis_server'));
});

/** A request as clients send it. */
function request(...args: (string | Buffer)[]): Buffer {
  const parts = args.flatMap((arg) => {
    const bytes = Buffer.from(arg as string, 'latin1');
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}

/** What a server answers to `input`, and whether it closes the connection after that. */
async function answer(where: number | string, input: string | Buffer): Promise<[string, boolean]> {
  const client = new Client(where);
  client.say(request('FLUSHALL'));
  client.say(input);
  client.say(request('ECHO', 'that is all'));
  await client.until(/\$11\r\nthat is all\r\n$/);
  return [client.text.replace(/^\+OK\r\n/, ''), client.closed];
}

function cli(...args: string[]): string {
  const { stdout } = spawnSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' });
  return stdout.trimEnd();
}

describe('redis-cli', () => {
  it.each([
    [['PING'], 'PONG'],
    [['ECHO', 'two words'], '"two words"'],
    [['SET', 'k', 'v', 'EX', '100', 'NX'], 'OK'],
    [['SET', 'k', 'w', 'NX'], '(nil)'],
    [['GET', 'k'], '"v"'],
    [['EXPIRE', 'k', '50'], '(integer) 1'],
    [['SET', 'n', '41'], 'OK'],
    [['INCR', 'n'], '(integer) 42'],
    [['KEYS', '?'], '1) "k"\n2) "n"'],
    [['EXISTS', 'k', 'n', 'o'], '(integer) 2'],
    [['DEL', 'k', 'n', 'o'], '(integer) 2'],
    [['FLUSHALL'], 'OK'],
    [['KEYS', '*'], '(empty array)'],
    [['NOSUCH', 'a'], "(error) ERR unknown command 'NOSUCH', with args beginning with: 'a'"],
  ])('%j answers %j', (args, answer) => {
    if (!has('redis-cli', '--version')) return;
    expect(cli('--no-raw', ...args)).toBe(answer);
  });

  it('TTL answers the seconds that are left', (context) => {
    need(context, 'redis-cli', INSTALL);
    cli('SET', 'short', 'v', 'EX', '100');
    const left = Number(cli('--raw', 'TTL', 'short'));
    expect(left).toBeLessThanOrEqual(100);
    expect(left).toBeGreaterThan(80); // on a busy machine too
    cli('DEL', 'short');
  });

  it('needs Debian’s redis-tools for the tests above', (context) => {
    need(context, 'redis-cli', INSTALL);
  });

  it('sets a value of 64 MB and gets it back, in no more memory than that', (context) => {
    need(context, 'redis-cli', INSTALL);
    const value = randomBytes(64 * MiB);
    const before = peak(child);
    const set = spawnSync('redis-cli', ['-p', String(port), '-x', 'SET', 'large'], {
      input: value,
    });
    expect(String(set.stdout)).toBe('OK\n');
    const get = spawnSync('redis-cli', ['-p', String(port), '--raw', 'GET', 'large'], {
      maxBuffer: 100 * MiB,
    });
    expect(get.stdout.length).toBe(value.length + 1);
    expect(sha(get.stdout.subarray(0, -1))).toBe(sha(value));
    expect(peak(child) - before).toBeLessThan(64 * MiB + 64 * MiB);
    expect(cli('DEL', 'large')).toBe('1');
  });

  it('inserts many keys by --pipe', (context) => {
    need(context, 'redis-cli', INSTALL);
    const input = Buffer.concat(
      Array.from({ length: 20_000 }, (_, i) => request('SET', `key ${i}`, `value ${i}`)),
    );
    const { stdout } = spawnSync('redis-cli', ['-p', String(port), '--pipe'], { input });
    expect(String(stdout)).toContain('errors: 0, replies: 20000');
    expect(cli('GET', 'key 19999')).toBe('value 19999');
  });
});

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

it.for(['1', '16'])('redis-benchmark -P %s is served without an error', (pipeline, context) => {
  need(context, 'redis-benchmark', INSTALL);
  const load = ['-P', pipeline, '-c', '50', '-n', '20000', '-t', 'ping,set,get,incr'];
  const args = ['-p', String(port), '--csv', ...load];
  const { status, stdout } = spawnSync('redis-benchmark', args, { encoding: 'utf8' });
  expect(status).toBe(0);
  const lines = stdout.trim().split('\n').slice(1);
  const tests = lines.map((line) => line.split(',')[0]);
  expect(tests).toEqual(['"PING_INLINE"', '"PING_MBULK"', '"SET"', '"GET"', '"INCR"']);
});

describe('the same as a real redis-server answers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  const path = join(folder, 'redis');
  const isInstalled = has('redis-server', '--version');
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeAll(async () => {
    if (!isInstalled) return;
    const quiet = ['--save', '', '--appendonly', 'no', '--dir', folder, '--daemonize', 'no'];
    const args = ['--port', '0', '--unixsocket', path, ...quiet];
    await service('redis-server', args, /ready to accept connections|Ready to accept/i);
  });

  it('needs Debian’s redis-server for the tests below', (context) => {
    need(context, 'redis-server', 'redis-server');
  });

  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  it.skipIf(!isInstalled).each([
    // Requests.
    request('PING'),
    request('ping', 'text'),
    request('PING', 'a', 'b'),
    request('ECHO'),
    request('SET', binary, binary),
    Buffer.concat([request('SET', binary, binary), request('GET', binary)]),
    Buffer.concat([request('SET', '', ''), request('GET', ''), request('EXISTS', '', '')]),
    request('nosuch', 'a\r\nb', 'x'.repeat(200)),
    request('n'.repeat(300), 'a', 'b'),
    'SET k v\r\nGET k\r\nDEL k k\r\nGET k\r\n',
    'SET k v NX\r\nSET k w NX\r\nSET k w XX\r\nGET k\r\nSET l v XX\r\nGET l\r\n',
    'SET k v EX 100\r\nTTL k\r\nSET k v\r\nTTL k\r\nTTL none\r\n',
    'SET k v px 100000 xx\r\nSET k v nx px 100000\r\nTTL k\r\n',
    'SET k v NX XX\r\nSET k v EX 1 PX 1\r\nSET k v EX\r\nSET k v FOO\r\nSET k\r\n',
    'SET k v EX 0\r\nSET k v EX -1\r\nSET k v EX x\r\nSET k v EX 9223372036854775807\r\n',
    'SET k v\r\nEXPIRE k 100\r\nTTL k\r\nEXPIRE k -1\r\nEXISTS k\r\nEXPIRE k 100\r\n',
    'SET k v\r\nEXPIRE k x\r\nEXPIRE k 9223372036854775807\r\nEXPIRE k\r\n',
    'INCR n\r\nINCR n\r\nGET n\r\nSET n 9223372036854775806\r\nINCR n\r\nINCR n\r\n',
    'SET n -10\r\nINCR n\r\nSET n 01\r\nINCR n\r\nSET n x\r\nINCR n\r\nSET n 1.5\r\nINCR n\r\n',
    'SET n 9223372036854775808\r\nINCR n\r\nSET n " 1"\r\nINCR n\r\nSET n -0\r\nINCR n\r\n',
    'SET n 1 EX 100\r\nINCR n\r\nTTL n\r\n',
    'FLUSHALL ASYNC\r\nFLUSHALL sync\r\nFLUSHALL now\r\nFLUSHALL a b\r\n',
    'CONFIG GET save\r\nCONFIG GET appendonly\r\nCONFIG\r\nCONFIG FOO\r\nGET\r\nKEYS\r\n',
    'QUIT\r\nPING\r\n',
    // HTTP.
    'POST / HTTP/1.1\r\nSET k v\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nSET k v\r\n',
    request('post', 'a'),
    // Patterns.
    ...['*', 'a*', '*b', 'a?c', 'a[b-d]c', 'a[^b]c', '[', 'a\\*c', '*a*b*', 'ab', 'a[c-a]c'].map(
      (pattern) => `SET abc 1\r\nKEYS ${pattern}\r\n`,
    ),
    'SET a*c 1\r\nKEYS a\\*c\r\nKEYS a[*]c\r\nKEYS a[\\*]c\r\n',
    // Inline requests.
    '\r\n\n  \r\nPING\nping\r\n',
    '  SET  k   "two words"  \r\nGET k\r\n',
    "SET k 'it\\'s'\r\nGET k\r\nPING '\\x41'\r\n",
    'PING "\\x41\\n\\r\\t\\a\\b\\\\\\q\\""\r\nPING ""\r\n',
    'SET k "open\r\n',
    "SET k 'open\r\n",
    'SET k "a"b\r\n',
    "SET k 'a'b\r\n",
    'SET k a"b c"\r\nGET k\r\n',
    '" \r\n',
    // Protocol errors.
    '*1\r\nx4\r\nPING\r\n',
    '*1\r\n\r\n',
    '*x\r\n',
    '*\r\n',
    '*01\r\n',
    '*+1\r\n',
    '*1 \r\n',
    '*-1\r\nPING\r\n',
    '*0\r\nPING\r\n',
    '*2147483648\r\n',
    '*99999999999999999999\r\n',
    '*1\r\n$-1\r\n',
    '*1\r\n$\r\n',
    '*1\r\n$x\r\n',
    '*1\r\n$04\r\nPING\r\n',
    `*1\r\n$${512 * MiB + 1}\r\n`,
    '*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n',
  ])('to %j', async (input) => {
    expect(await answer(port, input)).toEqual(await answer(path, input));
  });

  it.skipIf(!isInstalled).each(['', '*', '*1\r\n$'])(
    'to a line of 66,000 bytes after %j',
    async (start) => {
      const [ours, theirs] = [port, path].map((where) => {
        const client = new Client(where);
        client.say(start + '1'.repeat(66_000));
        return client.until(/never/);
      });
      expect(await ours).toMatch(/^-ERR Protocol error: too big .*\r\n$/);
      expect(await ours).toBe(await theirs);
    },
  );
});

it.each([
  'POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nSET forged yes\r\n',
  'GET / HTTP/1.1\r\nhost: a\r\nX: \r\nSET forged yes\r\n',
])('obeys nothing that comes in a request of HTTP: %j', async (input) => {
  const [, closed] = await answer(port, input);
  expect(closed).toBe(true);
  expect(await answer(port, 'EXISTS forged\r\n')).toEqual([':0\r\n$11\r\nthat is all\r\n', false]);
});

it('a line of 64 KB that is all spaces but for its end keeps nobody waiting', async () => {
  const client = new Client(port);
  client.say(`PING${' '.repeat(65_000)}x\r\n`.repeat(5));
  await client.until(/(\$1\r\nx\r\n){5}/);
}, 5000);

it('long values that are announced and never come take no memory', async (context) => {
  context.skip(peak(child) === 0, 'needs /proc: runs on Linux');
  const before = peak(child);
  const clients = Array.from({ length: 20 }, () => new Client(port));
  for (const client of clients) client.say('PING\r\n*2\r\n$3\r\nGET\r\n$536870912\r\nx');
  for (const client of clients) await client.until(/PONG/);
  expect(await answer(port, 'PING\r\n')).toEqual(['+PONG\r\n$11\r\nthat is all\r\n', false]);
  expect(peak(child) - before).toBeLessThan(50 * MiB);
});

it('refuses more arguments than Redis took before version 7', async () => {
  expect(await answer(port, `*${MiB + 1}\r\n`)).toEqual([
    '-ERR Protocol error: invalid multibulk length\r\n',
    true,
  ]);
});

it('has the system look whether silent clients are still there', () => {
  const server = new RedisServer('127.0.0.1', 0);
  expect(server.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBeGreaterThan(0);
  server.close();
});

it('a client that reads no answers is not read from', () => {
  const input = request('ECHO', 'x'.repeat(10_000)).toString();
  expect(isHeldUp((sock) => new RedisHandler(sock), input)).toBe(true);
});

it('forgets what has expired', async () => {
  const client = new Client(port);
  client.say('SET short lived PX 1\r\nSET long lived EX 100\r\n');
  await client.until(/OK\r\n.*OK\r\n$/s);
  await expect
    .poll(async () => {
      client.text = '';
      client.say('GET short\r\nTTL short\r\nEXISTS short long\r\nKEYS *lived\r\nKEYS short\r\n');
      return client.until(/(\*\d\r\n.*){2}/s);
    })
    .toBe('$-1\r\n:-2\r\n:1\r\n*0\r\n*0\r\n');
});

it('answers a client that has ended its half', async () => {
  const client = new Client(port);
  client.say(request('PING'));
  client.socket.end();
  expect(await client.until(/never/)).toBe('+PONG\r\n');
});

it('answers 1,000 requests that come at once, in order', async () => {
  const client = new Client(port);
  const numbers = Array.from({ length: 1000 }, (_, i) => String(i));
  client.say(Buffer.concat(numbers.map((number) => request('ECHO', number))));
  const text = await client.until(/\r\n999\r\n$/);
  expect(text).toBe(numbers.map((number) => `$${number.length}\r\n${number}\r\n`).join(''));
});

const answers = (chunks: string[]) => answersTo((sock) => new RedisHandler(sock), chunks);

describe('however requests are cut', () => {
  const requests = [
    request('FLUSHALL'),
    request('SET', 'key', 'value\r\n$3\r\n'),
    'GET key\r\n\r\n',
    request('SET', '', '\xff\0'),
    request('GET', ''),
    '*-1\r\nECHO "a b"\n',
    request('ECHO', '*1\r\n'),
    'SET key\r\n',
    '*1\r\n$1\r\nX\r\n*1\r\n$-7\r\n+++',
  ]
    .map((text) => text.toString('latin1'))
    .join('');
  const whole = answers([requests]);

  it('whole', () => {
    expect(whole).toBe(
      [
        '+OK\r\n+OK\r\n$11\r\nvalue\r\n$3\r\n\r\n+OK\r\n$2\r\n\xff\0\r\n$3\r\na b\r\n$4\r\n*1\r\n\r\n',
        "-ERR wrong number of arguments for 'set' command\r\n",
        "-ERR unknown command 'X', with args beginning with: \r\n",
        '-ERR Protocol error: invalid bulk length\r\n',
      ].join(''),
    );
  });

  it('in two, anywhere', () => {
    for (let at = 1; at < requests.length; at++) {
      expect(answers([requests.slice(0, at), requests.slice(at)])).toBe(whole);
    }
  });

  it('byte by byte', () => {
    expect(answers([...requests])).toBe(whole);
  });

  it.each([65_534, 65_536, 65_537, 200_000])('a value of %i bytes', (length) => {
    const value = randomBytes(length).toString('latin1');
    const input = `${request('SET', 'k', value).toString('latin1')}${request('GET', 'k')}`;
    const chunks = (size: number) => input.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    for (const size of [1000, 4096, 65_536, input.length]) {
      expect(answers(chunks(size)) === `+OK\r\n$${length}\r\n${value}\r\n`).toBe(true);
    }
  });
});
