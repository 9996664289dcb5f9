/** Whatever a channel wraps, it behaves as on a plain socket: what is received, sent, and told of the end. */
import { dispatcher_with_send, type Transport } from '@asyncore/core';
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP, SHUT_WR, Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { connection, onEveryPoller, Stage } from './support.js';

/** Reads ahead, as TLS does: what it holds no poller knows of. */
class Buffering extends Socket {
  #held: Buffer = Buffer.alloc(0);
  override recv(bufsize: number): Buffer {
    // At the end of what the peer sent, it keeps the end for the next call.
    if (this.#held.length === 0) this.#held = super.recv(1 << 16);
    const data = this.#held.subarray(0, bufsize);
    this.#held = this.#held.subarray(bufsize);
    return data;
  }
  get held(): number {
    return this.#held.length;
  }
}

class Telling extends Buffering {
  override pending(): number {
    return this.held;
  }
}

/** Has to write something of its own before it can read, as a TLS handshake may. */
class Wanting extends Socket {
  hasGreeted = false;
  asked: number[] = [];
  wants(events: number): number {
    this.asked.push(events);
    if (this.hasGreeted) return events;
    return events & POLLIN ? POLLOUT : events;
  }
  override recv(bufsize: number): Buffer {
    this.hasGreeted = true;
    return super.recv(bufsize);
  }
}

/** The socket of `ours` as one of another class. */
function as<S extends Socket>(kind: { prototype: S }, ours: Socket): S {
  // A subclass's own fields have to be made, which only its constructor does.
  const make = kind as unknown as new (
    family: number,
    type: number,
    proto: number,
    fd: number,
  ) => S;
  return new make(ours.family, ours.type, ours.proto, ours.detach());
}

class Channel extends dispatcher_with_send<Transport> {
  readSize = 10;
  received = '';
  constructor(
    readonly stage: Stage,
    sock: Transport,
  ) {
    super(sock, stage.map);
  }
  override handle_read(): void {
    const data = this.recv(this.readSize);
    this.received += data;
    if (data.length > 0) this.stage.say(`${this.received.length}`);
  }
  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
  override handle_error(error: unknown): void {
    this.stage.say(String(error));
    this.close();
  }
}

const kinds: [string, (ours: Socket) => Transport][] = [
  ['a plain socket', (ours) => ours],
  ['one that buffers, without pending', (ours) => without('pending', as(Buffering, ours))],
  ['one that buffers, with pending', (ours) => as(Telling, ours)],
  ['one that wants to write before it can read', (ours) => as(Wanting, ours)],
];

/** As an object that has only what a Transport must have, but for `name`. */
function without(name: string, inner: Socket): Transport {
  const { type } = inner;
  const made: Record<string, unknown> = { type };
  for (const method of [
    'fileno',
    'recv',
    'send',
    'sendmsg',
    'getsockopt',
    'close',
    'setblocking',
    'getpeername',
    'shutdown',
  ] as const) {
    if (method !== name)
      made[method] = (inner[method] as (...args: never[]) => unknown).bind(inner);
  }
  return made as unknown as Transport; // what it lacks may be left out
}

describe.each(kinds)('%s', (_, make) => {
  onEveryPoller((use_poll) => {
    const start = (stage: Stage): [Channel, Socket] => {
      const [ours, theirs] = connection();
      return [new Channel(stage, make(ours)), theirs];
    };
    const text = 'x'.repeat(100);

    it.each([1, 7, 10, 1000])(
      'all that came is read, %i bytes at a time, without more coming',
      async (size) => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = start(stage);
        channel.readSize = size;
        theirs.send(Buffer.from(text));
        await stage.until('100');
        await stage.passes(2); // it may have to look whether there is more
        expect([channel.received, await stage.isIdle()]).toEqual([text, true]);
      },
    );

    it.each([1, 7, 10, 1000])(
      'all that came before a hang-up is read, %i bytes at a time',
      async (size) => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = start(stage);
        channel.readSize = size;
        theirs.send(Buffer.from(text));
        theirs.close();
        await stage.loop();
        expect([channel.received, stage.count('close'), stage.trace.at(-1)]).toEqual([
          text,
          1,
          'close',
        ]);
      },
    );

    it('a paused reader keeps it, and rests', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = start(stage);
      theirs.send(Buffer.from(text));
      await stage.until('10');
      channel.readable = () => false;
      const { length } = channel.received;
      await stage.passes(5);
      expect([channel.received.length, await stage.isIdle()]).toEqual([length, true]);
      theirs.close();
      await stage.passes(5);
      expect(stage.count('close')).toBe(0);
      channel.readable = () => true;
      await stage.loop();
      expect([channel.received, stage.count('close')]).toEqual([text, 1]);
    });

    it('what is sent arrives, in order, and the end after it', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = start(stage);
      for (let i = 0; i < 100; i++) channel.send(Buffer.from(`${i} `));
      channel.shutdown(SHUT_WR);
      await stage.passes(3);
      expect(String(theirs.recv(1000))).toBe(
        Array.from({ length: 100 }, (_, i) => `${i} `).join(''),
      );
      expect(theirs.recv(10).length).toBe(0);
    });

    it('close_when_done reads away what still comes', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = start(stage);
      theirs.send(Buffer.from(text));
      channel.send(Buffer.from('bye'));
      channel.close_when_done();
      await stage.passes(5);
      theirs.send(Buffer.from(text));
      theirs.close();
      await stage.loop();
      expect([stage.count('close'), stage.trace.at(-1)]).toEqual([1, 'close']);
    });
  });
});

onEveryPoller((use_poll) => {
  it('the kernel is told what the transport wants, and not what the channel does', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const sock = as(Wanting, ours);
    new Channel(stage, sock);
    // Nothing has come, so only room to write can have led to its recv.
    await stage.passes(3);
    expect(sock.hasGreeted).toBe(true);
    theirs.send(Buffer.from('hello'));
    await stage.until('5');
    expect(await stage.isIdle()).toBe(true);
  });

  it('one that ends without the kernel saying so is believed', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    let changed = () => {};
    let state = 0;
    Object.assign(ours, {
      state: () => state,
      watch: (call: () => void) => {
        changed = call;
      },
    });
    new Channel(stage, ours);
    await stage.passes(3);
    expect(stage.trace).toEqual([]);
    setTimeout(() => {
      state = POLLHUP | (POLLRDHUP ?? 0);
      changed();
    }, 5);
    await stage.until('close');
    expect(stage.trace).toEqual(['close']);
  });

  it('one that holds more of itself is read', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    let changed = () => {};
    let held = '';
    Object.assign(ours, {
      pending: () => held.length,
      unread: () => held.length,
      recv: (size: number) => {
        const data = Buffer.from(held.slice(0, size));
        held = held.slice(size);
        return data;
      },
      watch: (call: () => void) => {
        changed = call;
      },
    });
    new Channel(stage, ours);
    setTimeout(() => {
      held = 'y'.repeat(25);
      changed();
    }, 5);
    await stage.until('25');
    expect(stage.trace).toEqual(['10', '20', '25']);
  });
});
