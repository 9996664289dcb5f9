/** The examples that take bytes from anybody, as what test/fuzz.test.ts may do to them. */
import type { ChildProcess } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTLS } from 'node:tls';
import { LOCAL } from '@asyncore/test-support/certificates';
import { Random } from '@asyncore/test-support/random';
import { afterAll, expect } from 'vitest';
import { serverFor } from './example.js';
import { attack, attackByUDP, behaviour, input } from './fuzz_attack.js';
import { Client, example, runner, service } from './service.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
writeFileSync(join(folder, 'hello.txt'), 'hello, world\n');
/** Whose files may be renamed and deleted. */
const ftpFolder = join(folder, 'ftp');
mkdirSync(ftpFolder);
writeFileSync(join(ftpFolder, 'hello.txt'), 'hello, world\n');
afterAll(() => rmSync(folder, { recursive: true }));

/** An example that runs, and what can be done to it. */
interface Running {
  child: ChildProcess;
  attack(random: Random, bytes: Buffer): Promise<void>;
  /** Lets a proper client come, and expects that it is answered properly. */
  serves(): Promise<void>;
}

interface Server {
  /** What is mutated: what a client may say, in lines or pieces that are put together. */
  words: string[];
  start(name: string, seed: number): Promise<Running>;
}

/** Of a server that a client says `says` to, and hears `hears`. */
function running(
  child: ChildProcess,
  where: number | string,
  says: string,
  hears: RegExp,
): Running {
  return {
    child,
    attack: (random, bytes) => attack(random, where, bytes),
    async serves() {
      const client = new Client(where);
      client.say(says);
      const text = await client.until(hears);
      client.socket.destroy();
      expect(text).toMatch(hears);
    },
  };
}

/** The beginning of one, and no more. */
const CLIENT_HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';

/** Of a server that speaks TLS, and is attacked below it. */
async function overTLS(name: string, says: string, hears: RegExp): Promise<Running> {
  const { child, port } = await example(name, '--cert', LOCAL.certFile, '--key', LOCAL.keyFile);
  return {
    child,
    attack: (random, bytes) => attack(random, port, bytes),
    async serves() {
      const socket = connectTLS({ port, host: '127.0.0.1', ca: LOCAL.cert });
      let text = '';
      socket.write(says);
      for await (const data of socket) {
        text += data;
        if (hears.test(text)) break; // which destroys it
      }
      expect(text).toMatch(hears);
    },
  };
}

function onPort(says: string, hears: RegExp, ...args: string[]): Server['start'] {
  return async (name) => {
    const { child, port } = await example(name, ...args);
    return running(child, port, says, hears);
  };
}

/** Sends it until `heard`, for UDP may lose it. */
async function sendUntil(
  heard: Promise<unknown>,
  socket: DatagramSocket,
  text: string,
  port: number,
) {
  const send = () => socket.send(text, port, '127.0.0.1');
  const again = setInterval(send, 500);
  send();
  await heard.finally(() => clearInterval(again));
  socket.close();
}

const LINES = ['hello\n', '\r\n', '\r', 'quit\r\n', 'x'.repeat(2000), '\xff\xfb\x01', '\0'];
const REQUEST = 'GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

