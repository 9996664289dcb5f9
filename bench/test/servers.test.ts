import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cases } from '../dist/cases.js';
import { compiled } from '../dist/compiled.js';
import { Load } from '../dist/load.js';
import { measure, suits } from '../dist/measure.js';
import { others, ours } from '../dist/servers.js';

const servers = [
  ...ours('ours', join(import.meta.dirname, '../..')),
  ...others(compiled('servers/echo.c')),
];
const load = compiled('native/load.c');
const limit = { seconds: 20, requests: 60 };
const settings = { load, serverCore: 0, loadCore: 0, limit, warmUp: 0.001 };

// One for each thing that servers are asked to do; the others differ in numbers only.
const kinds = [
  'ping-pong-50',
  'bulk-1024k',
  'churn',
  'memory-used',
  'udp',
  'udp-batches',
  'lines-16',
];

describe.each(servers)('$name', (server) => {
  const suitable = cases.filter((one) => suits(server, one));

  it.for(suitable.filter(({ name }) => kinds.includes(name)))('answers in $name', async (one) => {
    const { cost, rate } = await measure(one, server, settings);
    expect(Number.isFinite(cost)).toBe(true);
    if (one.rate !== null) expect(rate).toBeGreaterThan(0);
  });

  it.for(suitable.filter(({ protocol }) => protocol === 'redis'))(
    'answers in $name',
    async (one, { skip }) => {
      const missing = spawnSync('redis-benchmark', ['--version']).error !== undefined;
      skip(missing, 'needs redis-benchmark: apt-get install redis-tools');
      // Fewer would be done in less than the millisecond that redis-benchmark can tell.
      const enough = { ...settings, limit: { seconds: 20, requests: 20_000 } };
      expect((await measure(one, server, enough)).rate).toBeGreaterThan(0);
    },
  );
});

for (const [name, how] of [
  ['bun', 'pnpm bench --with-others'],
  ['deno', 'pnpm bench --with-others'],
  ['python', 'a Python that has asyncore, up to 3.11'],
  ['redis-server', 'apt-get install redis-server'],
]) {
  it(`has ${name} to compare with`, ({ skip }) => {
    const found = servers.some((server) => server.name === name);
    skip(!found, `needs ${how}`);
  });
}

describe('the load', () => {
  async function against(answer: (socket: Socket) => void) {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const loading = new Load(load, 0, String((server.address() as AddressInfo).port));
    onTestFinished(async () => {
      await loading.stop();
      server.close();
    });
    return loading;
  }

  it('counts the answers that came', async () => {
    const loading = await against((socket) => socket.pipe(socket).on('error', () => {}));
    await loading.open(2);
    expect((await loading.run('talk', 2, 64, { seconds: 20, requests: 7 })).units).toBe(7);
    expect((await loading.run('churn', 2, 64, { seconds: 20, requests: 5 })).units).toBe(5);
  });

  it('refuses an answer with a wrong byte', async () => {
    const loading = await against((socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => {
        data[data.length - 1] ^= 1;
        socket.write(data);
      });
    });
    await loading.open(1);
    const run = loading.run('talk', 1, 64, { seconds: 20, requests: 1 });
    await expect(run).rejects.toThrow('the answer is wrong');
  });

  it('refuses an answer that is too long', async () => {
    const loading = await against((socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => socket.write(Buffer.concat([data, data])));
    });
    await loading.open(1);
    const run = loading.run('talk', 1, 64, { seconds: 20, requests: 1 });
    await expect(run).rejects.toThrow('more than it was told');
  });

  it('notices that a server hangs up', async () => {
    const loading = await against((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end());
    });
    await loading.open(1);
    const run = loading.run('talk', 1, 64, { seconds: 20, requests: 1 });
    await expect(run).rejects.toThrow('hung up');
  });
});
