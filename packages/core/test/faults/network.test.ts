/** What networks do to connections: packets lost, late, doubled, out of turn; peers that vanish. */
import { createHash } from 'node:crypto';
import { IPPROTO_TCP, type OSError, type Socket, TCP_USER_TIMEOUT } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { onEveryPoller, Recorder, Sender, Stage } from '../support.js';
import { unable, Wire } from './wire.js';

const hello = Buffer.from('hello');

function giveUpAfter(milliseconds: number, socket: Socket): Socket {
  socket.setsockopt(IPPROTO_TCP, Number(TCP_USER_TIMEOUT), milliseconds);
  return socket;
}

describe.skipIf(unable !== '')(`over a wire${unable}`, () => {
  onEveryPoller((use_poll) => {
    it('a peer that vanishes from a quiet connection is found by keep-alive', async () => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const [ours] = wire.connection();
      new Recorder(stage, ours).set_keep_alive({ idle: 1, interval: 1, count: 1 });
      wire.cut();
      await stage.until('close');
      expect(stage.trace).toEqual(['close']);
    });

    it('a peer that vanishes while we write is found by TCP_USER_TIMEOUT', async () => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const [ours] = wire.connection();
      const sender = new Sender(stage, ours);
      sender.set_keep_alive({ user_timeout: 0.3 });
      wire.cut();
      sender.send(Buffer.alloc(8 << 20));
      await stage.until('close');
      expect([stage.trace, stage.map.size]).toEqual([['close'], 0]);
    });

    it('a host that does not answer fails the attempt to connect', async () => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const [, port] = wire.listener();
      wire.cut();
      const client = new Recorder(stage, giveUpAfter(300, wire.socket()));
      client.handle_connect_error = (error) => stage.say(`failed ${(error as OSError).code}`);
      client.connect(['10.0.0.2', port]);
      await stage.until('failed ETIMEDOUT');
      expect([stage.trace.length, client.connecting]).toEqual([1, false]);
    });

    it('a link taken down closes its connections, when they write', async () => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const [ours] = wire.connection();
      const channel = new Recorder(stage, giveUpAfter(300, ours));
      wire.link('down');
      channel.send(hello);
      await stage.until('close');
      expect(stage.trace).toEqual(['close']);
    });

    it('a link taken down and up again has lost nothing', async () => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const [ours, theirs] = wire.connection();
      new Recorder(stage, ours);
      wire.link('down');
      theirs.send(hello);
      await stage.passes();
      wire.link('up');
      await stage.until('read 5');
      theirs.close();
      await stage.until('close');
      expect(stage.trace).toEqual(['read 5', 'close']);
    });

    it.each([
      ['loses one packet in 20', { loss: 0.05 }],
      ['is slow and unsteady, so that packets overtake each other', { delay: 0.002, jitter: 0.01 }],
      ['delivers one packet in five twice', { twice: 0.2 }],
      ['does all of that', { loss: 0.02, delay: 0.001, jitter: 0.005, twice: 0.1 }],
    ])('what goes both ways arrives as it was over a wire that %s', async (_, quality) => {
      const stage = new Stage(use_poll);
      const wire = new Wire();
      const data = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
      class End extends Sender {
        digest = createHash('sha256');
        length = 0;
        override handle_read = () => {
          const piece = this.recv(65536);
          this.digest.update(piece);
          this.length += piece.length;
          if (piece.length > 0 && this.length === data.length) stage.say('all');
        };
      }
      const ends = wire.connection().map((sock) => new End(stage, sock));
      wire.set(quality);
      for (const end of ends) end.send(data);
      await stage.until(() => stage.count('all') === 2);
      ends[0].close();
      await stage.until('close');
      const digest = createHash('sha256').update(data).digest('hex');
      expect(ends.map((end) => end.digest.digest('hex'))).toEqual([digest, digest]);
      expect(stage.trace).toEqual(['all', 'all', 'close']);
    });
  });
});
