// In a process of its own: it measures memory.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  MSG_TRUNC,
  POLLIN,
  read,
  SO_RCVBUF,
  SO_SNDBUF,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';
import { expect, it } from 'vitest';
import { connection, inet, pair, thrown, until } from './support.js';

const pattern = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
const content = (length: number, from = 0) =>
  Buffer.alloc(length + 251, pattern).subarray(from % 251, (from % 251) + length);

/** Gives a socket from which `data` can be received. */
function holding(data: Buffer): Socket {
  const [a, b] = pair();
  for (const socket of [a, b]) {
    socket.setsockopt(SOL_SOCKET, SO_SNDBUF, 1 << 20);
    socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20);
  }
  for (let sent = 0; sent < data.length; ) sent += a.send(data.subarray(sent));
  return b;
}

const sizes = [1, 2047, 2048, 2049, 32767, 32768, 32769, 65535, 65536, 65537, 150_000];

it.each(sizes)('recv(%i) gives as many bytes, the right ones', (size) => {
  const socket = holding(content(size + 10));
  const data = socket.recv(size);
  expect(data.equals(content(size))).toBe(true);
  expect(socket.recv(100).equals(content(10, size))).toBe(true);
});

it.each(sizes)('of %i bytes a recv for more gives just those', (size) => {
  for (const more of [size + 1, 65536, 65537, 2 ** 31 - 1]) {
    if (more < size) continue;
    expect(holding(content(size)).recv(more).equals(content(size))).toBe(true);
  }
});

it.each(sizes)('%i bytes are never overwritten by a later recv', (size) => {
  const socket = holding(content(size));
  const data = socket.recv(size);
  for (const later of sizes) {
    holding(Buffer.alloc(later, 255)).recv(later);
    expect(data.equals(content(size))).toBe(true);
  }
});

it.each(sizes)('%i bytes do not keep a much larger block alive', (size) => {
  for (const more of [size, 65536, 2 ** 31 - 1]) {
    if (more < size) continue;
    const { buffer } = holding(content(size)).recv(more);
    // Small ones lie together in Node's own pool.
    const pool = Buffer.allocUnsafe(1).buffer.byteLength;
    expect(buffer.byteLength).toBeLessThanOrEqual(size <= 2048 ? pool : 2 * size);
  }
});

it('recv(0) gives nothing and takes nothing', () => {
  const socket = holding(content(10));
  expect(socket.recv(0)).toHaveLength(0);
  expect(socket.recv(10).equals(content(10))).toBe(true);
});

it('a huge bufsize costs only what is there', () => {
  const before = process.memoryUsage().arrayBuffers;
  const sockets = Array.from({ length: 20 }, () => holding(content(100)));
  const kept = sockets.map((socket) => socket.recv(2 ** 31 - 1));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
  expect(kept).toHaveLength(20);
});

it('recvfrom and recvmsg receive as recv does', () => {
  for (const size of sizes) {
    expect(
      holding(content(size))
        .recvfrom(2 ** 31 - 1)[0]
        .equals(content(size)),
    ).toBe(true);
    expect(
      holding(content(size))
        .recvmsg(2 ** 31 - 1)[0]
        .equals(content(size)),
    ).toBe(true);
  }
});

it('read receives from a file as recv does', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  const path = join(folder, 'file');
  writeFileSync(path, content(300_000));
  const fd = openSync(path, 'r');
  try {
    expect(read(fd, 200_000).equals(content(200_000))).toBe(true);
    expect(read(fd, 2 ** 31 - 1).equals(content(100_000, 200_000))).toBe(true);
    expect(read(fd, 2 ** 31 - 1)).toHaveLength(0);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

it('what one socket received cannot be seen through another', () => {
  const [client, server] = connection(inet);
  holding(Buffer.from('the secret of somebody else')).recv(100);
  client.send(Buffer.alloc(27));
  until(server, POLLIN);
  // On a stream it throws the bytes away, unseen (tcp(7)).
  expect(server.recv(100, MSG_TRUNC).toString()).not.toContain('secret');
});

it.each([-1, 1.5, NaN, Infinity, 2 ** 31])('%d is no size', (size) => {
  const [a] = pair();
  const error = thrown(() => a.recv(size));
  expect(error).toBeInstanceOf(RangeError);
  expect((error as Error).message).toMatch(
    /^recv: bufsize must be an integer from 0 to 2147483647$/,
  );
});

it.each(['10', null, undefined, 10n, {}])('%s is no size either', (size) => {
  const [a] = pair();
  const error = thrown(() => a.recv(size as never));
  expect(error).toBeInstanceOf(TypeError);
  expect((error as Error).message).toBe('recv: bufsize must be a number of bytes');
});
