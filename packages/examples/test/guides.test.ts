/** What README.md and the guides show. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket as NetSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { close_all } from '@asyncore/core';
import { AF_UNIX, MSG_OOB, SCM_CREDENTIALS, SOCK_DGRAM, Socket } from '@asyncore/socket';
import { describeTls, LOCAL } from '@asyncore/test-support/certificates';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connected, ended, unusedPort } from './example.js';
import { printing } from './printing.js';

function start(name: string, ...args: string[]): ChildProcessWithoutNullStreams {
  const program = fileURLToPath(new URL(`guides/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function output(name: string): Promise<string> {
  const { code, stdout, stderr } = await ended(start(name));
  expect([code, stderr]).toEqual([0, '']);
  return String(stdout);
}

/** Starts a server on a free port that it prints. */
async function listening(name: string, ...args: string[]) {
  const child = start(name, ...args);
  const printed = printing(child);
  const [, port] = /:(\d+)\n/.exec(await printed('\n')) ?? [];
  return { child, printed, port: Number(port) };
}

/** A client of a program that does not say when it listens. */
function client(port: number): Promise<NetSocket> {
  return vi.waitFor(() => connected(port), { timeout: 30_000 });
}

async function everything(socket: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const data of socket) all += data;
  return all;
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-guides-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('README.md', () => {
  it('the program echoes, and prints an urgent byte', async () => {
    const port = await unusedPort();
    const printed = printing(start('echo', String(port)));
    const socket = await client(port);
    socket.end('hello\n');
    expect(await everything(socket)).toBe('hello\n');
    using urgent = new Socket();
    urgent.connect_ex(['127.0.0.1', port]);
    await vi.waitFor(() => urgent.send(Buffer.from('!'), MSG_OOB));
    expect(await printed('urgent: !\n')).toBe('urgent: !\n');
  });
});

describe('the first hour', () => {
  it('the protocol of lines greets by name', async () => {
    const { port } = await listening('lines', '0');
    const socket = await connected(port);
    socket.write('Sam\r\n');
    expect(await everything(socket)).toBe('name?\r\nhello, Sam\r\n');
  });

  it('the protocol of lines in TypeScript greets by name', async () => {
    const { argv } = process;
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    onTestFinished(() => {
      process.argv = argv;
      log.mockRestore();
    });
    process.argv = [...argv.slice(0, 2), '0'];
    const running = import('./guides/lines.js');
    const [text] = await vi.waitFor(() => log.mock.calls[0] ?? Promise.reject(), 30_000);
    const socket = await connected(Number(/:(\d+)$/.exec(text)?.[1]));
    socket.write('Sam\r\n');
    expect(await everything(socket)).toBe('name?\r\nhello, Sam\r\n');
    close_all();
    await running;
  });

  it('the protocol of lines lets go who says nothing', async () => {
    const { port } = await listening('lines', '0', '0.1');
    expect(await everything(await connected(port))).toBe('name?\r\ntoo slow\r\n');
  });

  describeTls('TLS', () => {
    it('the TLS server echoes what a trusting client sends', async () => {
      const { port, printed } = await listening('tls_server', LOCAL.keyFile, LOCAL.certFile, '0');
      const socket = connectTls({ port, host: '127.0.0.1', ca: LOCAL.cert });
      onTestFinished(() => void socket.destroy());
      await once(socket, 'secureConnect');
      socket.end('hello\n');
      expect(await everything(socket)).toBe('this is private\nhello\n');
      await printed('127.0.0.1 speaks TLSv1.3\n');
    });
  });

  it('the datagram logger writes a line for each datagram', async () => {
    const folder = temporary();
    const [path, log] = ['socket', 'log'].map((name) => join(folder, name));
    const child = start('datagram_logger', path, log);
    await printing(child)('logging');
    using sender = new Socket(AF_UNIX, SOCK_DGRAM);
    for (const text of ['one', 'two']) sender.sendto(Buffer.from(text), path);
    await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toMatch(/Z one\n.*Z two\n$/));
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

describe('from node:net', () => {
  it.each(['shout_net', 'shout'])('%s answers in capitals', async (name) => {
    const port = await unusedPort();
    await printing(start(name, String(port)))('listening\n');
    const socket = await connected(port);
    socket.end('hello\n');
    expect(await everything(socket)).toBe('HELLO\n');
  });

  const isLinux = process.platform === 'linux';
  it.skipIf(!isLinux)(
    'an option set before listen holds for what is accepted (Linux)',
    async () => {
      expect(await output('options')).toMatch(/^segment: (9\d\d|1000)\n$/);
    },
  );

  it('an urgent byte comes apart from the data', async () => {
    const lines = (await output('out_of_band')).split('\n').filter(Boolean).sort();
    expect(lines).toEqual(['in turn: read me later', 'urgent: !']);
  });

  it.skipIf(SCM_CREDENTIALS === undefined)('a Unix datagram says who sent it (Linux)', async () => {
    expect(await output('credentials')).toBe('a datagram came from this process\n');
  });

  it('a connection is served by the process that it was passed to', async () => {
    const { child, port, printed } = await passing();
    const socket = await connected(port);
    socket.end();
    const [, worker] = /passes to (\d+),/.exec(await printed('passes')) ?? [];
    expect(await everything(socket)).toBe(`served by process ${worker}\n`);
    child.kill();
    await once(child, 'exit');
  });

  const hasHelper = isLinux && spawnSync('python3', ['-V']).status === 0;
  it.skipIf(!hasHelper)(
    'an inotify, a timerfd and an eventfd wake their channels (Linux, python3)',
    async () => {
      const lines = (await output('descriptors')).split('\n').filter(Boolean).sort();
      expect(lines).toEqual(['eventfd: 1', 'inotify: news was made', 'timerfd: is due']);
    },
  );

  it.skipIf(!isLinux)('node:http serves a socket with options of its own (Linux)', async () => {
    const { port } = await listening('both', '0');
    expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe('TCP state 1\n');
  });
});

async function passing() {
  const child = start('pass_connection', '0');
  const printed = printing(child);
  const [, port] = /port (\d+)\n/.exec(await printed('port ')) ?? [];
  return { child, printed, port: Number(port) };
}

it('docs/troubleshooting.md: errors go to standard error, and nothing to standard output', async () => {
  const { stdout, stderr } = await ended(start('quiet'));
  expect([String(stdout), stderr]).toEqual(['', 'an error\n']);
});
