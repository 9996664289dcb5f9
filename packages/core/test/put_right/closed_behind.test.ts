/** A socket that is closed by itself rather than by its channel: handle_close, once, and the loop goes on. */
import { closeSync } from 'node:fs';
import { type dispatcher, dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import { AF_INET, close, dup, Socket, socketpair } from '@asyncore/socket';
import { holdBelow } from '@asyncore/test-support/hold_below';
import { describe, expect, it } from 'vitest';
import {
  connection,
  countPasses,
  duck,
  listener,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  Sender,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** Ways in which a channel's socket goes without the channel. */
const ways: Record<string, (sock: Socket) => void> = {
  closed: (sock) => sock.close(),
  'given away': (sock) => close(sock.detach()),
  'closed by its number': (sock) => close(sock.fileno()),
};

function ownPair(): [Socket, Socket] {
  const pair = socketpair();
  for (const end of pair) own(end);
  return pair;
}

/** A connected pair whose first end has this descriptor, which is free. */
function pairWith(fd: number): [Socket, Socket] {
  for (const held of holdBelow(fd)) own(held);
  const pair = ownPair();
  expect(pair[0].fileno()).toBe(fd);
  return pair;
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    describe.each(Object.entries(ways))('%s', (_, goes) => {
      it('while the loop waits, it is told at once, and once', async () => {
        const stage = new Stage(use_poll);
        const [ours] = connection(family);
        new Recorder(stage, ours).handle_close = () => stage.say('close');
        setTimeout(() => goes(ours), 5);
        await stage.until('close'); // sooner than the loop's timeout of 30 seconds
        await stage.passes();
        ours.detach(); // where it does not know that it is closed
        expect(stage.trace).toEqual(['close']);
      });

      it('by a neighbour in the same pass, it hears of nothing else', async () => {
        const stage = new Stage(use_poll);
        const pairs = [connection(family), connection(family)];
        const channels = pairs.map(([sock], i) => {
          const channel = new Recorder(stage, sock);
          channel.handle_read = () => {
            stage.say('read');
            channel.recv(10);
            goes(pairs[1 - i][0]);
          };
          return channel;
        });
        for (const [, peer] of pairs) peer.send(hello);
        await stage.until('close');
        await stage.passes();
        expect(stage.trace).toEqual(['read', 'close']);
        for (const channel of channels) channel.close();
      });
    });

    it('by its own handler, it gets nothing more than handle_close', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family);
      const channel = new Recorder(stage, ours);
      channel.handle_read = () => {
        stage.say('read');
        ours.close();
      };
      channel.handle_write = () => stage.say('write');
      theirs.send(hello);
      await stage.loop();
      expect(stage.trace.filter((line) => line !== 'write')).toEqual(['read', 'close']);
      expect(stage.trace.indexOf('write')).toBeLessThan(stage.trace.indexOf('read'));
    });
  });
});

