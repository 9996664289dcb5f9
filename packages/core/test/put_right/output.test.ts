/** What channels send: gathered, in order, in time proportional to its size. */
import { createHash, randomFillSync } from 'node:crypto';
import { dispatcher, dispatcher_with_send, ExitNow, type Transport } from '@asyncore/core';
import { AF_INET, MSG_OOB, SOCK_DGRAM, type Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  accepted,
  ends,
  itUnless,
  KIND,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  Recorder,
  readAllOf,
  reset,
  Stage,
} from '../support.js';

/** The sizes of the system calls that `socket` makes to send. */
function sends(socket: Socket): number[] {
  const sizes: number[] = [];
  const { send, sendmsg } = socket;
  const counted = (size: number) => sizes[sizes.push(size) - 1];
  socket.send = (...args) => counted(send.apply(socket, args));
  socket.sendmsg = (...args) => counted(sendmsg.apply(socket, args));
  return sizes;
}

const hello = Buffer.from('hello');
const NO_URGENT = 'TLS has no urgent data';
const IN_HAND = 'the other end is in the test’s hand';

class Sender extends dispatcher_with_send {
  constructor(
    readonly stage: Stage,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }
  override handle_read(): void {
    this.recv(100);
    this.say();
  }
  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
  /** Sixteen answers. */
  say(): void {
    for (let i = 0; i < 16; i++) this.send(hello);
    this.stage.say('said');
  }
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    // CPython: a system call for each.
    it('what handle_read sends goes out in one system call', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const sizes = sends(ours);
      new Sender(stage, ours);
      theirs.send(hello);
      await stage.until('said');
      expect(sizes).toEqual([80]);
      expect(await theirs.recv(100)).toEqual(Buffer.from('hello'.repeat(16)));
    });

    // CPython: what the kernel had not taken is lost (A15), and nothing was gathered.
    it('what was sent before close goes out first', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.handle_read = () => {
        channel.recv(100);
        for (let i = 0; i < 1000; i++) channel.send(Buffer.from(`${i} `));
        channel.close();
      };
      theirs.send(hello);
      await stage.loop();
      const all = Array.from({ length: 1000 }, (_, i) => `${i} `).join('');
      expect(String(await readAllOf(theirs))).toBe(all);
    });

    it('close sends what a handler before it left over, as far as there is room', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.handle_read = () => {
        channel.recv(100);
        // More chunks than one sendmsg takes.
        for (let i = 0; i < 5000; i++) channel.send(Buffer.from('x'));
        stage.say('sent');
      };
      theirs.send(hello);
      await stage.until('sent');
      channel.close();
      expect((await readAllOf(theirs)).length).toBe(5000);
    });

    // CPython: 50 MB take 6.2 s, because what is left is copied with every send (A19).
    it.each(KIND === 'plain' ? [50 << 20, 1 << 16, 1000] : [1 << 20, 1000])(
      'large output arrives as it was, in pieces of %i',
      async (size) => {
        const stage = new Stage(use_poll);
        const sha = createHash('sha256');
        let received = 0;
        const server = listening(new dispatcher(null, stage.map), family);
        server.handle_accepted = (sock) => {
          server.close();
          const reader = new dispatcher(sock, stage.map);
          reader.handle_read = () => {
            const chunk = reader.recv(1 << 20);
            sha.update(chunk);
            received += chunk.length;
            if (received === large.length) stage.say('all');
          };
        };
        const client = new dispatcher_with_send(null, stage.map);
        client.create_socket(family);
        client.connect(server.getsockname());
        const start = process.cpuUsage(); // which others' work does not add to
        for (let at = 0; at < large.length; at += size) client.send(large.subarray(at, at + size));
        await stage.until('all');
        expect(sha.digest('hex')).toBe(digest);
        const { user, system } = process.cpuUsage(start);
        expect(user + system).toBeLessThan(3_000_000);
      },
    );
  });
});

const large = randomFillSync(Buffer.alloc(KIND === 'plain' ? 50 << 20 : 1 << 20));
const digest = createHash('sha256').update(large).digest('hex');

