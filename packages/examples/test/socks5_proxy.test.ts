import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connected, needIPv6, serverFor, unusedPort } from './example.js';
import { Client, example, need } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const HELLO = Buffer.of(5, 1, 0);
const [IPV4, NAME, IPV6] = [1, 3, 4];

function request(type: number, address: number[] | Buffer, port: number): Buffer {
  return Buffer.from([5, 1, 0, type, ...address, port >> 8, port & 0xff]);
}

const local = (port: number) => request(IPV4, [127, 0, 0, 1], port);

let proxy = 0;
beforeAll(async () => {
  ({ port: proxy } = await example('socks5_proxy'));
});

/** All that comes, up to the end. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** A server that sends everything back, also what comes before the client's end. */
async function echo(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** What the proxy says to `said`, up to its end of the connection. */
async function answers(...said: Buffer[]): Promise<Buffer> {
  const socket = await connected(proxy);
  socket.write(Buffer.concat(said));
  return all(socket);
}

describe('connects', () => {
  it.each([
    ['an IPv4 address', (port: number) => local(port)],
    ['a name', (port: number) => request(NAME, Buffer.from('\x09localhost'), port)],
  ])('to %s, and carries 5 MB each way, with half-closes', async (_, to) => {
    const socket = await connected(proxy);
    socket.allowHalfOpen = true;
    const sent = randomBytes(5 << 20);
    const got = all(socket);
    // All at once: the proxy keeps what comes before it is connected.
    socket.write(Buffer.concat([HELLO, to(await echo())]));
    socket.end(sent);
    const bytes = await got;
    expect([...bytes.subarray(0, 6)]).toEqual([5, 0, 5, 0, 0, IPV4]);
    expect(bytes.subarray(12).equals(sent)).toBe(true);
  });

  it('to an IPv6 address', async (context) => {
    await needIPv6(context);
    const server = createServer((socket) => socket.end('six')).listen(0, '::1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const bytes = await answers(HELLO, request(IPV6, [...new Uint8Array(15), 1], port));
    expect([...bytes.subarray(0, 6)]).toEqual([5, 0, 5, 0, 0, IPV6]);
    expect(bytes.subarray(-3).toString()).toBe('six');
  });

  it('when the handshake comes a byte at a time', async () => {
    const port = await echo();
    const client = new Client(proxy);
    for (const byte of [...HELLO, ...local(port)]) {
      client.say(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.until(/^.{12}/s);
    client.say('hello');
    expect(await client.until(/hello/)).toMatch(/hello$/);
  });

  it('for curl, by name', async (context) => {
    need(context, 'curl', 'curl');
    const port = await serverFor((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nby proxy'));
    });
    const args = ['-sS', '--socks5-hostname', `127.0.0.1:${proxy}`, `http://localhost:${port}/`];
    const curl = spawn('curl', args);
    expect(String(await curl.stdout.toArray())).toBe('by proxy');
  });
});

describe('tells why it does not connect', () => {
  it.each([
    ['nobody listens there', 5, async () => local(await unusedPort())],
    ['there is no such name', 4, async () => request(NAME, Buffer.from('\x09x.invalid'), 80)],
    ['the port is 0', 5, async () => local(0)],
    ['it is told to listen', 7, async () => Buffer.of(5, 2, 0, 1)],
    ['the type of address is unknown', 8, async () => Buffer.of(5, 1, 0, 9)],
  ])('%s', async (_, code, to) => {
    const bytes = await answers(HELLO, await to());
    expect([...bytes.subarray(0, 4)]).toEqual([5, 0, 5, code]);
  });

  it('no method that it accepts is offered', async () => {
    expect([...(await answers(Buffer.of(5, 2, 1, 2)))]).toEqual([5, 0xff]);
  });
});

it('says nothing to one that speaks another version', async () => {
  expect((await answers(Buffer.from('GET / HTTP/1.0\r\n\r\n')).catch(() => [])).length).toBe(0);
});

it('wants the password where one is set', async () => {
  const { port } = await example('socks5_proxy', '--user', 'me', '--password', 'secret');
  const target = await echo();
  const login = (password: string) =>
    Buffer.from([1, 2, ...Buffer.from('me'), password.length, ...Buffer.from(password)]);
  const say = async (...said: Buffer[]) => {
    const socket = await connected(port);
    socket.end(Buffer.concat(said));
    return [...(await all(socket))];
  };
  const hello = Buffer.of(5, 2, 0, 2);
  expect(await say(hello, login('guess'))).toEqual([5, 2, 1, 1]);
  expect(await say(HELLO)).toEqual([5, 0xff]);
  const said = await say(hello, login('secret'), local(target), Buffer.from('hi'));
  expect(said.slice(0, 6)).toEqual([5, 2, 1, 0, 5, 0]);
  expect(said.slice(-2)).toEqual([...Buffer.from('hi')]);
});

it('passes a reset on, and stops a sender whose other side does not read', async () => {
  let accept: (socket: Socket) => void = () => {};
  const accepted = new Promise<Socket>((resolve) => {
    accept = resolve;
  });
  const port = await serverFor((socket) => accept(socket));
  const near = await connected(proxy);
  near.write(Buffer.concat([HELLO, local(port)]));
  await once(near, 'data');
  const far = await accepted;
  far.on('error', () => {});
  far.pause();
  let taken = 0;
  near.setTimeout(1000); // without anything taken
  const sending = (async () => {
    for (; taken < 256; taken++) {
      await new Promise((written) => near.write(randomBytes(1 << 20), written));
    }
  })();
  await Promise.race([once(near, 'timeout'), sending]);
  expect(taken).toBeLessThan(64); // what kernels buffer on the way
  const broken = once(near, 'error');
  far.resetAndDestroy();
  expect(['ECONNRESET', 'EPIPE']).toContain((await broken)[0].code);
});
