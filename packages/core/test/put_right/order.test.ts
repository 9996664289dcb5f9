/** What reaches past the output queue to the socket comes after what was sent before it. */
import { spawnSync } from 'node:child_process';
import { dispatcher_with_send } from '@asyncore/core';
import {
  AF_INET,
  AF_UNIX,
  close,
  errno,
  pipe,
  SHUT_RDWR,
  SHUT_WR,
  SO_LINGER,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
  write,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  connection,
  free,
  listener,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  readAll,
  Sender,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello ');
/** More than any socket here takes. */
const MUCH = 8 << 20;

/** A channel whose peer has sent a byte, and what its handle_read does then. */
function onRead(stage: Stage, family: number, body: (channel: Sender) => void): [Sender, Socket] {
  const [ours, theirs] = connection(family);
  const channel = new Sender(stage, ours);
  channel.handle_read = () => {
    if (channel.recv(100).length === 0) return;
    body(channel);
    stage.say('done');
  };
  theirs.send(Buffer.from('?'));
  return [channel, theirs];
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    // CPython has nothing to gather.
    it('a shutdown in a handler follows what the handler sent', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        channel.send(hello);
        channel.shutdown(SHUT_WR);
      });
      await stage.until('done');
      expect(String(readAll(theirs))).toBe('hello hello ');
      theirs.send(Buffer.from('still read'));
      channel.handle_read = () => stage.say(String(channel.recv(100)));
      await stage.until('still read');
    });

    it('a shutdown is nothing when sending what was given has ended the connection', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = onRead(stage, family, (channel) => {
        theirs.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
        theirs.close();
        channel.send(hello);
        channel.shutdown(SHUT_WR);
      });
      await stage.until('done');
      expect(channel.fileno()).toBe(-1);
    });

    it('a shutdown asked for while output waits comes when that is out', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = onRead(stage, family, (channel) => {
        channel.send(Buffer.alloc(MUCH));
        channel.shutdown(SHUT_WR);
        channel.send(hello); // is refused
        channel.send(hello);
      });
      await stage.until('done');
      let count = 0;
      theirs.setblocking(false);
      for (let isEnd = false; !isEnd; await passOf(stage)) {
        try {
          const { length } = theirs.recv(1 << 20);
          count += length;
          isEnd = length === 0;
        } catch {}
      }
      expect(count).toBe(MUCH);
      expect(channel.connected).toBe(true);
      expect(stage.trace.filter((line) => line.includes('refused'))).toEqual([
        expect.stringMatching(/^error: send after shutdown is refused: <Sender connected/),
      ]);
    });

    it('the stronger of two shutdowns that wait is the one that is done', async () => {
      const stage = new Stage(use_poll);
      const [, theirs] = onRead(stage, family, (channel) => {
        channel.send(Buffer.alloc(MUCH));
        channel.shutdown(SHUT_RDWR);
        channel.shutdown(SHUT_WR);
      });
      await stage.until('done');
      theirs.setblocking(false);
      while (!stage.trace.includes('close')) {
        try {
          theirs.recv(1 << 20);
        } catch {}
        await passOf(stage);
      }
    });

    it('detach in a handler gives away a socket whose output is out', async () => {
      const stage = new Stage(use_poll);
      let fd = -1;
      const [channel, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        fd = channel.detach();
      });
      await stage.until('done').catch(() => {});
      write(fd, Buffer.from('world'));
      close(fd);
      expect(String(theirs.recv(100))).toBe('hello world');
      expect([stage.map.size, channel.connected]).toEqual([0, false]);
      channel.send(hello);
      expect(stage.trace.at(-1)).toMatch(/error: send after detach is refused/);
    });

    it.each([
      ['detach', (channel: Sender) => channel.detach()],
      ['sendmsg', (channel: Sender) => channel.sendmsg([hello])],
      ['set_socket', (channel: Sender) => channel.set_socket(own(socketpair()[0]))],
      ['connect', (channel: Sender) => channel.connect(channel.addr ?? '')],
    ])(
      '%s throws EAGAIN where the output before it cannot go out, and loses nothing',
      async (name, call) => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = onRead(stage, family, (channel) => {
          channel.send(Buffer.alloc(MUCH));
          const error = { code: 'EAGAIN', errno: -errno.EAGAIN, syscall: name };
          expect(() => call(channel)).toThrow(expect.objectContaining(error));
          channel.send(hello);
          channel.close_when_done();
        });
        await stage.until('done');
        const all = readWhileLooping(stage, theirs);
        const received = await all;
        expect(received.length).toBe(MUCH + hello.length);
        expect(String(received.subarray(-6))).toBe('hello ');
        expect(channel.connected).toBe(false);
      },
    );

    it('sendmsg in a handler follows what the handler sent', async () => {
      const stage = new Stage(use_poll);
      const [, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        expect(channel.sendmsg([Buffer.from('wor'), Buffer.from('ld')])).toBe(5);
      });
      await stage.until('done');
      expect(String(theirs.recv(100))).toBe('hello world');
    });

    it('what was sent goes out through the former socket before set_socket takes another', async () => {
      const stage = new Stage(use_poll);
      const [other, otherEnd] = connection(family);
      const [channel, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        own(channel.socket as Socket);
        channel.set_socket(other);
        channel.connected = true;
        channel.send(Buffer.from('world'));
      });
      await stage.until('done');
      expect([String(theirs.recv(100)), String(otherEnd.recv(100))]).toEqual(['hello ', 'world']);
      expect(stage.map.get(other.fileno())).toBe(channel);
    });

    it('what was sent goes out before create_socket closes the former socket', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        channel.create_socket(family);
      });
      await stage.until('done');
      expect(String(readAll(theirs))).toBe('hello ');
      expect([channel.connected, stage.trace]).toEqual([false, ['done']]);
    });

    it.each([
      ['recv', (channel: Sender) => channel.recv(100)],
      ['recv_into', (channel: Sender) => channel.recv_into(Buffer.alloc(100))],
      ['recvfrom', (channel: Sender) => channel.recvfrom(100)],
      ['recvmsg', (channel: Sender) => channel.recvmsg(100)],
    ])('a blocking %s in a handler waits for the answer to what was sent', async (_, receive) => {
      const stage = new Stage(use_poll);
      const [, theirs] = onRead(stage, family, (channel) => {
        channel.send(hello);
        patient(channel.socket as Socket);
        const { socket } = channel;
        // The other end answers as soon as it is asked, in the same thread: before the call waits.
        const answering = ['recv', 'recv_into', 'recvfrom', 'recvmsg'] as const;
        for (const name of answering) {
          const inner = (socket as Socket)[name] as (...args: unknown[]) => unknown;
          Object.assign(socket as Socket, {
            [name]: (...args: unknown[]) => {
              stage.say(String(theirs.recv(100)));
              theirs.send(Buffer.from('world'));
              return inner.apply(socket, args);
            },
          });
        }
        receive(channel);
        channel.setblocking(false);
      });
      theirs.setblocking(false);
      await stage.until('done');
      expect(stage.trace).toEqual(['hello ', 'done']);
    });
  });
});

