/** Events reach the channel that they are meant for, and nobody is woken for nothing. */
import { dispatcher, dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import {
  AF_INET,
  close,
  dup,
  MSG_OOB,
  SO_OOBINLINE,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { holdBelow } from '@asyncore/test-support/hold_below';
import { describe, expect, it } from 'vitest';
import {
  connection,
  countPasses,
  duck,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** A connected pair whose first end has this descriptor, which is free. */
function pairWith(fd: number): [Socket, Socket] {
  for (const held of holdBelow(fd)) own(held);
  const pair = ownPair();
  expect(pair[0].fileno()).toBe(fd);
  return pair;
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    // CPython: the new channel gets the old one's event (A21, cpython#75114).
    it.each(['an event', 'an event from before a pass in the handler'])(
      '%s of a closed channel does not reach the new one with its number',
      async (which) => {
        const stage = new Stage(use_poll);
        const pairs = [connection(family), connection(family)];
        let theirs: Socket | undefined;
        const channels = pairs.map(([sock], i) => {
          const channel = new Recorder(stage, sock);
          channel.handle_read = () => {
            stage.say('first');
            const other = channels[1 - i];
            const number = other.fileno();
            other.close();
            const pair = pairWith(number);
            theirs = pair[1];
            new Recorder(stage, pair[0]).handle_read = () => stage.say('new');
            channel.close();
            if (which !== 'an event') poll(0, stage.map);
          };
          return channel;
        });
        for (const [, peer] of pairs) peer.send(hello);
        await stage.until('first');
        await stage.passes();
        expect(stage.trace).toEqual(['first']);
        theirs?.send(hello);
        await stage.until('new');
      },
    );

    it('a channel closed by its neighbour gets nothing', async () => {
      const stage = new Stage(use_poll);
      const pairs = [connection(family), connection(family)];
      const channels = pairs.map(([sock], i) => {
        const channel = new Recorder(stage, sock);
        channel.handle_read = () => {
          stage.say('read');
          channels[1 - i].close();
          channel.recv(10);
        };
        return channel;
      });
      for (const [, peer] of pairs) peer.send(hello);
      await stage.until('read');
      await stage.passes();
      expect(stage.trace).toEqual(['read']);
    });

    // epoll goes on reporting a closed descriptor while a duplicate of it lives.
    it('a duplicate of a closed channel wakes nobody', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family);
      const [others] = connection(family);
      const channel = new Recorder(stage, ours);
      const quiet = new Recorder(stage, others);
      const copy = dup(ours.fileno());
      setTimeout(() => channel.close());
      setTimeout(() => theirs.send(hello), 5);
      setTimeout(() => quiet.close(), 50);
      const passes = countPasses();
      await stage.loop();
      close(copy);
      expect(stage.trace).toEqual([]);
      expect(passes()).toBe(0);
    });

    // CPython: 200,000 passes in half a second (A29).
    it('a connected channel that has nothing to write is not woken for writing', async () => {
      const stage = new Stage(use_poll);
      const [ours] = connection(family);
      const channel = new Recorder(stage, ours);
      expect(channel.writable()).toBe(true);
      expect(await stage.isIdle()).toBe(true);
      expect(stage.trace).toEqual([]);
    });

    // CPython: read and write, and with poll even close (A30).
    it('a socket that is neither connected nor listening is left alone', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel.handle_write = () => stage.say('write');
      channel.create_socket(family);
      expect(await stage.isIdle()).toBe(true);
      expect([stage.trace, stage.map.size]).toEqual([[], 1]);
    });
  });
});

