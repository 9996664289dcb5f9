import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { close_all, loop, socket_map } from '@asyncore/core';
import { EchoServer } from '@asyncore/examples';
import type { InetAddress } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  connected,
  echoServer,
  ended,
  needDescriptors,
  needIPv6,
  run,
  serverFor,
} from './example.js';

/** What comes back on a socket, which stays open. */
function received(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let left = length;
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      left -= chunk.length;
      if (left <= 0) resolve(Buffer.concat(chunks));
    });
    socket.on('close', () => reject(new Error(`closed with ${left} bytes to come`)));
  });
}

/** `count` connections, each of which has got back what it sent. */
async function conversations(port: number, count: number): Promise<Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => connected(port)));
  const said = sockets.map((_, i) => Buffer.concat([Buffer.from(`${i}:`), randomBytes(2000)]));
  const answers = sockets.map((socket, i) => received(socket, said[i].length));
  for (const [i, socket] of sockets.entries()) socket.write(said[i].subarray(0, 1000));
  for (const [i, socket] of sockets.entries()) socket.write(said[i].subarray(1000));
  for (const [i, answer] of answers.entries()) expect(said[i].equals(await answer)).toBe(true);
  return sockets;
}

it('sends hello back', async () => {
  const { port } = await echoServer();
  const socket = await connected(port);
  socket.write('hello\n');
  expect(String(await received(socket, 6))).toBe('hello\n');
});

it('ends a connection that the peer ends', async () => {
  const { port } = await echoServer();
  const socket = await connected(port);
  socket.end('bye');
  expect(String(await received(socket, 3))).toBe('bye');
  await once(socket, 'end');
});

it('listens on IPv6 too', async (context) => {
  await needIPv6(context);
  const { host, port } = await echoServer('--host', '::1');
  expect(host).toBe('[::1]');
  const socket = await connected(port, '::1');
  socket.write('hello');
  expect(String(await received(socket, 5))).toBe('hello');
});

it.each(['while they are sent', 'after the last is sent'])(
  'sends 100 MB back, read %s',
  async (when) => {
    const { port } = await echoServer();
    const socket = await connected(port);
    const sent = createHash('sha256');
    const back = createHash('sha256');
    const listen = () => socket.on('data', (chunk) => back.update(chunk));
    if (when.startsWith('while')) listen();
    for (let i = 0; i < 100; i++) {
      const block = randomBytes(1_000_000);
      sent.update(block);
      if (!socket.write(block)) await once(socket, 'drain');
    }
    socket.end();
    if (when.startsWith('after')) listen();
    await once(socket, 'end');
    expect(back.digest('hex')).toBe(sent.digest('hex'));
  },
);

it('sends 1,000 connections their own bytes back', async (context) => {
  needDescriptors(context, 1100);
  const { port } = await echoServer();
  await conversations(port, 1000);
});

it('survives a connection that is reset', async () => {
  const { port } = await echoServer();
  const reset = await connected(port);
  reset.write(randomBytes(1_000_000));
  await received(reset, 1);
  reset.resetAndDestroy();
  await conversations(port, 1);
});

/** How many sockets a process has open. */
function openSockets(pid = 0): number {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`));
  return links.filter((link) => link.startsWith('socket:')).length;
}

it('keeps nothing of connections that were reset before it could accept them', async (context) => {
  context.skip(!existsSync('/proc/self/fd'), 'needs Linux: /proc/PID/fd lists the descriptors');
  const { child, port } = await echoServer();
  const before = openSockets(child.pid);
  child.kill('SIGSTOP');
  for (const bytes of ['', 'hello', 'hello']) {
    const socket = await connected(port);
    if (bytes) await new Promise((written) => socket.write(bytes, written));
    socket.resetAndDestroy();
  }
  child.kill('SIGCONT');
  await conversations(port, 1);
  await expect.poll(() => openSockets(child.pid)).toBe(before + 1);
});

it('says in one line that its port is in use', async () => {
  const port = await serverFor(() => {});
  const { code, stdout, stderr } = await run('echo_server', '--port', String(port));
  expect(stderr).toBe(
    `echo_server: 127.0.0.1:${port} is in use; choose another with --port, 0 for any that is free\n`,
  );
  expect([code, stdout.length]).toEqual([1, 0]);
});

it('says in one line that an address is not its own', async () => {
  const { code, stderr } = await run('--host', '192.0.2.1', '--port', '0');
  expect(stderr).toMatch(/^echo_server: bind EADDRNOTAVAIL 192\.0\.2\.1:0 \(.+\)\n$/);
  expect(code).toBe(1);
});

it.each(['SIGINT', 'SIGTERM'] as const)('ends quietly by %s', async (name) => {
  const { child, port } = await echoServer();
  await conversations(port, 1);
  child.kill(name);
  const { signal, stderr } = await ended(child);
  expect([signal, stderr]).toEqual([name, '']);
});

it('starts nothing when it is imported', () => {
  expect(socket_map.size).toBe(0);
});

/** How often a 1 ms interval ticks in a second. */
async function ticksInASecond(): Promise<number> {
  let ticks = 0;
  const interval = setInterval(() => (ticks += 1), 1);
  await delay(1000);
  clearInterval(interval);
  return ticks;
}

// Again if the machine had other things to do in one of the two seconds.
it('lets a 1 ms interval keep its pace while its loop waits', { retry: 4 }, async () => {
  const alone = await ticksInASecond();
  const server = new EchoServer('127.0.0.1', 0);
  const running = loop();
  try {
    const [, port] = server.getsockname() as InetAddress;
    await conversations(port, 10);
    expect(await ticksInASecond()).toBeGreaterThan(alone * 0.8);
  } finally {
    close_all();
  }
  await running;
});

/** Processor time used so far, in hundredths of a second, and how often the process woke up. */
function usage(pid = 0): { ticks: number; wakes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, wakes] = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status) ?? [];
  return { ticks: Number(stat[11]) + Number(stat[12]), wakes: Number(wakes) };
}

it('uses no processor time for 1,000 idle connections', async (context) => {
  needDescriptors(context, 1100);
  context.skip(!existsSync('/proc/self/stat'), 'needs Linux: /proc/PID/stat tells the time used');
  const { child, port } = await echoServer();
  await conversations(port, 1000);
  const before = usage(child.pid);
  await delay(5000);
  const after = usage(child.pid);
  // V8 collects garbage when it has nothing else to do: up to 3 ticks were seen.
  expect(after.ticks - before.ticks).toBeLessThanOrEqual(5);
  expect(after.wakes - before.wakes).toBeLessThanOrEqual(20);
});