/** A pass, as long as there is a channel to be served. */
function passOf(stage: Stage): Promise<void> {
  if (stage.map.size === 0) throw new Error(`closed too early: ${stage.trace}`);
  return stage.loop({ timeout: 0.05, count: 1 });
}

async function readWhileLooping(stage: Stage, theirs: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  theirs.setblocking(false);
  for (;;) {
    try {
      const data = theirs.recv(1 << 20);
      if (data.length === 0) break;
      chunks.push(data);
    } catch {}
    await passOf(stage);
  }
  theirs.close();
  await stage.until(() => stage.map.size === 0).catch(() => {});
  return Buffer.concat(chunks);
}

onEveryPoller((use_poll) => {
  it('descriptors sent in a handler follow what the handler sent', async () => {
    const stage = new Stage(use_poll);
    const [readEnd, writeEnd] = pipe();
    const [ours, theirs] = socketpair();
    own(theirs);
    const channel = new Sender(stage, ours);
    channel.writable = () => true;
    channel.handle_write = () => {
      channel.send(hello);
      channel.send_fds([Buffer.from('world')], [writeEnd]);
      channel.handle_write = () => {};
      stage.say('done');
    };
    await stage.until('done');
    const [first] = theirs.recv_fds(6, 1);
    const [second, fds] = theirs.recv_fds(100, 1);
    expect([String(first), String(second), fds.length]).toEqual(['hello ', 'world', 1]);
    for (const fd of [readEnd, writeEnd, ...fds]) close(fd);
  });

  it.each([AF_INET, AF_UNIX])(
    'a datagram to an address follows those to the peer (family %i)',
    async (family) => {
      const stage = new Stage(use_poll);
      const theirs = own(new Socket(family, SOCK_DGRAM));
      theirs.bind(free(family));
      const channel = new Sender(stage);
      channel.create_socket(family, SOCK_DGRAM);
      channel.connect(theirs.getsockname());
      channel.handle_write = () => {
        channel.send(Buffer.from('one'));
        channel.send(Buffer.from('two'));
        if (family === AF_INET) channel.sendto(Buffer.from('three'), theirs.getsockname());
        else channel.sendmsg([Buffer.from('three')]);
        channel.handle_write = () => {};
        stage.say('done');
      };
      channel.writable = () => true;
      await stage.until('done');
      expect([1, 2, 3].map(() => String(theirs.recv(100)))).toEqual(['one', 'two', 'three']);
    },
  );

  it('a datagram goes to the peer that the channel had when it was sent', async () => {
    const stage = new Stage(use_poll);
    const peers = [1, 2].map(() => {
      const socket = own(new Socket(AF_INET, SOCK_DGRAM));
      socket.bind(free(AF_INET));
      return patient(socket);
    });
    const channel = new Sender(stage);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    channel.connect(peers[0].getsockname());
    channel.writable = () => true;
    channel.handle_write = () => {
      channel.handle_write = () => {};
      channel.send(Buffer.from('one'));
      channel.connect(peers[1].getsockname());
      channel.send(Buffer.from('two'));
      stage.say('done');
    };
    await stage.until('done');
    expect(peers.map((peer) => String(peer.recv(100)))).toEqual(['one', 'two']);
  });

  it('a shutdown asked for while connecting comes after the connection, and after what was sent', async () => {
    const stage = new Stage(use_poll);
    const door = listener(AF_INET);
    for (const text of ['', 'hello']) {
      const channel = new Sender(stage);
      channel.create_socket(AF_INET);
      channel.connect(door.getsockname());
      if (text !== '') channel.send(Buffer.from(text));
      channel.shutdown(SHUT_WR);
      const [theirs] = door.accept();
      own(patient(theirs));
      await stage.until('connect');
      await stage.passes(2);
      expect(String(readAll(theirs))).toBe(text);
      channel.close();
      stage.trace.length = 0;
    }
  });

  it('a shutdown that fails leaves what comes afterwards as it was', async () => {
    const stage = new Stage(use_poll);
    const door = listener(AF_INET);
    const channel = new Sender(stage);
    channel.create_socket(AF_INET);
    channel.connect(door.getsockname());
    await stage.until('connect');
    expect(() => channel.shutdown(9)).toThrow();
    channel.send(hello);
    const [theirs] = door.accept();
    expect(String(own(patient(theirs)).recv(100))).toBe('hello ');
  });

  it('what initiate_send leaves waiting once goes out when it may', async () => {
    const stage = new Stage(use_poll);
    class Throttled extends Sender {
      isOpen = false;
      override initiate_send(): void {
        if (this.isOpen) super.initiate_send();
      }
      override writable(): boolean {
        return this.isOpen && super.writable();
      }
    }
    const [ours, theirs] = connection();
    const channel = new Throttled(stage, ours);
    channel.handle_read = () => {
      channel.recv(100);
      channel.send(hello);
      stage.say('sent');
    };
    theirs.send(hello);
    await stage.until('sent');
    channel.isOpen = true;
    theirs.send(hello);
    await stage.passes(3);
    expect(String(theirs.recv(100))).toBe('hello hello ');
  });

  describe.each(['process', 'worker'])('in a %s', (where) => {
    it('what a handler sent goes out when it calls process.exit', () => {
      const program = `
        import { isMainThread, Worker } from 'node:worker_threads';
        import { dispatcher_with_send, loop } from '${import.meta.resolve('@asyncore/core')}';
        import { dup, socketpair } from '${import.meta.resolve('@asyncore/socket')}';
        const url = new URL('data:text/javascript,' + encodeURIComponent(process.env.SOURCE));
        if (process.env.WHERE === 'worker' && isMainThread) new Worker(url);
        else {
          const [ours, theirs] = socketpair();
          const kept = dup(theirs.fileno());
          class Sender extends dispatcher_with_send {
            handle_write() {}
            handle_read() {
              this.recv(10);
              for (const text of ['what ', 'was ', 'sent']) this.send(Buffer.from(text));
              process.on('exit', () => console.log(String(theirs.recv(100))));
              process.exit(0);
            }
          }
          new Sender(ours);
          theirs.send(Buffer.from('?'));
          await loop({ use_poll: ${use_poll} });
        }`;
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '--eval', program],
        {
          encoding: 'utf8',
          timeout: 20_000,
          env: { ...process.env, SOURCE: program, WHERE: where },
        },
      );
      expect([stdout, stderr]).toEqual(['what was sent\n', '']);
    });
  });
});

it('what is queued is sent by nobody once a channel is closed', () => {
  const stage = new Stage();
  const channel = new dispatcher_with_send(null, stage.map);
  const log: unknown[] = [];
  channel.log_info = (message) => log.push(message);
  channel.send(hello);
  channel.close();
  for (let i = 0; i < 3; i++) expect(channel.send(hello)).toBe(0);
  expect(channel.out_buffer.length).toBe(0);
  expect(log).toHaveLength(1);
});
