/** After close_when_done, what the kernel has taken reaches a peer that never stopped sending. */
import { dispatcher_with_send, poll2 } from '@asyncore/core';
import { SHUT_WR, type Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { ends, itUnless, onEveryFamily, onEveryPoller, Sender, Stage } from '../support.js';

const ENDLESS = 'its peer is a stream of node:tls, which keeps all that it is given';
const flood = Buffer.alloc(1 << 16);

/** Sends as much as goes. */
function pour(socket: Socket): void {
  try {
    for (;;) socket.send(flood);
  } catch {}
}

/** The number of bytes that come until the end; throws what the end is, if it is no orderly one. */
async function receivedBy(theirs: Socket, stage: Stage, between = () => {}): Promise<number> {
  let count = 0;
  for (let turns = 0; turns < 20_000; turns++) {
    try {
      const { length } = await theirs.recv(50_000);
      if (length === 0) return count;
      count += length;
    } catch (error) {
      if ((error as { code: string }).code !== 'EAGAIN') throw error;
    }
    between();
    if (stage.map.size > 0) await stage.loop({ timeout: 0.01, count: 1 });
  }
  throw new Error(`no end after ${count}`);
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    // CPython: 113,152 of 200,000 bytes.
    itUnless({ tls: ENDLESS })(
      'all that was sent arrives although input is left unread',
      async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = await ends(family);
        theirs.setblocking(false);
        const channel = new Sender(stage, ours);
        channel.readable = () => false;
        pour(theirs);
        channel.send(Buffer.alloc(200_000));
        channel.close_when_done();
        expect(await receivedBy(theirs, stage)).toBe(200_000);
        theirs.close();
        await stage.loop();
        expect([channel.close_reason, stage.trace]).toEqual([null, ['close']]);
      },
    );

    it('a peer that never ends is waited for so long as linger_time says', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 0.1;
      channel.close_when_done();
      const start = performance.now();
      await stage.loop();
      const took = performance.now() - start;
      expect(took).toBeGreaterThanOrEqual(95);
      expect(took).toBeLessThan(1500); // a machine may be busy
      expect(stage.trace).toEqual(['close']);
    });

    itUnless({ tls: ENDLESS })('a peer that floods is read away up to linger_bytes', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      theirs.setblocking(false);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.linger_bytes = 300_000;
      channel.readable = () => false;
      let read = 0;
      const { recv } = ours;
      ours.recv = (...args) => {
        const data = recv.apply(ours, args);
        read += data.length;
        return data;
      };
      channel.close_when_done();
      while (stage.map.size > 0) {
        pour(theirs);
        await stage.loop({ timeout: 1, count: 1 });
      }
      expect(read).toBeGreaterThan(300_000);
      expect(read).toBeLessThanOrEqual(300_000 + 65_536);
      expect(stage.trace).toEqual(['close']);
    });

    it('linger_time = 0 closes at once', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends(family);
      class Curt extends Sender {
        override linger_time = 0;
      }
      const channel = new Curt(stage, ours);
      channel.close_when_done();
      await stage.loop({ count: 2 });
      expect([channel.connected, stage.trace]).toEqual([false, ['close']]);
    });

    it('a peer that has ended its half is not waited for', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.handle_eof = () => {
        channel.send(Buffer.from('bye'));
        channel.close_when_done();
      };
      theirs.shutdown(SHUT_WR);
      await stage.loop();
      expect(String(await theirs.recv(10))).toBe('bye');
      expect(stage.trace).toEqual(['close']);
    });

    it('one that ends its half while it is waited for is the end', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.send(Buffer.from('bye'));
      channel.close_when_done();
      await stage.passes(3);
      expect([
        channel.connected,
        String(await theirs.recv(10)),
        (await theirs.recv(10)).length,
      ]).toEqual([true, 'bye', 0]);
      theirs.send(flood.subarray(0, 100));
      theirs.shutdown(SHUT_WR);
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('a reset meanwhile is told once', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.send(Buffer.alloc(1000));
      channel.close_when_done();
      await stage.passes(3);
      theirs.close(); // with what it has not read: a reset
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('close meanwhile is the end, and calls nothing', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.close_when_done();
      await stage.passes(3);
      channel.close();
      await stage.loop();
      expect([stage.trace, ours.fileno()]).toEqual([[], -1]);
    });

    it('what comes is told to nobody, and timeout does not count', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.handle_timeout = () => stage.say('timeout');
      channel.timeout = 0.01;
      channel.linger_time = 0.1;
      channel.close_when_done();
      await stage.passes(3);
      theirs.send(Buffer.from('too late'));
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('send and close_when_done meanwhile change nothing', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.linger_time = 60;
      channel.close_when_done();
      await stage.passes(3);
      expect(channel.send(Buffer.from('late'))).toBe(0);
      channel.close_when_done();
      channel.shutdown(SHUT_WR);
      await stage.passes(3);
      expect((await theirs.recv(10)).length).toBe(0);
      theirs.close();
      await stage.loop();
      expect(stage.trace.at(-1)).toBe('close');
      expect(stage.trace).toHaveLength(2);
    });
  });

  it('poll2 with a timeout ends when linger_time does', async () => {
    const stage = new Stage();
    const [ours] = await ends(family);
    const channel = new Sender(stage, ours);
    channel.linger_time = 0.05;
    channel.close_when_done();
    const start = performance.now();
    for (let i = 0; i < 10 && stage.map.size > 0; i++) poll2(4, stage.map);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(stage.trace).toEqual(['close']);
  });
});

describe('by default', () => {
  it('it is two seconds, and a megabyte', () => {
    const { linger_time, linger_bytes } = new dispatcher_with_send(null, new Map());
    expect([linger_time, linger_bytes]).toEqual([2, 1 << 20]);
  });
});
