/** What the peer said before it went is read first, whichever call notices that it has gone. */
import { dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  errno,
  SHUT_RD,
  SHUT_WR,
  SOCK_DGRAM,
  type Socket,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import {
  connection,
  listener,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  reset,
  Sender,
  Stage,
} from '../support.js';

const words = '421 too busy';

/** A channel that has said something, and whose peer has answered, and gone for good. */
function answered(stage: Stage, family: number): Sender {
  const [ours, theirs] = connection(family);
  const channel = new Sender(stage, ours);
  channel.handle_read = () => {
    const data = channel.recv(3);
    if (data.length > 0) stage.say(String(data));
  };
  ours.send(Buffer.from('hello')); // unread when the peer closes: a reset follows its words
  theirs.send(Buffer.from(words));
  theirs.close();
  return channel;
}

const calls: [string, (channel: Sender) => unknown][] = [
  ['send', (channel) => channel.send(Buffer.alloc(10))],
  ['several sends', (channel) => [1, 2, 3].map(() => channel.send(Buffer.alloc(10)))],
  ['sendmsg', (channel) => channel.sendmsg([Buffer.alloc(10)])],
  [
    'a send, and sendmsg',
    (channel) => {
      channel.send(Buffer.alloc(10));
      channel.sendmsg([Buffer.alloc(10)]);
    },
  ],
  [
    'a shutdown after a send',
    (channel) => {
      channel.send(Buffer.alloc(10));
      channel.shutdown(1);
    },
  ],
  ['handle_expt_event', (channel) => channel.handle_expt_event()],
  [
    'close_when_done after a send',
    (channel) => {
      channel.send(Buffer.alloc(10));
      channel.close_when_done();
    },
  ],
];

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it.each(calls)('is read when %s in handle_write notices the end', async (_, call) => {
      const stage = new Stage(use_poll);
      const channel = answered(stage, family);
      channel.writable = () => channel.connected;
      channel.handle_write = () => {
        channel.handle_write = Sender.prototype.handle_write;
        Reflect.deleteProperty(channel, 'writable');
        call(channel);
      };
      await stage.loop();
      const { close_reason } = channel;
      expect([stage.trace.slice(0, -1).join(''), stage.trace.at(-1)]).toEqual([words, 'close']);
      if (family !== AF_UNIX) {
        expect((close_reason as { code?: string } | null)?.code ?? 'none').toMatch(
          /EPIPE|ECONNRESET|none/,
        );
      }
    });

    it.each(calls.slice(0, 2))('is read when %s from outside notices the end', async (_, call) => {
      const stage = new Stage(use_poll);
      const channel = answered(stage, family);
      call(channel);
      await stage.loop();
      expect([stage.trace.slice(0, -1).join(''), stage.trace.at(-1)]).toEqual([words, 'close']);
    });

    it('is read when the next send of the handler that reads it notices the end', async () => {
      const stage = new Stage(use_poll);
      const channel = answered(stage, family);
      channel.handle_read = () => {
        const data = channel.recv(3);
        if (data.length > 0) stage.say(String(data));
        if (channel.connected) channel.send(Buffer.from('and?'));
      };
      await stage.loop();
      expect([stage.trace.slice(0, -1).join(''), stage.trace.at(-1)]).toEqual([words, 'close']);
    });

    it('a channel with nothing to read, or that does not read, is told at once', async () => {
      const stage = new Stage(use_poll);
      const channel = answered(stage, family);
      channel.readable = () => false;
      for (let i = 0; i < 3 && channel.connected; i++) channel.send(Buffer.alloc(10));
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('a channel that has yet to hand on what it read is told when that is done', async () => {
      const stage = new Stage(use_poll);
      const [ours] = connection(family); // whose other end stays open
      let holds = true;
      class Holding extends Sender {
        override get _holds_input(): boolean {
          return holds;
        }
      }
      const channel = new Holding(stage, ours);
      ours.shutdown(SHUT_WR); // past the channel, so that a send says EPIPE
      channel.send(Buffer.from('and?'));
      setTimeout(() => {
        stage.say('handed on');
        holds = false;
        channel._changed();
      }, 5);
      await stage.loop();
      expect(stage.trace).toEqual(['handed on', 'close']);
    });

    it('the end is told when all is read, although the peer does not close', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family); // whose other end stays open
      const channel = new Sender(stage, ours);
      channel.handle_read = () => void stage.say(String(channel.recv(3)));
      theirs.send(Buffer.from(words));
      ours.shutdown(SHUT_WR); // past the channel, so that a send says EPIPE
      channel.send(Buffer.from('and?'));
      await stage.loop();
      expect([stage.trace.slice(0, -1).join(''), stage.trace.at(-1)]).toEqual([words, 'close']);
    });

    it('close_reason is the error that ended the connection, and null for an ordinary end', async () => {
      const stage = new Stage(use_poll);
      const reasons: unknown[] = [];
      for (const end of [reset, (socket: Socket) => socket.close()]) {
        const [ours, theirs] = connection(family);
        const channel = new Sender(stage, ours);
        channel.handle_close = () => {
          reasons.push((channel.close_reason as { code: string } | null)?.code ?? null);
          channel.close();
        };
        end(theirs);
        await stage.loop();
      }
      expect(reasons).toEqual([family === AF_UNIX ? null : 'ECONNRESET', null]);
    });

    it('nothing is told after handle_close, whoever calls it', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family);
      const channel = new Sender(stage, ours);
      channel.handle_close = () => stage.say('close'); // stays open
      channel.writable = () => true;
      channel.handle_write = () => stage.say('write');
      channel.handle_expt = () => stage.say('expt');
      channel.handle_read = () => {
        channel.handle_close_event();
        stage.say('after');
      };
      theirs.send(Buffer.from(words));
      await stage.until('after');
      const told = stage.trace.indexOf('close');
      reset(theirs);
      await stage.passes(5);
      expect(stage.trace.slice(told)).toEqual(['close', 'after']);
    });

    it('in handle_close all was sent when writable() is false', async () => {
      const stage = new Stage(use_poll);
      const found: boolean[] = [];
      for (const size of [10, 8 << 20]) {
        const [ours, theirs] = connection(family);
        const channel = new Sender(stage, ours);
        channel.handle_close = () => {
          found.push(channel.writable());
          channel.close();
        };
        channel.linger_time = 0.05;
        channel.handle_eof = () => channel.handle_close_event();
        channel.send(Buffer.alloc(size));
        if (size === 10) channel.close_when_done();
        else theirs.shutdown(1);
        await stage.loop();
      }
      expect(found).toEqual([false, true]);
    });
  });

  it.each([
    ['poll', poll],
    ['poll2', poll2],
  ])('%s reads it as well', (_, pass) => {
    const stage = new Stage();
    const channel = answered(stage, family);
    for (let i = 0; i < 3; i++) channel.send(Buffer.alloc(10));
    for (let i = 0; i < 20 && stage.map.size > 0; i++) pass(0.05, stage.map);
    expect([stage.trace.slice(0, -1).join(''), stage.trace.at(-1)]).toEqual([words, 'close']);
  });
});

