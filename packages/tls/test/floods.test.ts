/** Many connections, and what is left of them. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { dispatcher } from '@asyncore/core';
import { describeTls } from '@asyncore/test-support/certificates';
import { tls_dispatcher } from '@asyncore/tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Channel, CLIENT, Door, SERVER, Stage, secured } from './support.js';

/** Also from the command line: ASYNCORE_TEST_HANDSHAKES=10000, which takes a minute or two. */
const HANDSHAKES = Number(process.env.ASYNCORE_TEST_HANDSHAKES ?? 600);
vi.setConfig({ testTimeout: Math.max(60_000, HANDSHAKES * 60) });

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function heapUsed(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    collect();
    await new Promise(setImmediate);
  }
  return process.memoryUsage().heapUsed;
}

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const unable = process.platform === 'linux' ? '' : ' (descriptors are counted on Linux)';
const open = () => readdirSync('/proc/self/fd').length;

describeTls(`${HANDSHAKES} handshakes${unable}`, () => {
  it.skipIf(unable !== '')('leave nothing behind', async () => {
    const on = new Stage();
    let served = 0;
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

    /** One in three leaves in the middle of its handshake, one in three speaks nonsense. */
    const client = (i: number) => {
      if (i % 3 === 0) {
        const made = new tls_dispatcher(null, on.map, CLIENT);
        made.linger_time = 0.2;
        made.handle_read = () => void made.recv(10);
        made.handle_close = () => {
          made.close();
          served += 1;
        };
        made.create_socket();
        made.connect(door.getsockname());
        return;
      }
      const socket = connect(door.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.on('close', () => {
        served += 1;
      });
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
      if (i % 3 === 1) socket.end(hello);
      else socket.write('nonsense, and more of it\r\n');
      socket.resume();
    };

    const some = async (count: number) => {
      const end = served + count;
      for (let begun = served; served < end; ) {
        while (begun < end && begun - served < 20) client(begun++);
        await on.loop({ timeout: 0.05, count: 1 });
      }
      await on.loop({ timeout: 0.3, count: 1 });
      await on.loop({ timeout: 0, count: 20 });
    };

    await some(120);
    const before = { open: open(), channels: on.map.size, timers: timers() };
    const heap = await heapUsed();
    await some(HANDSHAKES);
    expect({ open: open(), channels: on.map.size, timers: timers() }).toEqual(before);
    expect((await heapUsed()) - heap).toBeLessThan(1_500_000);
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
