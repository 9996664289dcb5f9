import type { Child } from './child.js';
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
  /** Ends what is measured. */
  limit: Limit;
  /** Ends what comes before, when a just-in-time compiler is at work. */
  warmUp: Limit;
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
  measure(running: Running): Promise<Sample>;
}

const PAGE = 8192;
const LARGE = 65536;
const MEGABYTE = 1e6;

/** Processor time and units of a run. What the server still does when the last answer is there counts too. */
async function measured(child: Child, run: () => Promise<Run>, perUnit = 1): Promise<Sample> {
  const before = child.cpu();
  const { units, seconds } = await run();
  await settled();
  const done = units * perUnit;
  return { cost: (child.cpu() - before) / 1000 / done, rate: done / seconds };
}

/** Long enough for a server to finish with what it was told last. */
function settled() {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

function talk(name: string, title: string, active: number, idle: number): Case {
  return {
    name,
    title,
    protocol: 'stream',
    bufferSize: PAGE,
    connections: active + idle,
    cost: 'µs/request',
    rate: 'requests/s',
    async measure({ child, load, limit, warmUp }) {
      await load.open(active + idle);
      await load.run('talk', active, 64, warmUp);
      return measured(child, () => load.run('talk', active, 64, limit));
    },
  };
}

function pingPong(active: number): Case {
  const connections = active === 1 ? '1 connection' : `${active} connections`;
  return talk(`ping-pong-${active}`, `Ping-pong, 64 bytes, ${connections}`, active, 0);
}

function idle(count: number): Case {
  const title = `Ping-pong, 64 bytes, 10 connections beside ${count.toLocaleString('en')} idle`;
  return talk(`idle-${count}`, title, 10, count);
}

function bulk(kibibytes: number): Case {
  const size = kibibytes * 1024;
  const connections = 10;
  return {
    name: `bulk-${kibibytes}k`,
    title: `Bulk echo, messages of ${kibibytes} KiB, ${connections} connections`,
    protocol: 'stream',
    bufferSize: LARGE,
    connections,
    cost: 'µs/MB',
    rate: 'MB/s',
    async measure({ child, load, limit, warmUp }) {
      await load.open(connections);
      await load.run('talk', connections, size, warmUp);
      return measured(child, () => load.run('talk', connections, size, limit), size / MEGABYTE);
    },
  };
}

const churn: Case = {
  name: 'churn',
  title: 'Connect, one ping-pong, close; 50 at a time',
  protocol: 'stream',
  bufferSize: PAGE,
  connections: 50,
  cost: 'µs/connection',
  rate: 'connections/s',
  async measure({ child, load, limit, warmUp }) {
    await load.run('churn', 50, 64, warmUp);
    return measured(child, () => load.run('churn', 50, 64, limit));
  },
};

const datagrams: Case = {
  name: 'udp',
  title: 'UDP echo, 64 bytes, 50 sockets',
  protocol: 'datagrams',
  bufferSize: PAGE,
  connections: 50,
  cost: 'µs/datagram',
  rate: 'datagrams/s',
  async measure({ child, load, limit, warmUp }) {
    await load.run('datagrams', 50, 64, warmUp);
    return measured(child, () => load.run('datagrams', 50, 64, limit));
  },
};

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
    async measure({ server, child, load }) {
      const idle = Math.min(server.most, 9000);
      const once = { seconds: 60, requests: idle };
      // What the first connections bring with them (code compiled, pools filled) is not counted.
      await load.run('churn', 50, 64, { seconds: 60, requests: 2000 });
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

/** Memory in use when the garbage is gone. */
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
  churn,
  memory('memory', 'Memory of a connection that has said nothing', false),
  memory('memory-used', 'Memory of a connection that has sent 64 bytes once', true),
  datagrams,
];
