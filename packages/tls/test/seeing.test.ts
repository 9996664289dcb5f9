/** What can be seen of TLS channels from outside. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type bytes_message,
  type channel_message,
  type close_message,
  dispatcher,
  inspect_map,
} from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { describeTls } from '@asyncore/test-support/certificates';
import { start_tls } from '@asyncore/tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Channel, CLIENT, onEveryPoller, pair, SERVER, Stage, secured } from './support.js';

vi.setConfig({ testTimeout: 60_000 });

/** Hears the messages of this name. */
function hear<M extends channel_message>(name: string): M[] {
  const messages: M[] = [];
  const hears = (message: unknown) => void messages.push(message as M);
  subscribe(`asyncore:channel:${name}`, hears);
  onTestFinished(() => void unsubscribe(`asyncore:channel:${name}`, hears));
  return messages;
}

function sum(messages: bytes_message[], channel: object): number {
  const ours = messages.filter((message) => message.channel === channel);
  return ours.reduce((all, { bytes }) => all + bytes, 0);
}

describeTls('seen from outside, TLS', () => {
  onEveryPoller((use_poll) => {
    it('counts each byte once, as the ciphertext that the peer receives', async () => {
      const on = new Stage(use_poll);
      const sent = hear<bytes_message>('send');
      const received = hear<bytes_message>('receive');
      const ends = hear<close_message>('close');
      const [server, client] = await secured(on);
      const before = sum(sent, client);
      client.send(Buffer.alloc(1000));
      await on.until(() => server.size === 1000);
      await on.passes(3);
      const record = sum(sent, client) - before;
      expect(record).toBeGreaterThan(1000);
      expect(record).toBeLessThan(1100);
      expect(sum(received, server)).toBe(sum(sent, client));
      const [row] = inspect_map(new Map([[client.fileno(), client]])).rows;
      expect(row.bytes_out).toBe(sum(sent, client));
      client.close();
      await on.until('server close');
      const end = ends.find(({ channel }) => (channel as object) === server);
      expect(end).toMatchObject({
        bytes_in: sum(received, server),
        bytes_out: sum(sent, server),
      });
    });

    it('counts ciphertext where the subscription came after the channel, and before TLS', async () => {
      const on = new Stage(use_poll);
      const [far, near] = await pair(on);
      const ends = [new Channel(on, 'server', far), new Channel(on, 'client', near)];
      const sent = hear<bytes_message>('send');
      const received = hear<bytes_message>('receive');
      ends[0].start_tls(SERVER);
      ends[1].start_tls({ ...CLIENT, isServer: false });
      ends[1].send(Buffer.alloc(1000));
      await on.until(() => ends[0].size === 1000);
      await on.passes(3);
      expect(sum(sent, ends[1])).toBeGreaterThan(1300); // with the handshake
      expect(sum(received, ends[0])).toBe(sum(sent, ends[1]));
      const [row] = inspect_map(new Map([[near.fileno(), ends[1]]])).rows;
      expect(row.bytes_out).toBe(sum(sent, ends[1]));
    });

    it('tells its failure, for with_tls as for any dispatcher', async () => {
      const on = new Stage(use_poll);
      const errors = hear('error');
      class Own extends Channel {
        override handle_tls_error(): void {
          on.say('own error');
        }
      }
      class Plain extends dispatcher {
        override handle_error(): void {
          on.say('plain error');
          this.close();
        }
      }
      for (const make of [
        (sock: Socket) => new Channel(on, 'server', sock),
        (sock: Socket) => new Own(on, 'server', sock),
        (sock: Socket) => new Plain(sock, on.map),
      ]) {
        errors.length = on.trace.length = 0;
        const [far, near] = await pair(on);
        const channel = make(far);
        start_tls(channel, SERVER);
        near.send(Buffer.from('garbage, more or less'));
        await on.until(() => on.trace.some((line) => / error/.test(line)));
        expect(errors.map((message) => message.channel)).toEqual([channel]);
        near.close();
      }
    });

    it('opens no channel of its own for what is on its way at close', async () => {
      const on = new Stage(use_poll);
      const [server, client] = await secured(on);
      const opens = hear('open');
      let reads = false;
      client.readable = () => reads;
      const much = Buffer.alloc(1 << 20);
      for (let idle = 0; idle < 5; idle += 1) {
        if (dispatcher.prototype.send.call(server, much) > 0) idle = 0;
        await on.passes(3);
      }
      server.close();
      reads = true;
      await on.until('client close');
      expect(opens).toEqual([]);
    });
  });
});
