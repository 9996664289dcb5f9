/** ac_out_high_water: what a slow reader does to whoever answers it. CPython queues without end (A16). */
import type { Socket } from '@asyncore/core';
import { SO_LINGER, SOL_SOCKET } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { b, Chat, connected, itUnless, onEveryPoller, Stage } from './support.js';

/** Why a test is left out over wanting. */
const GREETS = 'it wakes its reader once, to greet';

const MUCH = 'it moves more than is worth encrypting in a test';

const MiB = 1 << 20;

/** Answers each line with a MiB, and says what push said. */
class Generous extends Chat {
  override ac_out_high_water = MiB;
  most = 0;

  constructor(stage: Stage, sock: Socket) {
    super(stage, '\n', sock);
  }

  override found_terminator(): void {
    super.found_terminator();
    this.said.push(`${this.push(Buffer.alloc(MiB))}`);
  }
}

const generous = (stage: Stage) => (sock: Socket) => new Generous(stage, sock);

onEveryPoller((use_poll) => {
  it('a channel made for a connection that is over is told so, however much it pushes', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = stage.pair();
    theirs.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
    theirs.close();
    const chat = new Generous(stage, ours);
    chat.push(Buffer.alloc(2 * MiB));
    await stage.until(() => chat.said.includes('close'));
    expect(chat.said).toEqual(['close']);
  });

  itUnless({ tls: MUCH })(
    'a channel whose peer does not read stops reading and parsing',
    async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, generous(stage));
      peer.isReading = false;
      peer.say('line\n'.repeat(60));
      await stage.until(() => chat.contents.length > 0 && !chat.readable());
      await stage.passes(20);
      const answered = chat.contents.length;
      expect(answered).toBeLessThan(40);
      expect(chat.said.at(-1)).toBe('false');
      peer.say('more\n'.repeat(60));
      await stage.passes(20);
      expect(chat.contents.length).toBe(answered);

      peer.isReading = true;
      await stage.until(() => chat.contents.length === 120);
      await stage.until(() => peer.length === 120 * MiB);
      expect(chat.said).toContain('drain');
    },
  );

  it('push says no above the mark, and handle_drain follows when half of it is left', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    peer.isReading = false;
    while (!chat.writable()) chat.push(Buffer.alloc(MiB));
    chat.ac_out_high_water = 20 * MiB;
    let pushed = 0;
    while (chat.push(Buffer.alloc(MiB))) pushed += 1;
    expect(pushed).toBeGreaterThan(15);
    expect(chat.push(b('!'))).toBe(false);
    expect(chat.readable()).toBe(false);

    let left = 0;
    const { handle_drain } = chat;
    chat.handle_drain = () => {
      left = 20 * MiB - (peer.length - before);
      handle_drain.call(chat);
    };
    const before = peer.length;
    peer.isReading = true;
    await stage.until(() => chat.said.includes('drain'));
    expect(left).toBeGreaterThan(5 * MiB);
    expect(chat.readable()).toBe(true);
    await stage.passes(20);
    expect(chat.said).toEqual(['drain']);
  });

  itUnless({ tls: MUCH })(
    'a handle_drain that pushes until push says no is called again',
    async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
      chat.ac_out_high_water = 3 * MiB;
      let left = 100;
      chat.handle_drain = () => {
        chat.said.push('drain');
        while (left > 0 && chat.push(Buffer.alloc(MiB))) left -= 1;
        if (left === 0) chat.close_when_done();
      };
      chat.push(Buffer.alloc(20 * MiB));
      await stage.until(() => chat.said.includes('close'));
      expect(peer.length).toBeGreaterThanOrEqual(100 * MiB);
      expect(chat.said.length).toBeGreaterThan(10);
    },
  );

  itUnless({ tls: MUCH })(
    'while handle_drain fills the queue again, nothing is read or parsed',
    async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
      chat.ac_out_high_water = MiB;
      peer.isReading = false;
      const { found_terminator } = chat;
      chat.found_terminator = () => {
        found_terminator.call(chat);
        chat.push(Buffer.alloc(20 * MiB));
      };
      chat.handle_drain = () => {
        chat.said.push(`drain after ${chat.contents.length}`);
        if (chat.said.length < 3) chat.push(Buffer.alloc(20 * MiB));
      };
      peer.say('one\ntwo\n');
      await stage.until(() => chat.contents.length > 0);
      peer.isReading = true;
      await stage.until(() => peer.length === 80 * MiB);
      const times = ['drain after 1', 'drain after 1', 'drain after 1', 'drain after 2'];
      await stage.until(() => chat.said.length === times.length);
      expect(chat.said).toEqual(times);
    },
  );

  it('one that pushes without end leaves others their turn', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    const [other, otherPeer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    ours.send = (data) => data.byteLength;
    chat.ac_out_high_water = 1000;
    chat.handle_drain = () => {
      chat.said.push('drain');
      if (chat.said.length < 1000) chat.push(Buffer.alloc(2000));
    };
    chat.found_terminator = () => chat.handle_drain();
    peer.say('go\n');
    await stage.until(() => chat.said.length > 0);
    const drains = chat.said.length;
    expect(drains).toBeLessThan(5);
    otherPeer.say('hello\n');
    await stage.until(() => other.contents.length > 0);
    await stage.until(() => chat.said.length > drains);
  });

  it('an async handle_drain that rejects reaches handle_error', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    peer.isReading = false;
    chat.ac_out_high_water = MiB;
    chat.handle_drain = () => Promise.reject(new Error('later'));
    while (chat.push(Buffer.alloc(MiB)));
    peer.isReading = true;
    await stage.until(() => chat.said.length > 0);
    expect(chat.said).toEqual(['error later']);
  });

  it('discard_buffers lets a full channel read again', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, generous(stage));
    peer.isReading = false;
    peer.say('line\n');
    await stage.until(() => chat.contents.length > 0);
    while (chat.push(Buffer.alloc(MiB)));
    chat.discard_buffers();
    peer.isReading = true;
    peer.say('again\n');
    await stage.until(() => chat.contents.includes('again'));
    expect(chat.said).toContain('drain');
  });

  it('a full channel that was closed is as new on its next connection', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, generous(stage));
    peer.isReading = false;
    while (chat.push(Buffer.alloc(MiB)));
    chat.close();
    expect(chat.readable()).toBe(true);
    const [again, theirs] = stage.pair();
    chat.set_socket(again);
    chat.connected = true;
    theirs.send(b('hello\n'));
    await stage.until(() => chat.contents.includes('hello'));
    theirs.close();
  });
});