onEveryPoller((use_poll) => {
  it.each(['poll', 'poll2'])(
    'what a %s in handle_connect has served is not told again',
    async (name) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      theirs.send(Buffer.from('hello'));
      const channel = new Recorder(stage, ours);
      channel.connected = false;
      channel.connecting = true;
      channel.handle_connect = () => {
        stage.say('connect');
        (name === 'poll' ? poll : poll2)(0.1, stage.map);
      };
      channel.handle_write = () => stage.say('write');
      channel.writable = () => stage.count('write') === 0;
      await stage.until('read 5');
      await stage.passes(3);
      expect([stage.count('connect'), stage.count('read 5'), stage.count('write')]).toEqual([
        1, 1, 1,
      ]);
    },
  );

  it('a channel made of a connection that is over is told so, once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    reset(theirs);
    ours.getsockopt(1, 4); // somebody else has taken its error
    const channel = new Recorder(stage, ours);
    await stage.loop();
    expect([stage.trace, channel.connected]).toEqual([['close'], false]);
  });

  it('an EAGAIN of a send is told, that of a receive is not', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new dispatcher_with_send(ours, stage.map);
    channel.handle_error = (error) => stage.say((error as Error).message);
    channel.handle_read = () => {
      channel.recv(100);
      for (;;) channel.sendmsg([Buffer.alloc(1 << 20)]);
    };
    theirs.send(Buffer.from('?'));
    await stage.until(() => stage.trace.length > 0);
    channel.handle_read = () => {
      stage.say('read');
      for (;;) channel.recv(100);
    };
    theirs.send(Buffer.from('?'));
    await stage.until('read');
    await stage.passes(2);
    expect(stage.trace).toEqual([expect.stringMatching(/^sendmsg EAGAIN/), 'read']);
    expect(channel.connected).toBe(true);
    own(theirs);
  });

  it('our own SHUT_RD is an end, and is no error', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    const channel = new Sender(stage, ours);
    await stage.passes(2);
    channel.shutdown(SHUT_RD);
    await stage.loop();
    expect([stage.trace, channel.close_reason]).toEqual([['close'], null]);
  });
});

onEveryPoller((use_poll) => {
  describe.each(hasInet6() ? ['127.0.0.1', '::1'] : ['127.0.0.1'])('an attempt (%s)', (host) => {
    const family = host === '::1' ? AF_INET6 : AF_INET;

    it('of a datagram socket without a free port is no progress', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel.create_socket(family, SOCK_DGRAM);
      Object.assign(channel.socket as Socket, { connect_ex: () => errno.EAGAIN });
      expect(() => channel.connect([host, 9])).toThrow(/EAGAIN.*no port is free/);
      await stage.passes();
      expect([channel.connecting, channel.connected, stage.trace]).toEqual([false, false, []]);
      expect(await stage.isIdle()).toBe(true);
    });

    it('that a signal interrupts goes on', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new Recorder(stage);
      channel.create_socket(family);
      const socket = channel.socket as Socket;
      const { connect_ex } = socket;
      socket.connect_ex = (address) => {
        connect_ex.call(socket, address);
        return errno.EINTR;
      };
      channel.connect(door.getsockname());
      await stage.until('connect');
      expect(stage.trace).toEqual(['connect']);
    });
  });
});
