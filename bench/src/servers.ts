import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What a server speaks. */
export type Protocol = 'stream' | 'datagrams' | 'batches' | 'lines' | 'redis';

export interface Server {
  /** For --servers. */
  name: string;
  /** For tables. */
  label: string;
  /** How many connections it can have open, or is measured with. */
  most: number;
  /** Whether SIGUSR2 makes it collect its garbage. */
  collects: boolean;
  /** Share of the requests that it is given where time does not end a run: slow ones need not take minutes. */
  share: number;
  isOurs: boolean;
  /** Whether the others are compared to it. */
  isYardstick: boolean;
  /** A name that it shares with the same server from other checkouts. */
  family?: string;
  /** What results depend on: a version, a commit. */
  version(): string;
  /** Its command for a protocol, given a port that is free, null where there is none. */
  command(protocol: Protocol, bufferSize: number, port: string): string[] | null;
  /** What it says, with its port, once it listens. Default: a line that ends with the port. */
  ready?: RegExp;
}

const bench = join(import.meta.dirname, '..');
const script = (name: string) => join(bench, 'servers', name);
const node = [process.execPath, '--expose-gc'];
const python = ['python3.11', 'python3'].find(
  (name) => spawnSync(name, ['-W', 'ignore', '-c', 'import asyncore, asynchat']).status === 0,
);

/** The first line a program prints. */
function told(program: string, ...args: string[]): string {
  return spawnSync(program, args, { encoding: 'utf8' }).stdout.split('\n')[0];
}

/** The last commit that changed the packages. */
function commit(root: string): string {
  const hash = told('git', '-C', root, 'log', '-1', '--format=%h', '--', 'packages');
  const changed = told('git', '-C', root, 'status', '--porcelain', '--', 'packages') !== '';
  return changed ? `${hash}, changed` : hash;
}

/** Installs the other runtimes for the benchmark alone; none of their scripts runs. */
export function installOthers(): void {
  const quietly = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', ['install', ...quietly], {
    cwd: join(bench, 'others'),
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('npm install has failed');
}

/** A program among the other runtimes' packages for this system. */
function runtime(scope: string, program: string): string | undefined {
  const folder = join(bench, 'others/node_modules', scope);
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .map((name) => join(folder, name, program))
    .find((path) => spawnSync(path, ['--version']).status === 0);
}

/** This library from a checkout that is built, on each poller. */
export function ours(label: string, root: string): Server[] {
  const example = join(root, 'packages/examples/dist/main.js');
  if (!existsSync(example)) throw new Error(`${root} is not a checkout of this repository, built`);
  return ['epoll', 'poll', 'select'].map((poller) => ({
    name: poller === 'epoll' ? label : `${label}-${poller}`,
    family: poller === 'epoll' ? 'ours' : `ours-${poller}`,
    label: `${label === 'ours' ? 'asyncore' : label}, ${poller}`,
    // FD_SETSIZE is 1024.
    most: poller === 'select' ? 900 : Infinity,
    collects: true,
    share: 1,
    isOurs: true,
    isYardstick: poller === 'epoll' && label !== 'ours',
    version: () => commit(root),
    command(protocol, bufferSize) {
      if (echoes(protocol) || protocol === 'batches') {
        return [...node, script('asyncore_echo.mjs'), root, protocol, String(bufferSize), poller];
      }
      if (poller !== 'epoll') return null;
      if (protocol === 'redis') return [...node, example, 'redis_server', '--port', '0'];
      return [...node, script('asynchat_lines.mjs'), root];
    },
  }));
}

/** The others, as far as they are installed. `echo` is the server in C, compiled. */
export function others(echo: string): Server[] {
  const servers: Server[] = [
    {
      ...ordinary,
      name: 'c',
      isYardstick: true,
      label: 'C, epoll',
      version: () => told('gcc', '--version'),
      command: (protocol, bufferSize) =>
        echoes(protocol) || protocol === 'batches' ? [echo, protocol, String(bufferSize)] : null,
    },
    {
      ...ordinary,
      name: 'net',
      isYardstick: true,
      label: 'node:net',
      version: () => process.version,
      collects: true,
      command(protocol) {
        if (protocol === 'batches') return null;
        return protocol === 'redis'
          ? [...node, script('node_redis.mjs')]
          : [...node, script('node.mjs'), protocol];
      },
    },
  ];
  const bun = runtime('@oven', 'bin/bun');
  if (bun) {
    servers.push({
      ...ordinary,
      name: 'bun',
      label: 'Bun',
      version: () => told(bun, '--version'),
      collects: true,
      command: (protocol) => echoes(protocol) && [bun, script('bun.mjs'), protocol],
    });
  }
  const deno = runtime('@deno', 'deno');
  if (deno) {
    const flags = ['--allow-all', '--unstable-net', '--v8-flags=--expose-gc', '--quiet'];
    servers.push({
      ...ordinary,
      name: 'deno',
      label: 'Deno',
      version: () => told(deno, '--version'),
      collects: true,
      command: (protocol, bufferSize) =>
        echoes(protocol) && [
          deno,
          'run',
          ...flags,
          script('deno.mjs'),
          protocol,
          String(bufferSize),
        ],
    });
  }
  if (python) {
    servers.push({
      ...ordinary,
      name: 'python',
      label: 'CPython asyncore',
      version: () => told(python, '--version'),
      // With 9,000, each request takes it tens of milliseconds.
      most: 1100,
      share: 0.1,
      command(protocol, bufferSize) {
        if (protocol === 'batches') return null;
        const start = [python, '-W', 'ignore'];
        if (protocol === 'redis') return [...start, script('asynchat_redis.py')];
        if (protocol === 'lines') return [...start, script('asynchat_lines.py')];
        return [...start, script('asyncore_echo.py'), protocol, String(bufferSize)];
      },
    });
  }
  if (spawnSync('redis-server', ['--version']).status === 0) {
    servers.push({
      ...ordinary,
      name: 'redis-server',
      isYardstick: true,
      label: 'redis-server',
      version: () => told('redis-server', '--version'),
      ready: /Ready to accept connections()/,
      command: (protocol, _, port) =>
        protocol === 'redis'
          ? ['redis-server', '--save', '', '--bind', '127.0.0.1', '--port', port]
          : null,
    });
  }
  return servers;
}

const ordinary = { most: Infinity, collects: false, share: 1, isOurs: false, isYardstick: false };

function echoes(protocol: Protocol): null | true {
  return protocol === 'stream' || protocol === 'datagrams' ? true : null;
}