it('a queue of the very mark is not too long, and one of half of it is drained', async () => {
  const stage = new Stage();
  const [chat] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
  let room = 0;
  chat.send = () => {
    const taken = room;
    room = 0;
    return taken;
  };
  chat.ac_out_high_water = 10;
  expect(chat.push(Buffer.alloc(10))).toBe(true);
  expect(chat.push(b('!'))).toBe(false);
  room = 5;
  await stage.until(() => room === 0);
  expect([chat.said, chat.readable()]).toEqual([[], false]);
  room = 1;
  await stage.until(() => room === 0);
  await stage.until(() => chat.said.length > 0);
  expect([chat.said, chat.readable()]).toEqual([['drain'], true]);
});

it('what goes out at once does not count', async () => {
  const stage = new Stage();
  const [chat] = await connected(stage, generous(stage));
  chat.ac_out_high_water = 10;
  expect(chat.push(Buffer.alloc(1000))).toBe(true);
});

it.each([0, null, NaN, -1])('with %s for a mark push always says yes', async (mark) => {
  const stage = new Stage();
  const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
  chat.ac_out_high_water = mark as number; // what a program in JavaScript may say
  peer.isReading = false;
  for (let i = 0; i < 100; i++) expect(chat.push(Buffer.alloc(MiB))).toBe(true);
  expect(chat.readable()).toBe(true);
});

itUnless({ wanting: GREETS })(
  'bytes behind a producer count, what it may still give does not',
  async () => {
    const stage = new Stage();
    const [chat] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    chat.ac_out_high_water = 1000;
    chat.push_with_producer({
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
    });
    expect(chat.push(Buffer.alloc(1000))).toBe(true);
    expect(chat.push(b('!'))).toBe(false);
    // Nothing can be sent: this must not spin.
    const start = performance.now();
    await stage.passes(1, 0.05);
    expect(performance.now() - start).toBeGreaterThan(45);
  },
);
