/** Many connections, and what is left of them. */
// In a process of its own: it measures memory, and counts timers.
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { dispatcher } from '@asyncore/core';
import { describeTls } from '@asyncore/test-support/certificates';
import { collect } from '@asyncore/test-support/collect';
import { tls_dispatcher } from '@asyncore/tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Channel, CLIENT, Door, SERVER, Stage, secured } from './support.js';

/** How many are done; half as many again are begun. `npm run fuzz` sets it: 10,000 take two minutes. */
const HANDSHAKES = Number(process.env.ASYNCORE_TEST_HANDSHAKES ?? 400);
vi.setConfig({ testTimeout: Math.max(60_000, HANDSHAKES * 60) });

async function heapUsed(): Promise<number> {
  await collect(5);
  return process.memoryUsage().heapUsed;
}

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const unable = process.platform === 'linux' ? '' : ' (descriptors are counted on Linux)';
const open = () => readdirSync('/proc/self/fd').length;

describeTls(`${HANDSHAKES} handshakes${unable}`, () => {
  it.skipIf(unable !== '')('leave nothing behind', async () => {
    const on = new Stage();
    let [done, left] = [0, 0];
    const door = new Door(on, (sock) => {
      const server = new Channel(on, 'server', sock);
      server.handle_secure = () => {
        server.send(Buffer.from('hi'));
        server.close_when_done();
      };
      server.log_info = () => {};
      server.say = () => {};
      server.start_tls(SERVER);
    });

    const whole = () => {
      const made = new tls_dispatcher(null, on.map, CLIENT);
      made.linger_time = 0.2;
      made.handle_read = () => void made.recv(10);
      made.handle_secure = () => {
        done += 1;
      };
      made.handle_close = () => {
        made.close();
        left += 1;
      };
      made.create_socket();
      made.connect(door.getsockname());
    };

    /** Leaves in the middle of its handshake, or speaks nonsense. */
    const broken = (leaves: boolean) => {
      const socket = connect(door.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => {
        left += 1;
      });
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
      if (leaves) socket.end(hello);
      else socket.write('nonsense, and more of it\r\n');
      socket.resume();
    };

    const some = async (count: number) => {
      const [begin, end] = [left, left + count * 1.5];
      for (let begun = begin; left < end; ) {
        for (; begun < end && begun - left < 20; begun++) {
          if ((begun - begin) % 3 < 2) whole();
          else broken(begun % 2 === 0);
        }
        await on.loop({ timeout: 0.05, count: 1 });
      }
      await on.loop({ timeout: 0.3, count: 1 });
      await on.loop({ timeout: 0, count: 20 });
    };

    const now = () => ({ open: open(), channels: on.map.size, timers: timers() });
    await some(80);
    const before = now();
    const heap = await heapUsed();
    const { rss } = process.memoryUsage();
    done = 0;
    await some(HANDSHAKES);
    const grown = (await heapUsed()) - heap;
    if (process.env.ASYNCORE_TEST_HANDSHAKES !== undefined) {
      const resident = process.memoryUsage().rss - rss;
      console.log(`${done} handshakes: ${grown} bytes of heap, ${resident} resident`, now());
    }
    expect(done).toBe(HANDSHAKES);
    expect(now()).toEqual(before);
    expect(grown).toBeLessThan(Math.max(1_500_000, HANDSHAKES * 200));
  });
});

describeTls('after close', () => {
  it('one that reads nothing after close is given up', async () => {
    const on = new Stage();
    const [server, client] = await secured(on);
    client.readable = () => false;
    const much = Buffer.alloc(1 << 20);
    for (let idle = 0; idle < 5; idle += 1) {
      if (dispatcher.prototype.send.call(server, much) > 0) idle = 0;
      await on.passes(3);
    }
    const { below } = server.socket as unknown as { below: { fileno(): number } };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    server.close();
    await new Promise(setImmediate);
    vi.advanceTimersByTime(9000);
    expect(below.fileno()).toBeGreaterThan(0);
    vi.advanceTimersByTime(2000);
    expect(below.fileno()).toBe(-1);
  });
});
