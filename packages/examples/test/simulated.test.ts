/**
 * The TCP examples in a simulated network: what each promises, whatever is delayed, cut, or breaks. Their
 * sources are as they are; only the network is another. `copy` gives each example its file of ../simulated along.
 */
// In a process of its own: it simulates the whole network, and every channel that there is belongs to it.
import { readdirSync } from 'node:fs';
import { SMTPServer, UDPEcho } from '@asyncore/examples';
import { explore, explore_all, type network, simulate } from '@asyncore/testing';
import { describe, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000 });
vi.spyOn(console, 'log').mockImplementation(() => {});

const HOST = '127.0.0.1';
const folder = new URL('../simulated/', import.meta.url);
const modules = readdirSync(folder).map((file) => import(new URL(file, folder).href));
const scenarios: Record<string, (net: network) => Promise<void>> = Object.assign(
  {},
  ...(await Promise.all(modules)),
);

describe('in whatever network, the promises hold of', () => {
  it.each(Object.entries(scenarios))('%s', async (_, body) => {
    const runs = Math.ceil(Number(process.env.ASYNCORE_SCHEDULES ?? 10_000) / 100);
    expect(await explore({ runs, globals: true }, body)).toBe(runs);
  });
});

it.each(['echo_server', 'store_server', 'smtp_server'])(
  '%s keeps them with every single cut, delay and order',
  async (name) => {
    expect(await explore_all({ globals: true }, scenarios[name])).toBeGreaterThan(50);
  },
);

it('udp_echo answers what arrives, and that only', () =>
  explore({ runs: 100 }, async (net) => {
    new UDPEcho(HOST, 7);
    const peer = net.datagrams();
    for (const text of ['one', 'two', 'three']) peer.send(text, [HOST, 7]);
    await net.settle();
    for (const { data } of peer.received) expect(['one', 'two', 'three']).toContain(`${data}`);
  }));

it('smtp_server lets a silent client go after five minutes', () =>
  simulate({}, async (net) => {
    new SMTPServer(HOST, 25, () => {});
    const peer = net.connect([HOST, 25]);
    await peer.expect('220');
    await net.advance(299);
    expect(peer.ended).toBe(null);
    expect(await peer.end(31)).toBe('end');
  }));
