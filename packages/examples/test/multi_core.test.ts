import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, vi } from 'vitest';
import { ended, run, serverFor, start } from './example.js';
import { printing } from './printing.js';
import { Client, has } from './service.js';

vi.setConfig({ testTimeout: 60_000 });

async function cores(...args: string[]) {
  const child = start('multi_core', '--port', '0', ...args);
  const end = ended(child);
  const until = printing(child);
  const [, port] = /workers on .*:(\d+)\n/.exec(await until('workers on')) ?? [];
  return { child, end, until, port: Number(port) };
}

/** A connection, and the process that serves it. */
async function served(port: number): Promise<{ client: Client; pid: number }> {
  const client = new Client(port);
  const [, pid] = /process (\d+)\n/.exec(await client.until(/\n/)) ?? [];
  if (pid === undefined) throw new Error('nobody serves it');
  return { client, pid: Number(pid) };
}

/** Connections until each of `count` processes serves one. */
async function servedByAll(port: number, count: number): Promise<Map<number, Client>> {
  const clients = new Map<number, Client>();
  while (clients.size < count) {
    const { client, pid } = await served(port);
    if (clients.has(pid)) client.socket.destroy();
    else clients.set(pid, client);
  }
  return clients;
}

async function echoes(client: Client): Promise<void> {
  client.say('still here?');
  expect(await client.until(/still here\?/)).toContain('still here?');
}

/** Waits until nobody listens on a port any more. */
async function closed(port: number): Promise<void> {
  const code = async () => {
    const socket = connect(port, '127.0.0.1');
    const outcome = once(socket, 'connect').then(() => 'connected');
    return outcome.catch(({ code }) => code).finally(() => socket.destroy());
  };
  await expect.poll(code, { timeout: 30_000 }).toBe('ECONNREFUSED');
}

it('spreads connections over its workers', async () => {
  const { child, port } = await cores('--workers', '4');
  const all = await Promise.all(Array.from({ length: 200 }, () => served(port)));
  const shares = new Map<number, number>();
  for (const { pid } of all) shares.set(pid, (shares.get(pid) ?? 0) + 1);
  expect(shares.size).toBe(4);
  for (const share of shares.values()) expect(share).toBeGreaterThan(10);
  expect(shares.has(child.pid ?? 0)).toBe(false);
});

it('replaces a worker that was killed; the others do not notice', async () => {
  const { port, until } = await cores('--workers', '2');
  const before = await servedByAll(port, 2);
  const [[victim, lost], [, other]] = [...before];
  process.kill(victim, 'SIGKILL');
  await lost.until(/(?!)/);
  await until(`worker ${victim} ended (SIGKILL) and is replaced\n`);
  await echoes(other);
  const after = await servedByAll(port, 2);
  expect([...after.keys()].filter((pid) => before.has(pid)).length).toBe(1);
});

it('replaces all its workers one by one, each drained, without a connection lost', async () => {
  const { port, until } = await cores('--workers', '2');
  const before = await servedByAll(port, 2);
  for (const [pid, client] of before) {
    process.kill(pid, 'SIGTERM');
    await echoes(client); // it is served to its end
    client.socket.end();
    await until(`worker ${pid} ended (0) and is replaced\n`);
    for (const client of (await servedByAll(port, 2)).values()) client.socket.destroy();
  }
  for (const pid of (await servedByAll(port, 2)).keys()) expect(before.has(pid)).toBe(false);
});

it.each(['SIGTERM', 'SIGINT'] as const)('drains at %s and ends well', async (signal) => {
  const { child, end, port } = await cores('--workers', '2', '--deadline', '3600');
  const clients = await servedByAll(port, 2);
  child.kill(signal);
  await closed(port);
  for (const client of clients.values()) {
    await echoes(client);
    client.socket.end();
  }
  const { code, stderr } = await end;
  expect([code, stderr]).toEqual([0, '']);
});

it('drains when a terminal sends SIGINT to all of its processes', async () => {
  const { child, end, port } = await cores('--workers', '2', '--deadline', '3600');
  const clients = await servedByAll(port, 2);
  for (const pid of [child.pid ?? 0, ...clients.keys()]) process.kill(pid, 'SIGINT');
  for (const client of clients.values()) {
    await echoes(client);
    client.socket.end();
  }
  expect((await end).code).toBe(0);
});

it('closes at the deadline what has not ended by itself', async () => {
  const { child, end, port } = await cores('--workers', '2', '--deadline', '0.5');
  const clients = await servedByAll(port, 2);
  child.kill('SIGTERM');
  for (const client of clients.values()) expect(await client.until(/(?!)/)).toContain('served by');
  expect((await end).code).toBe(0);
});

it('ends at once at a second signal', async () => {
  const { child, end, port } = await cores('--workers', '2', '--deadline', '3600');
  const clients = await servedByAll(port, 2);
  child.kill('SIGTERM');
  await closed(port);
  child.kill('SIGTERM');
  for (const client of clients.values()) await client.until(/(?!)/);
  await end;
});

it('leaves no worker behind when its first process is killed', async () => {
  const { child, end, port } = await cores('--workers', '2', '--deadline', '0.5');
  await servedByAll(port, 2);
  child.kill('SIGKILL');
  await end; // its output, which the workers share, is closed by all
});

it('talks with nc', async (context) => {
  context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
  const { port } = await cores('--workers', '1');
  const args = ['-N', '127.0.0.1', `${port}`];
  const { stdout } = spawnSync('nc', args, { input: 'hello', encoding: 'utf8' });
  expect(stdout).toMatch(/^served by process \d+\nhello$/);
});

it('says in one line what is wrong with its arguments, or that its port is in use', async () => {
  const port = await serverFor(() => {});
  for (const [args, message] of [
    ['--workers 0', '--workers must be a number'],
    ['--deadline soon', '--deadline must be a number of seconds'],
    [
      `--port ${port}`,
      `127.0.0.1:${port} is in use; choose another with --port, 0 for any that is free`,
    ],
  ]) {
    const { code, stderr } = await run('multi_core', ...args.split(' '));
    expect([code, stderr]).toEqual([1, `multi_core: ${message}\n`]);
  }
});