onEveryPoller((use_poll) => {
  describe('gathered in one system call is what is sent from', () => {
    it('handle_connect', async () => {
      const stage = new Stage(use_poll);
      const channel = new Sender(stage);
      channel.create_socket();
      const sizes = sends(channel.socket as Socket); // it was just created
      channel.handle_connect = () => channel.say();
      channel.connect(listener().getsockname());
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    it('handle_write', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends();
      const sizes = sends(ours);
      const channel = new Sender(stage, ours);
      channel.writable = () => stage.trace.length === 0;
      channel.handle_write = () => channel.say();
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    it('handle_accepted, by the channel made there', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Recorder(stage));
      let sizes: number[] = [];
      server.handle_accepted = (sock) => {
        sizes = sends(sock);
        new Sender(stage, sock).say();
      };
      const client = new Recorder(stage);
      client.create_socket();
      client.connect(server.getsockname());
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    itUnless({ tls: NO_URGENT })('handle_expt', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      const sizes = sends(ours);
      const channel = new Sender(stage, ours);
      channel.handle_expt = () => channel.say();
      theirs.send(Buffer.from('!'), MSG_OOB);
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    it('handle_eof', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      const sizes = sends(ours);
      const channel = new Sender(stage, ours);
      channel.handle_read = () => void channel.recv(10);
      channel.handle_eof = () => channel.say();
      theirs.shutdown(1);
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    it('a handler of another channel', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends();
      const [others, theirs] = await ends();
      const sizes = sends(ours);
      const channel = new Sender(stage, ours);
      const other = new Recorder(stage, others);
      other.handle_read = () => {
        other.recv(10);
        channel.say();
      };
      theirs.send(hello);
      await stage.until('said');
      expect(sizes).toEqual([80]);
    });

    it('a handler that throws', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      const sizes = sends(ours);
      const channel = new Sender(stage, ours);
      channel.handle_read = () => {
        channel.recv(100);
        channel.say();
        throw new Error('spam');
      };
      channel.handle_error = () => stage.say('error');
      theirs.send(hello);
      await stage.until('error');
      expect(sizes).toEqual([80]);
    });
  });

  it('what is sent from outside of handlers goes out at once', async () => {
    const stage = new Stage(use_poll);
    const [ours] = await ends();
    const sizes = sends(ours);
    const channel = new Sender(stage, ours);
    channel.send(hello);
    setTimeout(() => {
      channel.send(hello);
      stage.say(`in a timer ${sizes}`);
    });
    await stage.until('in a timer 5,5');
    expect(channel.out_buffer.length).toBe(0);
  });

  itUnless({ tls: IN_HAND })(
    'what is sent to a full peer goes on in another map, however the channel came there',
    async () => {
      const stage = new Stage(use_poll, new Map());
      const [ours, theirs] = await ends();
      const channel = new Sender(new Stage(use_poll), ours);
      channel.del_channel();
      channel.add_channel(stage.map);
      channel._map = stage.map;
      const reader = new Recorder(stage, theirs);
      let received = 0;
      reader.handle_read = () => {
        received += reader.recv(1 << 20).length;
        if (received === 5 << 20) stage.say('all');
      };
      setTimeout(() => channel.send(Buffer.alloc(5 << 20)));
      await stage.until('all');
    },
  );

  it('what has no connection is not woken for writing', async () => {
    const stage = new Stage(use_poll);
    const channel = new Sender(stage);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    channel.bind(['127.0.0.1', 0]);
    expect(await stage.isIdle()).toBe(true);
  });

  it('what an async handler sends after it waited goes out at once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const sizes = sends(ours);
    const channel = new Sender(stage, ours);
    channel.handle_read = async () => {
      channel.recv(100);
      await null;
      channel.send(hello);
      stage.say(`sent ${sizes}`);
    };
    theirs.send(hello);
    await stage.until('sent 5');
  });

  it('an error that leaves the loop while output goes out stops no other channel', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const [others, peer] = await ends();
    const [lost, gone] = await ends();
    const second = new Sender(stage, others);
    const first = new Sender(stage, lost);
    first.handle_close = () => {
      throw new ExitNow();
    };
    const channel = new Recorder(stage, ours);
    channel.handle_read = () => {
      channel.recv(100);
      reset(gone);
      first.send(hello);
      second.send(hello);
    };
    theirs.send(hello);
    await expect(stage.loop()).rejects.toThrow(ExitNow);
    expect(String(await peer.recv(10))).toBe('hello');
    second.send(Buffer.from('again'));
    expect(String(await peer.recv(10))).toBe('again');
  });

  it('handle_close follows when the output meets a lost peer', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Sender(stage, ours);
    channel.readable = () => false;
    reset(theirs);
    setTimeout(() => channel.send(hello));
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  // CPython (A5, A6): an IndexError, or bytes that come twice while others never come.
  it.each(['send', 'close'])('%s from within a send of the socket is safe', async (what) => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    let nested = false;
    const tunnel: Transport = {
      fileno: () => ours.fileno(),
      recv: (size) => ours.recv(size),
      getsockopt: (level, option) => ours.getsockopt(level, option),
      getpeername: () => ours.getpeername(),
      close: () => ours.close(),
      send(data) {
        if (!nested) {
          nested = true;
          if (what === 'send') channel.send(Buffer.from(' world'));
          else channel.close();
        }
        return ours.send(data);
      },
    };
    const channel = new dispatcher_with_send<Transport>(tunnel, stage.map);
    channel.send(hello);
    expect(channel.connected).toBe(what === 'send');
    setTimeout(() => channel.close(), 20);
    await stage.loop();
    expect(String(await readAllOf(theirs))).toBe(what === 'send' ? 'hello world' : '');
  });
});

describe('dispatcher_with_send', () => {
  it('keeps in out_buffer what is still to be sent', async () => {
    const [ours, theirs] = await ends();
    const channel = new dispatcher_with_send(null, new Map());
    expect(channel.send(hello)).toBe(5);
    channel.send(Buffer.from(' world'));
    expect(String(channel.out_buffer)).toBe('hello world');
    channel.out_buffer = Buffer.from('bye');
    channel.set_socket(own(ours));
    expect(channel.writable()).toBe(true);
    channel.connected = true;
    channel.initiate_send();
    expect([channel.out_buffer.length, channel.writable()]).toEqual([0, false]);
    expect(String(await theirs.recv(10))).toBe('bye');
  });

  it('sends any view of bytes, and says what a string needs', async () => {
    const [ours, theirs] = await ends();
    const channel = new dispatcher_with_send(ours, new Map());
    channel.send(new Uint8Array(Uint16Array.of(0x6968).buffer));
    expect(String(await theirs.recv(10))).toBe('hi');
    // @ts-expect-error A string has no bytes before an encoding is chosen.
    expect(() => channel.send('hi')).toThrow('Buffer.from(text)');
  });

  it('logs what it sends when debug is on', async () => {
    const [ours] = await ends();
    const stage = new Stage();
    const channel = new Sender(stage, ours);
    channel.debug = true;
    channel.log_info = (message) => stage.say(String(message));
    channel.send(hello);
    expect(stage.trace).toEqual(['sending hello']);
  });

  it('waits until it is connected', async () => {
    const stage = new Stage();
    const door = listener();
    const channel = new Sender(stage);
    channel.create_socket();
    channel.connect(door.getsockname());
    channel.say();
    expect(channel.out_buffer.length).toBe(80);
    const theirs = patient(accepted(door));
    setTimeout(() => channel.close(), 20);
    await stage.loop();
    expect((await readAllOf(theirs)).length).toBe(80);
  });
});

itUnless({
  tls: 'what is sent is counted before the kernel has it, so the peer’s end is told later',
})('send gives 0 when the kernel takes no more, and a peer that is gone is told', async () => {
  const stage = new Stage();
  const [ours, theirs] = await ends();
  const channel = new Recorder(stage, ours);
  while (channel.send(large) !== 0);
  expect(stage.trace).toEqual([]);
  reset(theirs);
  expect(channel.send(large)).toBe(0);
  expect(stage.trace).toEqual(['close']);
});
