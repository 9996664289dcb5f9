import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { loop } from '@asyncore/core';
import { JobServer } from '@asyncore/examples';
import type { InetAddress } from '@asyncore/socket';
import { expect, it, vi } from 'vitest';
import { connected, ended, run, start } from './example.js';
import { printing } from './printing.js';
import { Client, has } from './service.js';

vi.setConfig({ testTimeout: 60_000 });

async function jobServer(...args: string[]) {
  const child = start('graceful_shutdown', '--port', '0', ...args);
  const end = ended(child);
  const until = printing(child);
  const [, port] = /:(\d+)\n/.exec(await until('\n')) ?? [];
  return { child, end, until, port: Number(port) };
}

/** A client whose jobs the server has begun: it has answered the first. */
async function working(port: number, jobs: string): Promise<Client> {
  const client = new Client(port);
  client.say(`0\n${jobs}`);
  await client.until(/done in 0 s\n/);
  return client;
}

it('answers each job when it is done', async () => {
  const { port } = await jobServer();
  const client = new Client(port);
  client.say('0.3\n0\nsoon\n');
  const text = await client.until(/0\.3 s\n/);
  expect(text).toBe('say a number of seconds\ndone in 0 s\ndone in 0.3 s\n');
});

it.each(['SIGTERM', 'SIGINT'] as const)(
  'at %s finishes what runs, closes, and ends well',
  async (signal) => {
    const { child, end, until, port } = await jobServer();
    const [idle, busy] = [await working(port, ''), await working(port, '0.5\n1\n')];
    child.kill(signal);
    await until(`${signal}: finishing\n`);
    expect(await idle.until(/(?!)/)).toBe('done in 0 s\n');
    expect(await busy.until(/(?!)/)).toBe('done in 0 s\ndone in 0.5 s\ndone in 1 s\n');
    const { code, stderr } = await end;
    expect([code, stderr]).toEqual([0, '']);
  },
);

it('lets nobody in once it is stopping', async () => {
  const { child, until, port } = await jobServer();
  await working(port, '30\n');
  child.kill('SIGTERM');
  await until('finishing');
  await expect(connected(port)).rejects.toThrow('ECONNREFUSED');
});

it('takes no more jobs once it is stopping', async () => {
  const { child, until, port } = await jobServer();
  const client = await working(port, '1\n');
  child.kill('SIGTERM');
  await until('finishing');
  client.say('0\n');
  expect(await client.until(/(?!)/)).toBe('done in 0 s\ndone in 1 s\n');
});

it('answers those who had connected and asked, though it had not yet heard of them', async () => {
  const server = new JobServer('127.0.0.1', 0);
  const [, port] = server.getsockname() as InetAddress;
  const clients = Array.from({ length: 20 }, () => new Client(port));
  for (const client of clients) {
    await once(client.socket, 'connect'); // by the kernel: there is no loop yet
    await new Promise((written) => client.socket.write('0.1\n', written));
  }
  server.finish();
  await loop();
  for (const client of clients) expect(await client.until(/(?!)/)).toBe('done in 0.1 s\n');
});

it('cuts off what is left at a second signal', async () => {
  const { child, end, until, port } = await jobServer();
  const client = await working(port, '30\n');
  child.kill('SIGTERM');
  await until('finishing');
  child.kill('SIGINT');
  expect(await client.until(/(?!)/)).toBe('done in 0 s\n');
  const { code, stderr } = await end;
  expect([code, stderr]).toEqual([1, 'SIGINT again: 1 cut off\n']);
});

it('cuts off what is left at the deadline', async () => {
  const { child, end, port } = await jobServer('--deadline', '0.5');
  const client = await working(port, '30\n');
  child.kill('SIGTERM');
  expect(await client.until(/(?!)/)).toBe('done in 0 s\n');
  const { code, stderr } = await end;
  expect([code, stderr]).toEqual([1, 'deadline: 1 cut off\n']);
});

it('ends at once when there is nothing to finish', async () => {
  const { child, end, port } = await jobServer('--deadline', '3600');
  const gone = await working(port, '3600\n');
  gone.socket.resetAndDestroy();
  await working(port, '');
  child.kill('SIGTERM');
  const { code, stdout } = await end;
  expect(code).toBe(0);
  expect(String(stdout)).toContain('SIGTERM: finishing\n');
});

it('answers nc, which says at once that it will ask no more', async (context) => {
  context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
  const { port } = await jobServer();
  const args = ['-N', '127.0.0.1', `${port}`];
  const { stdout } = spawnSync('nc', args, { input: '0.2\n0.1\n', encoding: 'utf8' });
  expect(stdout).toBe('done in 0.1 s\ndone in 0.2 s\n');
});

it('says in one line what is wrong with its arguments', async () => {
  const { code, stderr } = await run('graceful_shutdown', '--port', '0', '--deadline', 'soon');
  expect([code, stderr]).toEqual([
    1,
    'graceful_shutdown: --deadline must be a number of seconds\n',
  ]);
});
