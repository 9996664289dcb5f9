/** Sockets that keep the borders of messages: each send is a message, also out of the queue. */
import type { dispatcher_with_send } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import { free, onEveryPoller, own, Sender, Stage } from '../support.js';

const inet6 = hasInet6() ? [] : ['(runs where ::1 is up: ip -6 address add ::1 dev lo)'];
type Pair = (stage: Stage) => [channel: Sender, theirs: Socket];

function datagrams(family: number): Pair {
  return (stage) => {
    const theirs = own(new Socket(family, SOCK_DGRAM));
    theirs.bind(free(family));
    const channel = new Sender(stage);
    channel.create_socket(family, SOCK_DGRAM);
    channel.connect(theirs.getsockname());
    return [channel, theirs];
  };
}

function ofPair(type: number): Pair {
  return (stage) => {
    const [ours, theirs] = socketpair(AF_UNIX, type);
    return [new Sender(stage, ours), own(theirs)];
  };
}

const kinds: [string, Pair][] = [
  ['inet DGRAM', datagrams(AF_INET)],
  ['inet6 DGRAM', datagrams(AF_INET6)],
  ['unix DGRAM', datagrams(AF_UNIX)],
  ['a pair of unix DGRAM', ofPair(SOCK_DGRAM)],
  ['SEQPACKET', ofPair(SOCK_SEQPACKET)],
];

/** What has come, message by message, up to `last`; the loop goes on meanwhile. */
async function messagesUpTo(last: string, stage: Stage, theirs: Socket): Promise<string[]> {
  const messages: string[] = [];
  for (let turns = 0; messages.at(-1) !== last; turns++) {
    if (turns > 12_000) throw new Error(`only ${messages.length} have come: ${stage.trace}`);
    try {
      messages.push(String(theirs.recv(300_000)));
    } catch {
      await stage.loop({ timeout: 0, count: 1 });
    }
  }
  return messages;
}

function sendAll(channel: dispatcher_with_send, messages: readonly string[]): void {
  for (const message of messages) channel.send(Buffer.from(message));
}

describe.each(kinds)('%s', (name, pair) => {
  const skipped = name.startsWith('inet6') && inet6.length > 0;
  describe.skipIf(skipped)(inet6.join(), () => {
    onEveryPoller((use_poll) => {
      it('each send of a handler is a message of its own, an empty one too', async () => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = pair(stage);
        const messages = ['one', '', 'two', 'x'.repeat(5000), 'last'];
        channel.writable = () => true;
        channel.handle_write = () => {
          channel.handle_write = () => {};
          sendAll(channel, messages);
          stage.say('sent');
        };
        await stage.until('sent');
        expect(await messagesUpTo('last', stage, theirs)).toEqual(messages);
      });

      it('what the kernel has no room for keeps its borders in the queue', async () => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = pair(stage);
        channel.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096);
        const messages = Array.from({ length: 2000 }, (_, i) => `${i} `.repeat(1 + (i % 5)));
        // The kernel drops what overflows the receiver's buffer of UDP: a few at a time there.
        const few = name.startsWith('inet') ? 20 : messages.length;
        for (let at = 0; at < messages.length; at += few) {
          const now = messages.slice(at, at + few);
          sendAll(channel, now);
          expect(await messagesUpTo(now[now.length - 1], stage, theirs)).toEqual(now);
        }
        expect([channel.out_buffer.length, stage.trace.filter((l) => l !== 'connect')]).toEqual([
          0,
          [],
        ]);
      });

      it('a message that is too long is told, and stops none of those after it', async () => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = pair(stage);
        channel.handle_error = (error) => stage.say(String((error as { code: string }).code));
        channel.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192);
        channel.writable = () => true;
        channel.handle_write = () => {
          channel.handle_write = Sender.prototype.handle_write;
          Reflect.deleteProperty(channel, 'writable');
          sendAll(channel, ['before', 'x'.repeat(250_000), 'after', 'last']);
        };
        expect(await messagesUpTo('last', stage, theirs)).toEqual(['before', 'after', 'last']);
        expect(stage.count('EMSGSIZE')).toBe(1);
        channel.send(Buffer.alloc(250_000));
        channel.send(Buffer.from('still'));
        expect(await messagesUpTo('still', stage, theirs)).toEqual(['still']);
        expect(stage.count('EMSGSIZE')).toBe(2);
      });

      it('close_when_done sends every message, also the empty ones', async () => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = pair(stage);
        channel.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096);
        const messages = ['a', '', 'b'.repeat(1500), '', 'last'];
        sendAll(channel, messages);
        channel.close_when_done();
        expect(await messagesUpTo('last', stage, theirs)).toEqual(messages);
        theirs.close();
        await stage.until('close');
        expect(stage.map.size).toBe(0);
      });
    });
  });
});

onEveryPoller((use_poll) => {
  // One ECONNREFUSED of a syslog server, and a program logs nothing any more and grows.
  it.each(['outside', 'in a handler'])(
    'an error that a send throws %s strands nothing that is sent later',
    async (where) => {
      const stage = new Stage(use_poll);
      const nobody = new Socket(AF_INET, SOCK_DGRAM);
      nobody.bind(['127.0.0.1', 0]);
      const address = nobody.getsockname();
      nobody.close();
      const channel = new Sender(stage);
      channel.handle_error = (error) => stage.say(String((error as { code: string }).code));
      channel.handle_read = () => channel.recv(100);
      channel.create_socket(AF_INET, SOCK_DGRAM);
      channel.connect(address);
      const send = () => {
        for (const text of ['1', '2', '3']) channel.send(Buffer.from(text));
      };
      if (where === 'outside') {
        send();
      } else {
        channel.handle_write = () => {
          channel.handle_write = Sender.prototype.handle_write;
          Reflect.deleteProperty(channel, 'writable');
          send();
        };
        channel.writable = () => true;
      }
      await stage.until('ECONNREFUSED');
      await stage.passes(5);
      const server = own(new Socket(AF_INET, SOCK_DGRAM));
      server.bind(address);
      for (let i = 0; i < 10; i++) channel.send(Buffer.from(`later ${i}`));
      const later = Array.from({ length: 10 }, (_, i) => `later ${i}`);
      expect((await messagesUpTo('later 9', stage, server)).slice(-10)).toEqual(later);
      expect([channel.out_buffer.length, await stage.isIdle()]).toEqual([0, true]);
    },
  );
});
