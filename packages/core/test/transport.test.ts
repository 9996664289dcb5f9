import { type dispatcher, poll2 } from '@asyncore/core';
import {
  BlockingIOError,
  errno,
  NOTICE,
  POLLHUP,
  POLLIN,
  POLLOUT,
  type Socket,
  type Transport,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { connection, onEveryPoller, Recorder, Stage } from './support.js';

/** Not polled: a test says what it has, has room for, and has to tell. */
class Unpolled implements Transport {
  readonly type = 1;
  input: Buffer[] = [];
  room = 0;
  ended = false;
  over = false;
  news: (() => void) | null = null;
  polled = 0;
  /** Of what the poller has told. */
  events = 0;
  changed = () => {};

  constructor(readonly below: Socket) {}

  fileno(): number {
    return this.below.fileno();
  }
  wants(): number {
    return this.polled;
  }
  ready(events: number): number {
    this.events |= events;
    const input = this.input.length > 0 || this.ended ? POLLIN : 0;
    const room = this.room > 0 ? POLLOUT : 0;
    return input | room | (this.over ? POLLHUP : 0) | (this.news ? NOTICE : 0);
  }
  notice(): void {
    const { news } = this;
    this.news = null;
    news?.();
  }
  state(): number {
    return this.over ? POLLHUP : 0;
  }
  unread(): number {
    return this.input.length;
  }
  recv(): Buffer {
    const data = this.input.shift();
    if (data !== undefined) return data;
    if (this.ended) return Buffer.alloc(0);
    throw new BlockingIOError('recv', errno.EAGAIN);
  }
  send(data: ArrayBufferView): number {
    const sent = Math.min(this.room, data.byteLength);
    if (sent === 0) throw new BlockingIOError('send', errno.EAGAIN);
    this.room -= sent;
    return sent;
  }
  getsockopt(): number {
    return 0;
  }
  watch(changed: () => void): void {
    this.changed = changed;
  }
  close(): void {
    this.below.close();
  }
}

/** A channel on such a transport. */
function channelOn(stage: Stage): [channel: Recorder, transport: Unpolled, theirs: Socket] {
  const [ours, theirs] = connection();
  const transport = new Unpolled(ours);
  const channel = new Recorder(stage);
  (channel as dispatcher as dispatcher<Transport>).set_socket(transport);
  channel.connected = true;
  return [channel, transport, theirs];
}

describe('a transport whose readiness is not that of its descriptor', () => {
  onEveryPoller((use_poll) => {
    const after = (change: () => void) => void setTimeout(change, 5);

    it('is read when it says that it has something, and no descriptor tells it', async () => {
      const stage = new Stage(use_poll);
      const [, transport, theirs] = channelOn(stage);
      theirs.send(Buffer.from('passed over'));
      after(() => {
        transport.input.push(Buffer.from('abc'), Buffer.from('de'));
        transport.changed();
      });
      await stage.until('read 2');
      expect(stage.trace).toEqual(['read 3', 'read 2']);
      expect(await stage.isIdle()).toBe(true);
    });

    it('is written to when it has room', async () => {
      const stage = new Stage(use_poll);
      const [channel, transport] = channelOn(stage);
      let left = 5;
      channel.writable = () => left > 0;
      channel.handle_write = () => {
        left -= channel.send(Buffer.alloc(left));
        stage.say(`left ${left}`);
      };
      await stage.passes(5);
      expect(stage.trace).toEqual([]);
      after(() => {
        transport.room = 3;
        transport.changed();
      });
      await stage.until('left 2');
      expect(await stage.isIdle()).toBe(true);
    });

    it('ends when it says so, after what is unread', async () => {
      const stage = new Stage(use_poll);
      const [, transport] = channelOn(stage);
      after(() => {
        transport.input.push(Buffer.from('abc'));
        transport.over = transport.ended = true;
        transport.changed();
      });
      await stage.until('close');
      expect(stage.trace).toEqual(['read 3', 'close']);
    });

    it('has its notice called first, as a handler, also while nothing is read', async () => {
      const stage = new Stage(use_poll);
      const [channel, transport] = channelOn(stage);
      let reads = false;
      channel.readable = () => reads;
      transport.input.push(Buffer.from('abc'));
      after(() => {
        transport.news = () => {
          stage.say('notice');
          reads = true;
        };
        transport.changed();
      });
      await stage.until('read 3');
      transport.news = () => {
        throw new Error('of a notice');
      };
      transport.changed();
      await stage.until('error of a notice');
      expect(stage.trace).toEqual(['notice', 'read 3', 'error of a notice']);
    });

    it('is told what its descriptor has while the channel wants nothing', async () => {
      const stage = new Stage(use_poll);
      const [channel, transport, theirs] = channelOn(stage);
      channel.readable = () => false;
      channel.writable = () => false;
      transport.polled = POLLIN;
      theirs.send(Buffer.from('for the transport'));
      await stage.passes(3);
      expect(transport.events & POLLIN).toBe(POLLIN);
      expect(stage.trace).toEqual([]);
    });

    it('is served by a pass that blocks, too', () => {
      const stage = new Stage(use_poll);
      const [, transport, theirs] = channelOn(stage);
      transport.input.push(Buffer.from('abc'));
      poll2(1, stage.map);
      expect(stage.trace).toEqual(['read 3']);
      transport.polled = POLLIN;
      theirs.send(Buffer.from('x'));
      poll2(1, stage.map);
      expect(transport.events & POLLIN).toBe(POLLIN);
    });
  });
});
