/** What a handler's own pass has served, or handle_close has ended, is not told again by the pass around it. */
import { type dispatcher, poll, poll2 } from '@asyncore/core';
import { MSG_OOB, POLLIN, Socket, poll as socket_poll } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { about, type Handler, handlers } from '../events.js';
import {
  accepted,
  connection,
  listener,
  onEveryPoller,
  own,
  Recorder,
  reset,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** Waits until `sock` has something to read. */
function arrived(sock: Socket): void {
  const poller = new socket_poll();
  poller.register(sock.fileno(), POLLIN);
  poller.poll(2);
}

/** A channel that is about to be told that it is connected, and the other end. */
function connecting(channel: Recorder): Socket {
  const door = listener();
  channel.create_socket();
  channel.connect(door.getsockname());
  const peer = accepted(door);
  return peer;
}

/** Handlers that are called with the event of another one behind them. */
const firstHandlers = ['handle_connect', 'handle_read', 'handle_expt'] as const;

onEveryPoller((use_poll) => {
  describe.each([
    ['poll', poll],
    ['poll2', poll2],
  ])('%s', (_, pass) => {
    it('in handle_connect: what it reads is not told again', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel.handle_connect = () => {
        stage.say('connect');
        arrived(channel.socket as Socket);
        pass(0, stage.map);
        stage.say('polled');
      };
      channel.handle_read = () => {
        stage.say(`read ${channel.recv(100)}`);
      };
      connecting(channel).send(hello);
      await stage.until('polled');
      await stage.passes();
      expect(stage.trace).toEqual(['connect', 'read hello', 'polled']);
    });

    it('in handle_read: what it writes is not told again', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      channel.writable = () => stage.count('read') > stage.count('write');
      channel.handle_read = () => {
        channel.recv(100);
        stage.say('read');
        pass(0, stage.map);
      };
      channel.handle_write = () => stage.say('write');
      theirs.send(hello);
      await stage.until('write');
      await stage.passes();
      expect(stage.trace).toEqual(['read', 'write']);
    });

    it('in a handler: the urgent byte that it reads is not told again', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      let isFirst = true;
      channel.handle_read = () => {
        channel.recv(100);
        if (isFirst) {
          isFirst = false;
          stage.say('read');
          pass(0, stage.map);
        }
      };
      channel.handle_expt = () => {
        stage.say(`urgent ${(channel.socket as Socket).recv(1, MSG_OOB)}`);
      };
      theirs.send(hello);
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent !');
      await stage.passes();
      expect(stage.trace).toEqual(['read', 'urgent !']);
    });

    it('in handle_accepted: what it accepts is not accepted again', async () => {
      const stage = new Stage(use_poll);
      const server = new Recorder(stage);
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen();
      server.handle_accepted = (sock) => {
        own(sock);
        stage.say('accepted');
        if (stage.count('accepted') === 1) pass(0, stage.map);
      };
      for (let i = 0; i < 3; i++) own(new Socket()).connect_ex(server.getsockname());
      await stage.until(() => stage.count('accepted') === 3);
      await stage.passes();
      expect(stage.trace).toEqual(['accepted', 'accepted', 'accepted']);
    });
  });

  describe('after handle_close', () => {
    /** Says what it is told, and closes later. */
    class Stubborn extends Recorder {
      override handle_close(): void {
        this.stage.say('close');
      }
      override handle_write(): void {
        this.stage.say('write');
      }
      override handle_eof(): void {
        this.stage.say('eof');
      }
      override handle_expt(): void {
        this.stage.say('expt');
      }
    }

    it.each(firstHandlers)('within %s nothing more is told', async (handler) => {
      const stage = new Stage(use_poll);
      const channel = new Stubborn(stage);
      let told = 0;
      let peer: Socket;
      channel[handler] = () => {
        if (handler === 'handle_read') channel.recv(100);
        if (peer.fileno() < 0) return;
        told = stage.trace.length;
        reset(peer);
        arrived(channel.socket as Socket);
        channel.send(hello);
        channel.send(hello);
      };
      if (handler === 'handle_connect') {
        peer = connecting(channel);
      } else {
        const [ours, theirs] = connection();
        channel.set_socket(ours);
        channel.connected = true;
        theirs.send(Buffer.from('ab'), handler === 'handle_expt' ? MSG_OOB : 0);
        peer = theirs;
      }
      await stage.until('close');
      await stage.passes();
      expect(stage.trace.slice(told)).toEqual(['close']);
    });
  });

  // What every handler has in common: it may end the connection.
  const closing = handlers.filter((name) => name !== 'handle_close');
  it.each(closing)(
    'a channel that tells itself of its end in %s is told nothing more',
    async (name: Handler) => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel.handle_close = () => stage.say('close');
      about(name, channel, () => {
        stage.trace.length = 0;
        channel.handle_close_event();
      });
      await stage.until('close');
      await stage.passes();
      expect(stage.trace).toEqual(['close']);
      (channel as dispatcher).close();
    },
  );
});