onEveryPoller((use_poll) => {
  it('a handle_write given later is called', async () => {
    const stage = new Stage(use_poll);
    const channel = new Recorder(stage, connection()[0]);
    setTimeout(() => {
      channel.handle_write = () => stage.say('write');
    });
    await stage.until('write');
  });

  it('a class that overrides handle_write_event is woken for writing', async () => {
    const stage = new Stage(use_poll);
    class Layered extends Recorder {
      override handle_write_event(): void {
        stage.say('write event');
      }
    }
    new Layered(stage, connection()[0]);
    await stage.until('write event');
  });

  it('a datagram socket is read without having been connected', async () => {
    const stage = new Stage(use_poll);
    const channel = new Recorder(stage);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    channel.bind(['127.0.0.1', 0]);
    const sender = own(new Socket(AF_INET, SOCK_DGRAM));
    sender.sendto(hello, channel.getsockname());
    await stage.until('read 5');
  });

  it('what a datagram met is told to handle_error', async () => {
    const stage = new Stage(use_poll);
    const nowhere = own(new Socket(AF_INET, SOCK_DGRAM));
    nowhere.bind(['127.0.0.1', 0]);
    const address = nowhere.getsockname();
    nowhere.close();
    const channel = new Recorder(stage);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    channel.connect(address);
    channel.handle_read = () => void channel.recv(10);
    channel.send(hello);
    await stage.until('error recv ECONNREFUSED');
  });

  describe('an urgent byte', () => {
    class Urgent extends Recorder {
      override handle_expt(): void {
        this.stage.say('urgent');
      }
    }

    // CPython: a read skips the byte, which is lost.
    it('that is the next one is told before the read that would skip it', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Urgent(stage, ours);
      channel.handle_expt = () => stage.say(`urgent ${channel.socket?.recv(1, MSG_OOB)}`);
      theirs.send(Buffer.from('!'), MSG_OOB);
      theirs.send(hello);
      await stage.until('read 5');
      expect(stage.trace).toEqual(['urgent !', 'read 5']);
    });

    it('that others precede is told after the read that reaches it', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Urgent(stage, ours);
      channel.handle_expt = () => stage.say(`urgent ${channel.socket?.recv(1, MSG_OOB)}`);
      theirs.send(hello);
      theirs.send(Buffer.from('!'), MSG_OOB);
      theirs.send(Buffer.from('abc'));
      await stage.until('read 3');
      expect(stage.trace).toEqual(['read 5', 'urgent !', 'read 3']);
    });

    // CPython: 100 calls in 100 passes (A22).
    it('that handle_expt leaves unread is told once', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Urgent(stage, ours);
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent');
      await stage.passes();
      expect(stage.count('urgent')).toBe(1);
      expect(await stage.isIdle()).toBe(true);
    });

    it('does not keep a channel from reading', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Urgent(stage, ours);
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent');
      theirs.send(hello);
      await stage.until('read 5');
    });

    it('is told again for the next one, when the first was read', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Urgent(stage, ours);
      channel.handle_read = () => {
        ours.recv(1, MSG_OOB);
        channel.recv(100);
        stage.say('read');
      };
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent');
      theirs.send(hello);
      await stage.until('read');
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until(() => stage.count('urgent') === 2);
    });

    it('is told again when an async handler read the first one later', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Urgent(stage, ours);
      channel.handle_expt = async () => {
        await new Promise(setImmediate);
        stage.say(`urgent ${ours.recv(1, MSG_OOB)}`);
        if (stage.trace.length === 1) setTimeout(() => theirs.send(Buffer.from('?'), MSG_OOB), 50);
      };
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent ?');
    });

    it('that is inline is read with the rest', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      ours.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1);
      new Urgent(stage, ours);
      theirs.send(hello);
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('urgent');
      await stage.passes();
      expect(await stage.isIdle()).toBe(true);
      expect(stage.count('urgent')).toBe(1);
    });
  });

  it('a channel in another map than its own is noticed', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new dispatcher_with_send(null, new Map());
    channel.set_socket(ours, stage.map);
    channel.connected = true;
    channel.handle_write = () => {
      channel.initiate_send();
      stage.say('sent');
    };
    setTimeout(() => {
      channel.out_buffer = hello;
    }, 5);
    await stage.until('sent');
    expect(theirs.recv(10)).toEqual(hello);
  });

  it('a descriptor closed behind the back of its channel is told, and may be used again', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    const [others] = connection();
    const channel = new Recorder(stage, ours);
    new Recorder(stage, others);
    const number = ours.fileno();
    channel.handle_close = () => {
      channel.close();
      stage.say('close');
      const [again, peer] = pairWith(number);
      new Recorder(stage, again);
      peer.send(hello);
    };
    setTimeout(() => {
      close(ours.detach());
      channel.handle_write = () => {}; // so that the queue is told
    }, 5);
    await stage.until('read 5');
    expect(stage.trace).toEqual(['close', 'read 5']);
  });

  it('a number is free again after the system refused it', async () => {
    const stage = new Stage(use_poll);
    const quiet = new Recorder(stage, connection()[0]);
    const number = dup(quiet.fileno());
    const object = duck({
      handle_close() {
        stage.say('close');
        stage.map.delete(number);
        const [again, peer] = pairWith(number);
        new Recorder(stage, again);
        peer.send(hello);
      },
    });
    setTimeout(() => {
      close(number);
      stage.map.set(number, object);
    });
    await stage.until('read 5');
    expect(stage.trace).toEqual(['close', 'read 5']);
  });

  it('800 channels that are always ready have their turns', async () => {
    const stage = new Stage(use_poll);
    const served = new Set<dispatcher>();
    for (let i = 0; i < 400; i++) {
      for (const end of ownPair()) {
        const channel = new dispatcher(end, stage.map);
        channel.handle_write = () => void served.add(channel);
      }
    }
    await stage.passes(3);
    expect(served.size).toBe(800);
  });
});

