/** close_when_done on a datagram socket that has no peer. */
import { poll, poll2 } from '@asyncore/core';
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, Socket } from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import { free, onEveryPoller, own, Sender, Stage } from '../support.js';

const inet6 = 'inet6 (runs where ::1 is up: ip -6 address add ::1 dev lo)';
const families: [name: string, family: number, works: boolean][] = [
  ['inet', AF_INET, true],
  [hasInet6() ? 'inet6' : inet6, AF_INET6, hasInet6()],
  ['unix', AF_UNIX, true],
];

function peerless(stage: Stage, family: number): Sender {
  const channel = new Sender(stage);
  channel.create_socket(family, SOCK_DGRAM);
  channel.bind(free(family));
  return channel;
}

describe.each(families)('%s', (_, family, works) => {
  describe.skipIf(!works)('without a peer', () => {
    onEveryPoller((use_poll) => {
      it('close_when_done closes', async () => {
        const stage = new Stage(use_poll);
        peerless(stage, family).close_when_done();
        await stage.passes(3);
        expect([stage.trace, stage.map.size]).toEqual([['close'], 0]);
      });

      it('close_when_done closes a channel that has answered, and is idle before', async () => {
        const stage = new Stage(use_poll);
        const channel = peerless(stage, family);
        const client = own(new Socket(family, SOCK_DGRAM));
        client.bind(free(family));
        channel.handle_read = () => {
          const [data, from] = channel.recvfrom(100);
          channel.sendto(data, from ?? '');
          stage.say('answered');
        };
        expect(await stage.isIdle()).toBe(true);
        client.sendto(Buffer.from('hello'), channel.getsockname());
        await stage.until('answered');
        expect(await stage.isIdle()).toBe(true);
        channel.close_when_done();
        await stage.until('close');
        expect([`${client.recv(100)}`, stage.map.size]).toEqual(['hello', 0]);
      });

      it('what was sent to nobody does not keep it open', async () => {
        const stage = new Stage(use_poll);
        const channel = peerless(stage, family);
        channel.send(Buffer.from('to nobody'));
        channel.close_when_done();
        await stage.passes(3);
        expect([stage.trace, stage.map.size]).toEqual([['close'], 0]);
      });

      it('one that gets a peer before the next pass sends everything first', async () => {
        const stage = new Stage(use_poll);
        const theirs = own(new Socket(family, SOCK_DGRAM));
        theirs.bind(free(family));
        const channel = peerless(stage, family);
        for (const text of ['one', 'two']) channel.send(Buffer.from(text));
        channel.close_when_done();
        channel.connect(theirs.getsockname());
        await stage.until('close');
        expect([1, 2].map(() => `${theirs.recv(100)}`)).toEqual(['one', 'two']);
      });
    });

    it.each([poll, poll2])('%o closes it too', (pass) => {
      const stage = new Stage();
      peerless(stage, family).close_when_done();
      for (let i = 0; i < 3; i++) pass(0, stage.map);
      expect([stage.trace, stage.map.size]).toEqual([['close'], 0]);
    });
  });
});
