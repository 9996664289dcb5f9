/** A channel that ends before its handshake is done. */
import { once } from 'node:events';
import { dispatcher } from '@asyncore/core';
import { SHUT_WR } from '@asyncore/socket';
import { describeTls } from '@asyncore/test-support/certificates';
import { start_tls } from '@asyncore/tls';
import { expect, it, vi } from 'vitest';
import {
  Channel,
  CLIENT,
  Door,
  Lines,
  onEveryPoller,
  pair,
  plain,
  SERVER,
  Stage,
} from './support.js';

vi.setConfig({ testTimeout: 60_000 });

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const SIDES = ['server', 'client'] as const;
const ENDS = ['close_when_done', 'shutdown'] as const;
const cases = VERSIONS.flatMap((version) =>
  SIDES.flatMap((side) =>
    ENDS.flatMap((end) => ['bye', ''].map((last) => [version, side, end, last] as const)),
  ),
);

describeTls('before the handshake is done', () => {
  onEveryPoller((use_poll) => {
    for (const Kind of [Channel, Lines]) {
      it.each(Kind === Channel ? cases : cases.slice(4, 12))(
        `${Kind.name}, %s: the %s’s %s comes after it, and behind "%s"`,
        async (...each) => {
          const [version, side, end, last] = each;
          const on = new Stage(use_poll);
          const [far, near] = await pair(on);
          const sides = side === 'server' ? [far, near] : [near, far];
          const ending = new Kind(on, 'ending', sides[0]);
          ending.linger_time = 60;
          const options = [
            { ...SERVER, isServer: true, maxVersion: version },
            { ...CLIENT, isServer: false },
          ];
          if (side === 'client') options.reverse();
          ending.start_tls(options[0]);
          if (ending instanceof Lines) ending.push(Buffer.from(last));
          else ending.send(Buffer.from(last));
          if (end === 'shutdown') ending.shutdown(SHUT_WR);
          else ending.close_when_done();
          await on.passes(3);
          const peer = new Channel(on, 'peer', sides[1]);
          peer.start_tls(options[1]);
          peer.handle_eof = () => {
            peer.say('eof');
            peer.send(Buffer.from('answer\r\n'));
            peer.close_when_done();
          };
          await on.until('ending close');
          const answer = Kind === Lines ? 'ending answer' : 'ending read answer\r\n';
          const expected = ['ending secure', 'peer secure', 'peer eof', 'ending close'];
          if (last !== '') expected.push('peer read bye');
          if (end === 'shutdown') expected.push(answer); // after close_when_done it is discarded
          const told = on.trace.filter((line) => line !== 'peer close');
          expect(told.toSorted()).toEqual(expected.toSorted());
          expect([ending.close_reason, peer.close_reason]).toEqual([null, null]);
        },
      );
    }

    it.each(VERSIONS)('%s: shutdown of a plain dispatcher comes after it', async (version) => {
      const on = new Stage(use_poll);
      const [far, near] = await pair(on);
      const ending = new dispatcher(far, on.map);
      start_tls(ending, { ...SERVER, isServer: true, maxVersion: version });
      ending.shutdown(SHUT_WR);
      const peer = new Channel(on, 'peer', near);
      peer.start_tls({ ...CLIENT, isServer: false });
      await on.until('peer close');
      expect(on.trace).toEqual(['peer secure', 'peer close']);
      expect(peer.close_reason).toBeNull();
    });

    it('close gives up, and sends nothing in the clear', async () => {
      const on = new Stage(use_poll);
      const door = new Door(on, (sock) => {
        const server = new Channel(on, 'server', sock);
        server.start_tls(SERVER);
        server.send(Buffer.from('secret'));
        server.close();
        on.say('closed');
      });
      const socket = await plain(door.port);
      let heard = '';
      socket.on('data', (data) => {
        heard += data;
      });
      const ended = once(socket, 'close');
      await on.until('closed');
      await ended;
      expect(heard).toBe('');
    });
  });
});
