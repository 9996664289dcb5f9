// In a process of its own: it closes all channels that there are.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { close_all, dispatcher, loop, socket_map } from '@asyncore/core';
import { PortForward } from '@asyncore/examples';
import { SO_KEEPALIVE, SOL_SOCKET } from '@asyncore/socket';
import { expect, it, vi } from 'vitest';
import { connected, needIPv6, run, serverFor, unusedPort } from './example.js';
import { Client, example, frugalExample, has, service } from './service.js';

vi.setConfig({ testTimeout: 120_000 });

const MiB = 1 << 20;

/** A connection that is forwarded: both its ends, of node:net, each of which ends by itself. */
async function forwarded() {
  let accepted: (socket: Socket) => void = () => {};
  const accepting = new Promise<Socket>((resolve) => {
    accepted = resolve;
  });
  const target = await serverFor((socket) => accepted(socket));
  const { port, child } = await frugalExample('port_forward', '127.0.0.1', `${target}`);
  const near = await connected(port);
  const far = await accepting;
  near.allowHalfOpen = far.allowHalfOpen = true;
  return { near, far, pid: child.pid ?? 0 };
}

/** All that comes, up to the end. */
async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

it('carries 20 MB each way at once', async () => {
  const { near, far } = await forwarded();
  const [there, back] = [randomBytes(20 * MiB), randomBytes(20 * MiB)];
  const both = Promise.all([all(far), all(near)]);
  near.end(there);
  far.end(back);
  const [atFar, atNear] = await both;
  expect([atFar.equals(there), atNear.equals(back)]).toEqual([true, true]);
});

it.each([true, false])(
  'passes the end of one half on; the other goes on (near first: %s)',
  async (isNear) => {
    const { near, far } = await forwarded();
    const [first, second] = isNear ? [near, far] : [far, near];
    const question = all(second);
    first.end('question');
    expect(String(await question)).toBe('question');
    const answer = randomBytes(5 * MiB);
    const answered = all(first);
    second.write(answer.subarray(0, MiB));
    second.end(answer.subarray(MiB));
    expect((await answered).equals(answer)).toBe(true);
  },
);

/** The most memory that a process has had so far, in bytes. */
function peak(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

it.for(['far', 'near'])(
  'stops the sender while the %s end does not read, in constant memory',
  async (slow, context) => {
    context.skip(
      !existsSync('/proc/self/status'),
      'needs Linux: /proc/PID/status tells the memory',
    );
    const { near, far, pid } = await forwarded();
    const [from, to] = slow === 'far' ? [near, far] : [far, near];
    const before = peak(pid);
    const sent = createHash('sha256');
    let taken = 0;
    const send = async () => {
      for (let i = 0; i < 256; i++) {
        const block = randomBytes(MiB);
        sent.update(block);
        await new Promise((written) => from.write(block, written));
        taken += MiB;
      }
      from.end();
    };
    const sending = send();
    from.setTimeout(1000); // without anything taken
    await Promise.race([once(from, 'timeout'), sending]);
    expect(taken).toBeLessThan(64 * MiB); // what kernels buffer on the way
    expect(peak(pid) - before).toBeLessThan(16 * MiB);

    // The other direction does not stand still meanwhile.
    to.write('hurry');
    expect(String((await once(from, 'data'))[0])).toBe('hurry');

    const got = createHash('sha256');
    to.on('data', (data) => got.update(data));
    await Promise.all([once(to, 'end'), sending]);
    expect(got.digest('hex')).toBe(sent.digest('hex'));
    expect(peak(pid) - before).toBeLessThan(64 * MiB); // of 256 that passed
  },
);

it.each([true, false])('passes a reset on (by the near end: %s)', async (isNear) => {
  const { near, far } = await forwarded();
  const [first, second] = isNear ? [near, far] : [far, near];
  first.write('half a sen');
  await once(second, 'data'); // data and a reset that come together are an end, for libuv
  first.resetAndDestroy();
  const [{ code }] = await once(second, 'error');
  expect(code).toBe('ECONNRESET');
});

it('resets a connection whose target refuses it, and serves the next', async () => {
  const { port } = await example('port_forward', '127.0.0.1', `${await unusedPort()}`);
  for (const _ of [1, 2]) {
    const socket = connect(port, '127.0.0.1');
    const [{ code }] = await once(socket, 'error');
    expect(code).toBe('ECONNRESET');
  }
});

/** How many sockets a process has open. */
function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  const links = readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`));
  return links.filter((link) => link.startsWith('socket:')).length;
}

it('keeps nothing of connections that ended, broke, or never came to be', async (context) => {
  context.skip(!existsSync('/proc/self/fd'), 'needs Linux: /proc/PID/fd lists the descriptors');
  const target = await serverFor((socket) => {
    socket.on('data', (data) => {
      if (String(data) === 'break') socket.resetAndDestroy();
      else socket.end(data);
    });
  });
  const { port, child } = await example('port_forward', 'localhost', `${target}`);
  const before = openSockets(child.pid ?? 0);
  for (const text of ['end', 'break', 'end', '']) {
    const client = new Client(port);
    if (text === '') client.socket.destroy();
    else client.say(text);
    await client.until(/(?!)/);
    expect(client.text).toBe(text === 'end' ? 'end' : '');
  }
  await expect.poll(() => openSockets(child.pid ?? 0)).toBe(before);
});

it('has the system look whether a silent peer is still there, on both sides', async () => {
  const target = await serverFor(() => {});
  const server = new PortForward('127.0.0.1', 0, ['127.0.0.1', target]);
  await connected(Number(server.getsockname()[1]));
  while (socket_map.size < 3) await loop({ timeout: 1, count: 1 });
  const sides = [...socket_map.values()].filter((channel) => channel !== server);
  const answers = sides.map((side) => {
    return side instanceof dispatcher && side.getsockopt(SOL_SOCKET, SO_KEEPALIVE) > 0;
  });
  close_all();
  expect(answers).toEqual([true, true]);
});

it('forwards to IPv6 too', async (context) => {
  await needIPv6(context);
  const echo = await example('echo_server', '--host', '::1');
  const { port } = await example('port_forward', '::1', `${echo.port}`);
  const client = new Client(port);
  client.say('hello');
  expect(await client.until(/hello/)).toBe('hello');
});

it('stands between nc and a server of Python', async (context) => {
  context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
  context.skip(!has('python3', '--version'), 'needs python3: apt-get install python3');
  // It answers only when it has everything.
  const script = `
import socketserver
class Reverse(socketserver.StreamRequestHandler):
  def handle(self):
    self.wfile.write(self.rfile.read()[::-1])
with socketserver.TCPServer(('127.0.0.1', 0), Reverse) as server:
  print(f'on :{server.server_address[1]}', flush=True)
  server.serve_forever()
`;
  const { line } = await service('python3', ['-c', script], /:(\d+)$/);
  const { port } = await example('port_forward', 'localhost', line[1]);
  const args = ['-N', '127.0.0.1', `${port}`];
  const { stdout } = spawnSync('nc', args, { input: 'stressed', encoding: 'utf8' });
  expect(stdout).toBe('desserts');
});

it.each([
  ['', 'usage: port_forward'],
  ['localhost', 'usage: port_forward'],
  ['localhost 80 81', 'usage: port_forward'],
  ['localhost 65536', 'usage: port_forward'],
])('says in one line what is wrong with %j', async (args, message) => {
  const { code, stderr } = await run(
    'port_forward',
    '--port',
    '0',
    ...args.split(' ').filter(Boolean),
  );
  expect(stderr).toMatch(/^port_forward: .*\n$/);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});
