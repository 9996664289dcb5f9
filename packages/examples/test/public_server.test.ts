import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { close_all, type dispatcher, loop, socket_map } from '@asyncore/core';
import { PublicServer } from '@asyncore/examples';
import { type InetAddress, SO_KEEPALIVE, SOL_SOCKET } from '@asyncore/socket';
import { expect, it, onTestFinished } from 'vitest';
import { connected, start } from './example.js';

/** Starts it on a free port, and gives that. */
async function publicServer(...args: string[]): Promise<number> {
  const child = start('public_server', '--port', '0', ...args);
  const [line] = await once(child.stdout, 'data');
  const [, port] = /^echoing lines on 127\.0\.0\.1:(\d+)\n$/.exec(String(line)) ?? [];
  return Number(port);
}

/** A connection that has been answered, so that the server has accepted it. */
async function guest(port: number): Promise<Socket> {
  const socket = await connected(port);
  socket.write('hello\n');
  expect(String((await once(socket, 'data'))[0])).toBe('hello\n');
  return socket;
}

/** Until it is closed: by a reset, if the server had not read everything. */
function closed(socket: Socket): Promise<unknown> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', resolve));
}

it('sends lines back, whole or in pieces, until it hears bye', async () => {
  const socket = await connected(await publicServer());
  for (const piece of ['on', 'e\ntwo', '\nbye\nthree\n']) socket.write(piece);
  expect(await text(socket)).toBe('one\ntwo\nbye\n');
});

it('lets a silent client go', async () => {
  const socket = await guest(await publicServer('--timeout', '0.1'));
  expect(await text(socket)).toBe('');
});

it('lets a client go that sends and does not read', async () => {
  const socket = await connected(await publicServer('--timeout', '0.1'));
  const line = Buffer.from(`${'x'.repeat(999)}\n`.repeat(1000));
  const flood = () => socket.write(line, (error) => error ?? flood());
  flood();
  await closed(socket);
});

it('lets a client go that sends a line without end', async () => {
  const socket = await connected(await publicServer());
  socket.write('x'.repeat(2000));
  await closed(socket.resume());
});

it('lets one client too many wait until another has left', async () => {
  const port = await publicServer('--connections', '2');
  const [first, second] = await Promise.all([guest(port), guest(port)]);
  const third = await connected(port);
  third.write('third\n');
  const answer = once(third, 'data');
  for (let i = 0; i < 10; i++) {
    second.write('hello\n');
    await once(second, 'data');
  }
  expect(third.bytesRead).toBe(0);
  first.end('bye\n');
  expect(String((await answer)[0])).toBe('third\n');
});

it('has its connections kept alive', async () => {
  const server = new PublicServer('127.0.0.1', 0);
  onTestFinished(() => close_all());
  const running = loop();
  const [, port] = server.getsockname() as InetAddress;
  await guest(port);
  const channel = [...socket_map.values()].at(-1) as dispatcher;
  expect(channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).not.toBe(0);
  close_all();
  await running;
});
