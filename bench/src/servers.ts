import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What a server speaks. */
export type Protocol = 'stream' | 'datagrams' | 'lines' | 'redis';

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

/** This library from a checkout that is built, on each poller. */
export function ours(label: string, root: string): Server[] {
  const example = join(root, 'packages/examples/dist/main.js');
  if (!existsSync(example)) throw new Error(`${root} is not a checkout of this repository, built`);
  return ['epoll', 'poll', 'select'].map((poller) => ({
    name: poller === 'epoll' ? label : `${label}-${poller}`,
    label: `${label === 'ours' ? 'asyncore' : label}, ${poller}`,
    // FD_SETSIZE is 1024.
    most: poller === 'select' ? 900 : Infinity,
    collects: true,
    share: 1,
    command(protocol, bufferSize) {
      if (protocol === 'stream' || protocol === 'datagrams') {
        return [...node, script('asyncore.mjs'), root, protocol, String(bufferSize), poller];
      }
      if (poller !== 'epoll') return null;
      if (protocol === 'redis') return [...node, example, 'redis_server', '--port', '0'];
      return [...node, script('asynchat_lines.mjs'), root];
    },
  }));
}

/** The others, as far as they are installed. */
export function others(echo: string): Server[] {
  const common = { most: Infinity, collects: false, share: 1 };
  const servers: Server[] = [
    {
      ...common,
      name: 'c',
      label: 'C, epoll',
      command: (protocol, bufferSize) =>
        protocol === 'stream' || protocol === 'datagrams'
          ? [echo, protocol, String(bufferSize)]
          : null,
    },
    {
      ...common,
      name: 'redis-server',
      label: 'redis-server',
      ready: /Ready to accept connections()/,
      command: (protocol, _, port) =>
        protocol === 'redis'
          ? ['redis-server', '--save', '', '--bind', '127.0.0.1', '--port', port]
          : null,
    },
    {
      ...common,
      name: 'net',
      label: 'node:net',
      collects: true,
      command: (protocol) => [
        ...node,
        ...(protocol === 'redis' ? [script('node_redis.mjs'), '0'] : [script('node.mjs'), protocol]),
      ],
    },
  ];
  if (python) {
    servers.push({
      ...common,
      name: 'python',
      label: 'CPython asyncore',
      most: 1100,
      share: 0.1,
      command(protocol, bufferSize) {
        const start = [python, '-W', 'ignore'];
        if (protocol === 'redis') return [...start, script('asynchat_redis.py')];
        if (protocol === 'lines') return [...start, script('asynchat_lines.py')];
        return [...start, script('asyncore_server.py'), protocol, String(bufferSize)];
      },
    });
  }
  return servers;
}