export const SERVERS: Record<string, Server> = {
  chat_room: {
    words: [...LINES, '/join porch\n', '/who\n', '/rooms\n', '/quit\n', 'ann\n', 'bob\r\n'],
    start: onPort('proper\nhello\n', /proper: hello\r\n/),
  },
  echo_server: { words: LINES, start: onPort('hello', /hello/) },
  ftp_server: {
    start: onPort(
      'USER u\r\nPASS p\r\nNOOP\r\n',
      /^200 fine\r\n/m,
      ...['--root', ftpFolder, '--user', 'u', '--password', 'p'],
    ),
    words: [
      'USER u\r\nPASS p\r\n',
      'EPSV\r\n',
      'PASV\r\nRETR hello.txt\r\n',
      'PORT 127,0,0,1,255,255\r\nLIST\r\n',
      'EPRT |1|127.0.0.1|65535|\r\nMLSD\r\n',
      'STOR fuzzed\r\n',
      '\xff\xf4\xff\xf2ABOR\r\n',
      'CWD ../../..\r\nMKD a\r\nCWD a\r\n',
      'RNFR fuzzed\r\nRNTO a/b\r\n',
      'REST 5\r\nMLST hello.txt\r\nSTAT .\r\n',
      'SITE CHMOD 600 fuzzed\r\nOPTS MLST type;\r\n',
      'AUTH TLS\r\nFEAT\r\nHELP\r\nQUIT\r\n',
      'x'.repeat(9000),
    ],
  },
  graceful_shutdown: {
    words: ['0\n', '0.001\n', '-1\n', '1e9\n', ...LINES],
    start: onPort('0\n', /done in 0 s/),
  },
  http_server: {
    start: onPort(REQUEST, /^HTTP\/1.1 200 OK\r\n.*hello, world\n$/s, '--quiet', folder),
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
  },
  log_relay: {
    words: ['grep proper\n', 'grep \n', 'count\n', 'help\n', 'quit\n', ...LINES],
    async start(name) {
      const args = [runner, name, '--udp', '0', '--tcp', '0'];
      const { child, line } = await service(process.execPath, args, /UDP port (\d+), .* (\d+)$/);
      const [udp, tcp] = line.slice(1).map(Number);
      return {
        child,
        attack: (random, bytes) =>
          random.chance(0.5) ? attackByUDP(random, udp, bytes) : attack(random, tcp, bytes),
        async serves() {
          const viewer = new Client(tcp);
          viewer.say('grep proper\n');
          // Behind what is still shown of others.
          await viewer.until(/^\+ lines with "proper"\r\n/m);
          const heard = viewer.until(/127.0.0.1 proper\r\n/);
          await sendUntil(heard, createSocket('udp4'), 'proper', udp);
          viewer.socket.destroy();
        },
      };
    },
  },
  https_server: {
    words: ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', CLIENT_HELLO],
    start: (name) => overTLS(name, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', /GET \/\n$/),
  },
  logging_echo_server: { words: LINES, start: onPort('hello', /hello/) },
  multi_core: { words: LINES, start: onPort('hello\n', /hello/, '--workers', '1') },
  port_forward: {
    words: LINES,
    async start(name, seed) {
      // The target is hostile too, but to a proper client.
      const random = new Random(seed + 1);
      const target = await serverFor((socket) => {
        socket.on('error', () => {});
        socket.once('data', (data) => {
          if (data.includes('proper')) socket.end(data);
          else behaviour(random, input(random, LINES))(socket);
        });
      });
      return onPort('proper', /proper/, '127.0.0.1', String(target))(name, seed);
    },
  },
  public_server: { words: [...LINES, 'bye\n'], start: onPort('hello\n', /hello\n/) },
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
    start: onPort('SET proper yes\r\nGET proper\r\n', /^\+OK\r\n\$3\r\nyes\r\n/),
  },
  smtp_server: {
    start: onPort(
      'HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n.\r\n',
      /250 kept\r\n/,
      ...['--mbox', join(folder, 'mbox'), '--size', '10000'],
    ),
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
  },
  socks5_proxy: {
    words: [
      '\x05\x01\x00',
      '\x05\x02\x00\x02',
      '\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x09',
      '\x05\x01\x00\x03\x09localhost\x00\x09',
      `\x05\x01\x00\x04${'\x00'.repeat(15)}\x01\x00\x09`,
      '\x05\x01\x00\x03\x00\x00\x00',
    ],
    start: onPort('\x05\x01\x00\x05\x02\x00\x01', /^.{12}$/s),
  },
  store_server: {
    words: ['put a 5\r\n12345', 'get a\r\n', 'put b 0\n', 'put c 99999999\n', 'quit\n', ...LINES],
    start: onPort('put proper 3\nyesget proper\n', /kept\r\n3\r\nyes/),
  },
  syslog_receiver: {
    words: ['<13>hello\n', '9 <14>hello', '\n', '<191>', '65537 x', '0 ', '1', ...LINES],
    async start(name) {
      const args = [runner, name, '--udp', '0', '--tcp', '0'];
      const ready = /UDP port (\d+), TCP port (\d+)$/;
      const { child, line } = await service(process.execPath, args, ready);
      const [udp, tcp] = line.slice(1).map(Number);
      return {
        child,
        attack: (random, bytes) =>
          random.chance(0.5) ? attackByUDP(random, udp, bytes) : attack(random, tcp, bytes),
        async serves() {
          const printed = new Promise<void>((resolve) => {
            child.stdout?.on('data', (text) => {
              if (String(text).includes('user.notice proper')) resolve();
            });
          });
          const sender = new Client(tcp);
          sender.say('<13>proper\n');
          await printed;
          sender.socket.destroy();
        },
      };
    },
  },
  telnet_server: {
    words: [
      'count\r\n',
      'size\r\0help\n\x08\x7f\x03\x04',
      '\xff\xfb\x18\xff\xfd\x05\xff\xfe\x01',
      '\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0',
      '\xff\xf4\xff\xf2\xff\xf6',
      '\xff\xff',
    ],
    start: onPort('help\r\n', /count, size, quit/),
  },
  tls_echo: { words: [CLIENT_HELLO, ...LINES], start: (name) => overTLS(name, 'hello', /hello/) },
  udp_echo: {
    words: LINES,
    async start(name) {
      const { child, port } = await example(name);
      return {
        child,
        attack: (random, bytes) => attackByUDP(random, port, bytes),
        async serves() {
          const socket = createSocket('udp4');
          await sendUntil(once(socket, 'message'), socket, 'proper', port);
        },
      };
    },
  },
  websocket_server: {
    words: [
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
      '\x81\x85\x00\x00\x00\x00hello',
      '\x88\x80\x00\x00\x00\x00',
      '\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff',
    ],
    start: onPort('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', /426 Upgrade Required/),
  },
  unix_echo: {
    words: LINES,
    async start(name) {
      const path = join(folder, 'socket');
      const args = [runner, name, path];
      const { child } = await service(process.execPath, args, /^echoing on/);
      return running(child, path, 'hello', /hello/);
    },
  },
};
