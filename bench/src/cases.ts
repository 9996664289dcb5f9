import { Child } from './child.js';
import type { Limit, Load, Run } from './load.js';
import type { Protocol, Server } from './servers.js';

/** One server's figures in one round. */
export interface Sample {
  /** Processor time of the server in microseconds for each unit, or bytes. */
  cost: number;
  /** Units per second; null where time plays no part. */
  rate: number | null;
  /** Bytes of the JavaScript heap and what it holds, where memory is measured. */
  heap?: number;
}

export interface Running {
  server: Server;
  child: Child;
  load: Load;
  port: string;
  loadCore: number;
  /** Ends what is measured. */
  limit: Limit;
  /** How much of the usual work the server is given where time does not end it. */
  share: number;
}

export interface Case {
  name: string;
  title: string;
  protocol: Protocol;
  /** How many bytes a server reads at once. */
  bufferSize: number;
  connections: number;
  /** What `cost` counts. */
  cost: string;
  /** What `rate` counts, if anything. */
  rate: string | null;
  /** What the load does again and again, where it is one thing: for bench/pairs.mjs. */
  repeats?: { kind: 'talk' | 'churn' | 'datagrams'; active: number; size: number };
  measure(running: Running): Promise<Sample>;
}

const PAGE = 8192;
const LARGE = 65536;

function units(unit: string) {
  return { cost: `µs/${unit}`, rate: `${unit}s/s` };
}