// CPython: a ValueError leaves the loop, and the server is down (A9).
describe('a descriptor that select(2) cannot take', () => {
  it('goes to handle_error of its channel, and the others are served', async () => {
    const stage = new Stage(false);
    const [ours, theirs] = ownPair();
    const refused = new Recorder(stage, raised(ours));
    new Recorder(stage, ours);
    theirs.send(hello);
    await stage.until('read 5');
    expect(stage.trace).toEqual([expect.stringMatching(/^error .*1024 \(FD_SETSIZE\)/), 'read 5']);
    expect(refused.fileno()).toBe(-1);
  });

  it('rests where handle_error leaves it open', async () => {
    const stage = new Stage(false);
    const channel = new Recorder(stage, raised(ownPair()[0]));
    channel.handle_error = () => stage.say('error');
    await stage.passes();
    expect(stage.trace).toEqual(['error']);
  });

  it('is refused by poll, which is select(2), and taken by poll2', () => {
    const stage = new Stage();
    const [ours, theirs] = ownPair();
    const channel = new Recorder(stage, raised(ours));
    channel.handle_error = (error) => stage.say((error as Error).name);
    theirs.send(hello);
    poll(0, stage.map);
    poll2(0, stage.map);
    expect(stage.trace).toEqual(['RangeError', 'read 5']);
  });

  it('is no trouble for the other pollers', async () => {
    for (const use_poll of [true, undefined]) {
      const stage = new Stage(use_poll);
      const [ours, theirs] = ownPair();
      new Recorder(stage, raised(ours));
      theirs.send(hello);
      await stage.until('read 5');
    }
  });
});

function ownPair(): [Socket, Socket] {
  const pair = socketpair();
  for (const end of pair) own(end);
  return pair;
}

/** A duplicate of `socket` with a descriptor beyond 1023. */
function raised(socket: Socket): Socket {
  const below: number[] = [];
  let copy = dup(socket.fileno());
  while (copy < 1024) {
    below.push(copy);
    copy = dup(socket.fileno());
  }
  below.forEach(close);
  return own(Socket.from_fd(copy));
}
