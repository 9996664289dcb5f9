/** Random and mutated bytes at each example that takes them from peers: it survives, and serves the next proper one. */
// In a process of its own: its programs take so long that a start more does not count.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { loop } from '@asyncore/core';
import { HTTPClient, HTTPDownload } from '@asyncore/examples';
import { Random } from '@asyncore/test-support/random';
import { expect, it, onTestFinished, vi } from 'vitest';
import { ended, serverFor, start } from './example.js';
import { behaviour, input } from './fuzz_attack.js';
import { SERVERS } from './fuzz_servers.js';
import { peak } from './service.js';

const servers = Object.keys(SERVERS);
const clients = ['http_client', 'tee_stdin'];

/** For all of them. */
const seconds = Number(process.env.ASYNCORE_FUZZ_SECONDS ?? 5);
const seed = Number(process.env.ASYNCORE_FUZZ_SEED ?? Date.now() % 2 ** 32);
const each = (seconds / (servers.length + clients.length)) * 1000;
vi.setConfig({ testTimeout: (seconds + 60) * 1000 });

const again = (name: string) =>
  `ASYNCORE_FUZZ_SECONDS=${seconds} ASYNCORE_FUZZ_SEED=${seed} npx vitest run test/fuzz.test.ts -t ${name}`;

it.each(servers)('%s survives random and mutated input', async (name) => {
  const { words, start } = SERVERS[name];
  const { child, attack, serves } = await start(name, seed);
  onTestFinished(() => void child.kill('SIGKILL'));
  // A program that does not expect what peers do goes on, but says so.
  const surprises: string[] = [];
  child.stdout?.on('data', (text) => {
    surprises.push(...(String(text).match(/.*uncaptured exception.*/g) ?? []));
  });
  // One of them says its port before it listens.
  await expect.poll(serves, { timeout: 10_000 }).toBeUndefined();
  const before = peak(child);
  const random = new Random(seed);
  const end = performance.now() + each;
  let sent = 0;
  do {
    const inputs = Array.from({ length: 1 + random.below(10) }, () => input(random, words));
    await Promise.all(inputs.map((bytes) => attack(random, bytes)));
    sent += inputs.reduce((sum, { length }) => sum + length, 0);
    const { exitCode, signalCode } = child;
    expect([exitCode, signalCode, surprises], again(name)).toEqual([null, null, []]);
  } while (performance.now() < end);
  await serves().catch((error) => {
    throw new Error(`${error.message}\nAgain: ${again(name)}`);
  });
  // Two of them keep what they are given, for as long as they run.
  expect(peak(child) - before, again(name)).toBeLessThan((100 << 20) + sent);
  console.log(`${name}: ${sent} bytes from seed ${seed}`);
});

const PROPER = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const ANSWERS = [
  PROPER,
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.0 404 Not Found\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  '\r\n',
  '\r\n\r\n',
  '5\r\nhello\r\n',
  'fffffffff\r\n',
  '0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  'x'.repeat(70_000),
];

/**
 * Lets a client meet a server that has some `bytes` for it and bad manners, again and again. Gives the
 * port of that server, which is a proper one from then on.
 */
async function againstAnything(
  name: string,
  meet: (port: number, bytes: Buffer, random: Random) => Promise<void>,
): Promise<number> {
  let behave: (socket: Socket) => void;
  const port = await serverFor((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => behave(socket)); // whatever that is
  });
  const random = new Random(seed);
  const end = performance.now() + each;
  let sent = 0;
  do {
    const bytes = input(random, ANSWERS);
    behave = behaviour(random, bytes);
    await meet(port, bytes, random);
    sent += bytes.length;
  } while (performance.now() < end);
  behave = (socket) => socket.end(PROPER);
  console.log(`${name}: ${sent} bytes from seed ${seed}`);
  return port;
}

it('http_client survives random and mutated answers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'file');
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  const port = await againstAnything('http_client', async (port, _, random) => {
    const print = () => new HTTPClient('127.0.0.1', '/', port, nowhere());
    const download = () => new HTTPDownload('127.0.0.1', '/', port, file);
    const client = random.pick<() => HTTPClient | HTTPDownload>([print, download])();
    await loop();
    expect(client.error?.constructor.name ?? 'Error', again('http_client')).toMatch(/^(OS)?Error$/);
    if (client instanceof HTTPClient || client.error !== null) return;
    const { length, received } = client;
    expect([length ?? received, statSync(file).size], again('http_client')).toEqual([
      received,
      received,
    ]);
  });
  const client = new HTTPDownload('127.0.0.1', '/', port, file);
  await loop();
  expect([client.error, client.received], again('http_client')).toEqual([null, 5]);
});

it('tee_stdin prints what comes, and ends, whatever its server does', async () => {
  await againstAnything('tee_stdin', async (port, bytes, random) => {
    const child = start('tee_stdin', '--port', String(port));
    child.stdin.on('error', () => {}); // it has gone
    child.stdin.write(input(random, ANSWERS));
    if (random.chance(0.5)) child.stdin.end();
    const { code, stdout, stderr } = await ended(child);
    expect([code, stderr], again('tee_stdin')).toEqual([0, '']);
    expect(stdout.equals(bytes.subarray(0, stdout.length)), again('tee_stdin')).toBe(true);
  });
});