/** Long enough for a server to finish with what it was told last. */
function settled() {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** The server's processor time for a run, and how many units were done in a second. */
async function measured(child: Child, run: () => Promise<Run>, perUnit = 1): Promise<Sample> {
  const before = child.cpu();
  const { units, seconds } = await run();
  await settled();
  const done = units * perUnit;
  return { cost: (child.cpu() - before) / 1000 / done, rate: done / seconds };
}

interface Work {
  /** Connections that talk, and others that only are there. */
  active: number;
  idle?: number;
  /** Bytes of a message, and how many units it is worth. */
  size?: number;
  perMessage?: number;
  /** Messages before the measurement, in which just-in-time compilers do their work. */
  warmUp?: number;
}

/** The load's work, once to warm up and once to measure. */
function repeated(kind: 'talk' | 'churn' | 'datagrams', work: Work) {
  const { active, idle = 0, size = 64, perMessage = 1, warmUp = 30_000 } = work;
  return {
    protocol: 'stream' as const,
    bufferSize: PAGE,
    connections: active + idle,
    repeats: { kind, active, size },
    async measure({ child, load, limit, share }: Running) {
      if (kind === 'talk') await load.open(active + idle);
      await load.run(kind, active, size, { seconds: 5, requests: Math.ceil(warmUp * share) });
      return measured(child, () => load.run(kind, active, size, limit), perMessage);
    },
  };
}

function pingPong(active: number): Case {
  return {
    name: `ping-pong-${active}`,
    title: `Ping-pong, 64 bytes, ${active} connection${active === 1 ? '' : 's'}`,
    ...repeated('talk', { active }),
    ...units('request'),
  };
}

function idle(count: number): Case {
  const beside = count === 0 ? '' : ` beside ${count.toLocaleString('en')} idle`;
  return {
    name: `idle-${count}`,
    title: `Ping-pong, 64 bytes, 10 connections${beside}`,
    ...repeated('talk', { active: 10, idle: count }),
    ...units('request'),
  };
}

function bulk(kibibytes: number): Case {
  const size = kibibytes * 1024;
  return {
    name: `bulk-${kibibytes}k`,
    title: `Bulk echo, messages of ${kibibytes} KiB, 10 connections`,
    ...repeated('talk', { active: 10, size, perMessage: size / 1e6, warmUp: 2e8 / size }),
    bufferSize: LARGE,
    cost: 'µs/MB',
    rate: 'MB/s',
  };
}

function lines(count: number): Case {
  const together = count === 1 ? 'one' : `${count}`;
  return {
    name: `lines-${count}`,
    title: `Lines of 64 bytes, ${together} at a time, 50 connections`,
    ...repeated('talk', { active: 50, size: 64 * count, perMessage: count }),
    protocol: 'lines',
    ...units('line'),
  };
}

/** Redis's own benchmark on servers of its protocol. */
function redis(command: 'SET' | 'GET', pipeline: number): Case {
  const connections = 50;
  return {
    name: `redis-${command.toLowerCase()}-${pipeline}`,
    title: `Redis protocol, ${command}, -P ${pipeline}, ${connections} connections`,
    protocol: 'redis',
    bufferSize: PAGE,
    connections,
    ...units('request'),
    async measure({ child, port, loadCore, limit, share }) {
      // It has no limit of time; this many take about as long.
      const usual = limit.seconds * (pipeline === 1 ? 50_000 : 400_000);
      const requests = Math.round(Math.min(limit.requests, usual * share));
      const run = async (test: string, units: number) => {
        const sizes = ['-P', String(pipeline), '-c', String(connections), '-n', String(units)];
        const where = ['redis-benchmark', '--csv', '-p', port, '-t', test];
        const load = new Child('redis-benchmark', loadCore, [...where, ...sizes]);
        const [, rate] = await load.heard(/^"[SG]ET","([\d.]+|inf)"/);
        await load.stop();
        return { units, seconds: units / Number(rate) };
      };
      // A SET comes first, so that every GET finds what it asks for.
      await run('SET', Math.ceil(requests / 4));
      await run(command, Math.ceil(requests / 4));
      return measured(child, () => run(command, requests));
    },
  };
}

/** What each of many connections adds that have said nothing, or one thing. */
function memory(name: string, title: string, talks: boolean): Case {
  return {
    name,
    title,
    protocol: 'stream',
    bufferSize: PAGE,
    connections: 1000,
    cost: 'bytes/connection',
    rate: null,
    async measure({ server, child, load, limit, share }) {
      const idle = Math.min(server.most, 9000, limit.requests);
      const once = { seconds: 60, requests: idle };
      // What the first connections bring with them (code compiled, pools filled) is not counted.
      await load.run('churn', 10, 64, { seconds: 60, requests: Math.ceil(20_000 * share) });
      const before = await remaining(server, child);
      await load.open(idle);
      if (talks) await load.run('talk', idle, 64, once);
      const after = await remaining(server, child);
      return {
        cost: (after.rss - before.rss) / idle,
        rate: null,
        ...(server.collects && { heap: (after.heap - before.heap) / idle }),
      };
    },
  };
}

/** Bytes in use when the garbage is gone. */
async function remaining({ collects }: Server, child: Child) {
  if (!collects) {
    await settled();
    return { rss: child.rss(), heap: 0 };
  }
  child.signal('SIGUSR2');
  const [, heap] = await child.heard(/^collected (\d+)/);
  return { rss: child.rss(), heap: Number(heap) };
}

export const cases: Case[] = [
  pingPong(1),
  pingPong(50),
  pingPong(500),
  idle(0),
  idle(1000),
  idle(9000),
  bulk(64),
  bulk(1024),
  {
    name: 'churn',
    title: 'Connect, one ping-pong, close; 50 at a time',
    ...repeated('churn', { active: 50, warmUp: 10_000 }),
    ...units('connection'),
  },
  memory('memory', 'Memory of a connection that has said nothing', false),
  memory('memory-used', 'Memory of a connection that has sent 64 bytes once', true),
  {
    name: 'udp',
    title: 'UDP echo, 64 bytes, 50 sockets',
    ...repeated('datagrams', { active: 50 }),
    protocol: 'datagrams',
    ...units('datagram'),
  },
  {
    name: 'udp-batches',
    title: 'UDP echo by recvmmsg and sendmmsg, 64 bytes, 50 sockets',
    ...repeated('datagrams', { active: 50 }),
    protocol: 'batches',
    ...units('datagram'),
  },
  lines(1),
  lines(16),
  redis('SET', 1),
  redis('GET', 1),
  redis('SET', 16),
  redis('GET', 16),
];