onEveryPoller((use_poll) => {
  it.each<[string, (stage: Stage, sock: Socket) => dispatcher]>([
    [
      'that does not wait for anything',
      (stage, sock) => {
        const channel = new Recorder(stage, sock);
        channel.readable = channel.writable = () => false;
        return channel;
      },
    ],
    [
      'that overrides handle_eof',
      (stage, sock) => {
        const channel = new Recorder(stage, sock);
        channel.readable = () => false;
        channel.handle_write = () => {};
        channel.handle_eof = () => stage.say('eof');
        return channel;
      },
    ],
    [
      'with output',
      (stage, sock) => {
        const channel = new Sender(stage, sock);
        channel.send(Buffer.alloc(5_000_000));
        return channel;
      },
    ],
  ])('a channel %s is told', async (_, make) => {
    const stage = new Stage(use_poll);
    const [ours] = ownPair();
    make(stage, ours);
    setTimeout(() => ours.close(), 5);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it('a listener is told', async () => {
    const stage = new Stage(use_poll);
    const server = new Recorder(stage);
    server.create_socket();
    server.bind(['127.0.0.1', 0]);
    server.listen();
    setTimeout(() => server.socket?.close(), 5);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it('a channel that is connecting is told', async (context) => {
    context.skip(process.platform !== 'linux', 'needs Linux, where a full listener is silent');
    const stage = new Stage(use_poll);
    const channel = new Recorder(stage);
    channel.create_socket();
    const door = listener(AF_INET, 0);
    for (let i = 0; i < 3; i++) own(new Socket()).connect_ex(door.getsockname());
    channel.connect(door.getsockname());
    setTimeout(() => channel.socket?.close(), 5);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it('an object that is no dispatcher is told once', async () => {
    const stage = new Stage(use_poll);
    const [ours] = ownPair();
    const object = duck({ handle_close: () => stage.say('close') });
    stage.map.set(ours.fileno(), object);
    setTimeout(() => ours.close(), 5);
    await stage.until('close');
    await stage.passes();
    expect(stage.trace).toEqual(['close']);
  });

  it('an object that is taken out after its socket was closed is not told', async () => {
    const stage = new Stage(use_poll);
    const [ours] = ownPair();
    const fd = ours.fileno();
    stage.map.set(fd, duck({ handle_close: () => stage.say('close') }));
    setTimeout(() => {
      ours.close();
      stage.map.delete(fd);
    }, 5);
    await stage.loop();
    expect(stage.trace).toEqual([]);
  });

  describe('while a duplicate lives', () => {
    it.each(['closed', 'given away'])('%s, it wakes nobody', async (way) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = ownPair();
      const quiet = new Recorder(stage, ownPair()[0]);
      new Recorder(stage, ours);
      const copy = dup(ours.fileno());
      setTimeout(() => ways[way](ours), 5);
      await stage.until('close');
      theirs.send(hello);
      setTimeout(() => quiet.close(), 50);
      const passes = countPasses();
      await stage.loop();
      close(copy);
      expect(passes()).toBeLessThan(5);
    });

    it('and its number is used again, each channel gets what is its own', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = ownPair();
      const first = new Recorder(stage, ours);
      const number = ours.fileno();
      const copy = dup(number);
      let peer: Socket | undefined;
      let second: Recorder | undefined;
      setTimeout(() => {
        ours.close();
        const pair = pairWith(number);
        peer = pair[1];
        second = new Recorder(stage, pair[0]);
        second.handle_read = () => stage.say(`second ${second?.recv(10)}`);
        theirs.send(Buffer.from('for the first'));
      }, 5);
      await stage.until('close');
      await stage.passes();
      expect([stage.trace, first.fileno(), stage.map.get(number)]).toEqual([['close'], -1, second]);
      peer?.send(hello);
      await stage.until('second hello');
      expect(stage.trace).toEqual(['close', 'second hello']);
      close(copy);
    });

    it('and others closed it and use its number again, another channel gets nothing of it', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = socketpair();
      own(theirs);
      const first = new Recorder(stage, ours);
      const number = ours.fileno();
      const copy = dup(number);
      setTimeout(() => {
        closeSync(number);
        new Recorder(stage, pairWith(number)[0]).handle_read = () => stage.say('second');
        theirs.send(hello);
        setTimeout(() => stage.say('later'), 50);
      }, 5);
      const passes = countPasses();
      await stage.until('later');
      expect(passes()).toBeLessThan(20);
      expect(stage.count('second')).toBe(0);
      close(copy);
      first.socket = null; // its number is not its own any more
      ours.detach();
    });
  });

  it('its number used by a file of the program, it is told all the same', async () => {
    const stage = new Stage(use_poll);
    const [ours] = ownPair();
    new Recorder(stage, ours);
    let copy = -1;
    setTimeout(() => {
      ours.close();
      copy = dup(0);
    }, 5);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
    close(copy);
  });

  it('its number used by another socket with something to read, it is told and reads none of it', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair();
    own(theirs);
    const channel = new Sender(stage, ours);
    let other: Socket | undefined;
    channel.handle_read = () => {
      stage.say(`read ${channel.recv(10)}`);
      closeSync(ours.fileno());
      const [first, second] = pairWith(ours.fileno());
      second.send(hello);
      other = first;
      channel.handle_write = () => stage.say('write');
      channel.writable = () => true; // the kernel is to be told, and refuses
      channel.handle_close = () => {
        stage.say('close');
        channel.del_channel();
      };
    };
    theirs.send(Buffer.from('x'));
    await stage.loop();
    expect(stage.trace).toEqual(['read x', 'close']);
    expect(other?.recv(10)).toEqual(hello);
    ours.detach();
  });

  it('closed by others, it is told when a pass is due by the clock', async () => {
    const stage = new Stage(use_poll);
    const [ours] = socketpair();
    new Recorder(stage, ours);
    setTimeout(() => closeSync(ours.fileno()), 5);
    await stage.loop({ timeout: 0.02 });
    expect(stage.trace).toEqual(['close']);
  });

  it('closing costs nothing where nothing is closed behind a channel', async () => {
    const stage = new Stage(use_poll);
    const channels = [1, 2, 3].map(() => new dispatcher_with_send(ownPair()[0], stage.map));
    setTimeout(() => {
      for (const channel of channels) channel.close();
    }, 5);
    await stage.loop();
    expect(stage.map.size).toBe(0);
  });
});

it.each([
  ['poll', poll],
  ['poll2', poll2],
])('%s tells it without waiting', (_, pass) => {
  const stage = new Stage();
  const [ours] = ownPair();
  new Recorder(stage, ours);
  new Recorder(stage, ownPair()[0]);
  ours.close();
  const copy = dup(0); // the number is another's
  const start = performance.now();
  pass(1, stage.map);
  close(copy);
  expect(stage.trace).toEqual(['close']);
  expect(performance.now() - start).toBeLessThan(500);
});
