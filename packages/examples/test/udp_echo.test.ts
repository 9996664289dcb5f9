import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { needIPv6 } from './example.js';
import { example, has, need } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let port = 0;

beforeAll(async () => {
  ({ port } = await example('udp_echo'));
});

/** Sends a datagram from a socket of its own, again each second until one comes back: UDP may lose it. */
async function echoed(data: Buffer, to = port, host = '127.0.0.1'): Promise<Buffer> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  onTestFinished(() => void socket.close());
  const send = () => socket.send(data, to, host);
  const again = setInterval(send, 1000);
  onTestFinished(() => clearInterval(again));
  send();
  const [answer] = await once(socket, 'message');
  return answer;
}

it.each([1, 1400, 65507])('sends a datagram of %i bytes back whole', async (size) => {
  const data = randomBytes(size);
  expect((await echoed(data)).equals(data)).toBe(true);
});

it('sends an empty datagram back, and goes on', async () => {
  expect((await echoed(Buffer.alloc(0))).length).toBe(0);
  expect(String(await echoed(Buffer.from('more')))).toBe('more');
});

it('sends each of 100 senders its own', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => echoed(Buffer.from(`this is ${i}`))),
  );
  expect(answers.map(String)).toEqual(answers.map((_, i) => `this is ${i}`));
});

it('answers no other server of its kind: the two would go on for ever', async (context) => {
  context.skip(process.platform !== 'linux', 'needs 127.0.0.2: runs on Linux');
  const other = createSocket('udp4');
  onTestFinished(() => void other.close());
  other.bind(port, '127.0.0.2');
  await once(other, 'listening');
  const heard = vi.fn();
  other.on('message', heard);
  for (let i = 0; i < 10; i++) other.send('who is it?', port, '127.0.0.1');
  await echoed(Buffer.from('a client'));
  expect(heard).not.toHaveBeenCalled();
});

it('listens on IPv6 too', async (context) => {
  await needIPv6(context);
  const { port } = await example('udp_echo', '--host', '::1');
  expect(String(await echoed(Buffer.from('six'), port, '::1'))).toBe('six');
});

it('goes on after a datagram that cannot be answered', async (context) => {
  // One that says it comes from port 0, which only root can send.
  const script = `
import socket, struct, sys
data = b'where?'
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.sendto(struct.pack('!HHHH', 0, ${port}, 8 + len(data), 0) + data, ('127.0.0.1', 0))
`;
  context.skip(!has('python3', '--version'), 'needs python3: apt-get install python3');
  const { status } = spawnSync('python3', ['-c', script], { stdio: 'ignore' });
  context.skip(status !== 0, 'needs a raw socket: run it as root');
  expect(String(await echoed(Buffer.from('still there?')))).toBe('still there?');
});

it('talks with nc', (context) => {
  context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
  const args = ['-u', '-w', '1', '127.0.0.1', `${port}`];
  const { stdout } = spawnSync('nc', args, { input: 'hello', encoding: 'utf8' });
  expect(stdout).toBe('hello');
});

it('talks with socat', (context) => {
  need(context, 'socat', 'socat');
  const args = ['-t', '1', '-', `UDP:127.0.0.1:${port}`];
  const { stdout } = spawnSync('socat', args, { input: 'hello', encoding: 'utf8' });
  expect(stdout).toBe('hello');
});
