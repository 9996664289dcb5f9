/** push_with_producer: whatever gives bytes piece by piece, asked no sooner than it can be sent. */
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Producer, simple_producer } from '@asyncore/chat';
import type { Socket } from '@asyncore/core';
import { SHUT_WR } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { b, Chat, connected, itUnless, onEveryPoller, Stage, sends } from './support.js';

/** Why a test is left out over wanting. */
const GREETS = 'it wakes its reader once, to greet';

const MUCH = 'it moves more than is worth encrypting in a test';

const make = (stage: Stage) => (sock: Socket) => new Chat(stage, '\n', sock);
const turn = () => new Promise(setImmediate);

/** `count` pieces of `size` bytes, with a note in `said` of what happens. */
function* pieces(said: string[], count: number, size: number): Generator<Uint8Array> {
  try {
    for (let i = 0; i < count; i++) {
      said.push(`piece ${i}`);
      yield Buffer.alloc(size, i);
    }
  } finally {
    said.push('returned');
  }
}

async function* slowly(producer: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const piece of producer) {
    await turn();
    yield piece;
  }
}

/** A producer of asynchat's kind. At the end of the texts it fails, if it is to. */
function scripted(texts: string[], error?: Error): Producer {
  const left = [...texts];
  return {
    more() {
      const text = left.shift();
      if (text === undefined && error) throw error;
      return b(text ?? '');
    },
  };
}

/** Gives nothing, until it is told to. */
function pending(): { producer: Producer; give(text: string): void; returned: boolean } {
  let resolve: (result: IteratorResult<Uint8Array>) => void = () => {};
  const it = {
    returned: false,
    give: (text: string) => resolve({ done: false, value: b(text) }),
    producer: {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<Uint8Array>>((done) => (resolve = done)),
        return: async () => {
          it.returned = true;
          return { done: true as const, value: undefined };
        },
      }),
    },
  };
  return it;
}

onEveryPoller((use_poll) => {
  const texts = ['one ', '', 'two ', 'three'];
  const producers: [string, string, () => Producer][] = [
    ['an array', 'one two three', () => texts.map(b)],
    [
      'a generator',
      'one two three',
      () =>
        (function* () {
          yield* texts.map(b);
        })(),
    ],
    ['an async generator', 'one two three', () => slowly(texts.map(b))],
    ['a stream', 'one two three', () => Readable.from(texts.map(b))],
    ['a web stream', 'one two three', () => new Blob(texts).stream() as AsyncIterable<Uint8Array>],
    ['a simple_producer', 'one two three', () => new simple_producer(b('one two three'), 4)],
    // As in CPython: an object whose more() gives nothing is finished (A35).
    ['an object with more()', 'one ', () => scripted(texts)],
  ];
  it.each(producers)(
    '%s is sent between what is pushed before and after it',
    async (_, text, of) => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push(b('<'));
      chat.push_with_producer(of());
      chat.push(b('><'));
      chat.push_with_producer(of());
      chat.push(b('>'));
      chat.close_when_done();
      await stage.until(() => chat.said.includes('close'));
      expect(peer.text).toBe(`<${text}><${text}>`);
      expect(chat.said).toEqual(['close']);
    },
  );

  it('views of bytes are sent in their turn as well', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    chat.push_with_producer(pieces([], 1, 1));
    chat.push_with_producer(new DataView(new Uint8Array(b('a view')).buffer, 1));
    chat.push_with_producer(new Uint16Array(new Uint8Array(b('shorts')).buffer));
    await stage.until(() => peer.text === '\0 viewshorts');
  });

  it('behind what the kernel had no room for, no producer is asked', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = await connected(stage, make(stage));
    peer.isReading = false;
    while (!chat.writable()) chat.push(Buffer.alloc(1 << 20));
    const [said, sizes] = [[], sends(ours)];
    chat.push_with_producer(pieces(said, 1, 1));
    expect([said, sizes]).toEqual([[], []]);
  });

  it('answers that have to be waited for follow in the order of the commands', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    chat.handle_error = (error) => chat.said.push(`error ${(error as Error).message}`);
    async function* answer(line: string) {
      for (let i = line.length; i < 6; i++) await turn();
      if (line === 'two') throw new Error(line);
      yield b(`${line} is answered. `);
    }
    const { found_terminator } = chat;
    chat.found_terminator = () => {
      found_terminator.call(chat);
      chat.push_with_producer(answer(chat.contents.at(-1) ?? ''));
    };
    peer.say('one\ntwo\nthree\nfour\n');
    await stage.until(() => peer.text.includes('four'));
    expect(peer.text).toBe('one is answered. three is answered. four is answered. ');
    expect(chat.said).toEqual(['error two']);
  });

  it('small pieces are sent together', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = await connected(stage, make(stage));
    const sizes = sends(ours);
    chat.push_with_producer(pieces([], 1000, 10));
    await stage.until(() => peer.length === 10_000);
    expect(sizes).toEqual([10_000]);
  });

  itUnless({ tls: MUCH })('a piece is asked for when the one before is on its way', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    peer.isReading = false;
    const said: string[] = [];
    chat.push_with_producer(pieces(said, 1000, 100_000));
    await stage.passes(20);
    const asked = said.length;
    expect(asked).toBeLessThan(100);
    peer.isReading = true;
    await stage.until(() => peer.length === 1000 * 100_000);
    expect(said.slice(-2)).toEqual(['piece 999', 'returned']);
    expect(Buffer.concat(peer.chunks)[99_999_999]).toBe(999 % 256);
  });

  it('one channel with much to send lets others have their turn', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    const [other, otherPeer] = await connected(stage, make(stage));
    chat.push_with_producer(pieces([], 1000, 100_000));
    otherPeer.say('hello\n');
    await stage.until(() => other.contents.length > 0);
    expect(peer.length).toBeLessThan(50_000_000);
  });

  it.each<[string, (said: string[]) => Producer]>([
    ['a generator', (said) => pieces(said, 100, 1 << 20)],
    ['an async generator', (said) => slowly(pieces(said, 100, 1 << 20))],
  ])('closing the channel calls return() of %s', async (_, of) => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    peer.isReading = false;
    const said: string[] = [];
    chat.push_with_producer(of(said));
    await stage.until(() => chat.writable());
    await stage.passes(20);
    chat.close();
    await turn();
    await turn();
    expect(said.at(-1)).toBe('returned');
    expect(said).not.toContain('piece 99');
  });

  it.each(['close', 'close_when_done', 'shutdown'] as const)(
    'a producer pushed after %s is ended, and what is none is a mistake',
    async (end) => {
      const stage = new Stage(use_poll);
      const [chat] = await connected(stage, make(stage));
      if (end === 'shutdown') chat.shutdown(SHUT_WR);
      else chat[end]();
      const generator = pieces([], 100, 10);
      const classic = { more: () => b('x'), returned: 0, return: () => void classic.returned++ };
      const stream = Readable.from(['x']);
      for (const producer of [generator, classic, stream]) chat.push_with_producer(producer);
      chat.push_with_producer(b('bytes'));
      expect(generator.next().done).toBe(true);
      expect([classic.returned, stream.destroyed]).toEqual([1, true]);
      expect(() => chat.push_with_producer(7 as unknown as Producer)).toThrow(
        'producer must have a method more() or be an iterable of bytes',
      );
    },
  );

  it('the peer going away ends the producer', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    const said: string[] = [];
    chat.push_with_producer(pieces(said, 1000, 1 << 20));
    await stage.until(() => peer.length > 0);
    peer.close();
    await stage.loop();
    expect([chat.said, said.at(-1)]).toEqual([['close'], 'returned']);
  });

  it('closing ends a producer that has nothing to give yet, and those behind it', async () => {
    const stage = new Stage(use_poll);
    const [chat] = await connected(stage, make(stage));
    const [first, second] = [pending(), pending()];
    chat.push_with_producer(first.producer);
    chat.push_with_producer(second.producer);
    await stage.passes(5);
    chat.close();
    expect([first.returned, second.returned]).toEqual([true, true]);
    first.give('too late');
    await turn();
    expect(chat.said).toEqual([]);
  });

  it('discard_buffers ends the producer too', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    const waiting = pending();
    chat.push_with_producer(waiting.producer);
    chat.discard_buffers();
    chat.push(b('next'));
    await stage.until(() => peer.text === 'next');
    expect(waiting.returned).toBe(true);
  });

  itUnless({ wanting: GREETS })('a channel that waits for its producer does not spin', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    const waiting = pending();
    chat.push_with_producer(waiting.producer);
    chat.push(b(' behind'));
    expect(chat.writable()).toBe(false);
    const start = performance.now();
    await stage.passes(1, 0.05);
    expect(performance.now() - start).toBeGreaterThan(45);
    waiting.give('first');
    await stage.until(() => peer.text === 'first');
    expect(chat.writable()).toBe(false);
  });

  describe.each<[string, (error: Error) => Producer]>([
    ['more() throws', (error) => scripted(['some'], error)],
    [
      'a generator throws',
      (error) =>
        (function* () {
          yield b('some');
          throw error;
        })(),
    ],
    [
      'an async generator rejects',
      (error) =>
        (async function* () {
          yield b('some');
          throw error;
        })(),
    ],
    [
      'a stream fails',
      (error) =>
        Readable.from(
          (async function* () {
            yield b('some');
            throw error;
          })(),
        ),
    ],
  ])('where %s', (_, of) => {
    it('that reaches handle_error, after what it gave has been sent', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push(b('before '));
      chat.push_with_producer(of(new Error('mine')));
      chat.push(b(' behind'));
      await stage.until(() => peer.ended);
      expect(peer.text).toMatch(/^before some/);
      expect(chat.said[0]).toBe('error mine'); // which closes; what is pushed then is refused
    });

    it('a channel that stays open sends what comes behind it', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.handle_error = (error) => chat.said.push(`error ${(error as Error).message}`);
      chat.push_with_producer(of(new Error('mine')));
      chat.push(b(' behind'));
      await stage.until(() => peer.text === 'some behind');
      expect(chat.said).toEqual(['error mine']);
    });
  });

  it('a producer that fails at once sends nothing', async () => {
    const stage = new Stage(use_poll);
    const [chat, , ours] = await connected(stage, make(stage));
    const sizes = sends(ours);
    chat.push_with_producer(scripted([], new Error('mine')));
    expect([sizes, chat.said]).toEqual([[], ['error mine']]);
  });

  it.each([
    ['text', 'a producer gave a string: encode it, or set use_encoding'],
    [5, 'a producer gave number, not bytes'],
  ])('a producer that gives %j, no bytes, reaches handle_error', async (piece, message) => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, make(stage));
    chat.push_with_producer([piece as string]);
    await stage.until(() => peer.ended);
    expect(chat.said).toEqual([`error ${message}`]);
  });

  it('what handle_error lets escape, for an async producer, ends the loop', async () => {
    const stage = new Stage(use_poll);
    const [chat] = await connected(stage, make(stage));
    chat.handle_error = (error) => {
      throw error;
    };
    chat.push_with_producer(
      (async function* () {
        await turn();
        yield b('some');
        throw new Error('mine');
      })(),
    );
    await expect(stage.loop()).rejects.toThrow('mine');
  });

  describe('a producer may, while it is asked,', () => {
    /** Gives A, then B, and does something between them. */
    const between = (act: () => void): Producer =>
      (function* () {
        yield b('A');
        act();
        yield b('B');
      })();

    it('push', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push_with_producer(between(() => chat.push(b('C'))));
      await stage.until(() => peer.text === 'ABC');
    });

    it('call initiate_send', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push_with_producer(between(() => chat.initiate_send()));
      await stage.until(() => peer.text === 'AB');
    });

    it('discard what is queued', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.found_terminator = () => {
        chat.push_with_producer(between(() => chat.discard_buffers()));
        chat.push(b('gone'));
      };
      peer.say('go\n');
      await stage.until(() => !peer.writable());
      await stage.passes(3);
      chat.push(b('C'));
      await stage.until(() => peer.text.endsWith('C'));
      expect(peer.text).toBe('C');
    });

    it('close', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push_with_producer(between(() => chat.close()));
      await stage.until(() => peer.ended);
      expect(chat.said).toEqual([]);
    });

    it('close_when_done', async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = await connected(stage, make(stage));
      chat.push_with_producer(between(() => chat.close_when_done()));
      await stage.until(() => chat.said.includes('close'));
      expect([peer.text, chat.said]).toEqual(['AB', ['close']]);
    });
  });
});

it.each([[5], [null], ['text'], [{}], [undefined]])('%o is no producer', (producer) => {
  const chat = new Chat(new Stage());
  expect(() => chat.push_with_producer(producer as never)).toThrow(
    'producer must have a method more() or be an iterable of bytes',
  );
});

it('use_encoding lets producers give strings', async () => {
  const stage = new Stage();
  const [chat, peer] = await connected(stage, make(stage));
  chat.use_encoding = true;
  chat.push_with_producer(['é', b('b')]);
  chat.push_with_producer(new simple_producer('strings', 3));
  await stage.until(() => peer.text === 'ébstrings');
});

it.each([1, 2, 3, 4, 5, 512])(
  'text arrives as that text, cut by simple_producer at %d',
  async (size) => {
    const text = 'naïve — 日本語 👩‍👩‍👧 😀😀';
    const stage = new Stage();
    const [chat, peer] = await connected(stage, make(stage));
    chat.use_encoding = true;
    chat.encoding = 'utf8';
    chat.push_with_producer(new simple_producer(text, size));
    await stage.until(() => peer.length === Buffer.byteLength(text));
    expect(Buffer.from(peer.text, 'latin1').toString()).toBe(text);
  },
);

it.each<[string, (string | Buffer)[], string]>([
  ['every code unit by itself', 'a😀b👩‍👧'.split(''), 'a😀b👩‍👧'],
  ['an empty string between the halves', ['\ud83d', '', '\ude00'], '😀'],
  ['no bytes between the halves', ['\ud83d', b(''), '\ude00'], '😀'],
  ['bytes between the halves', ['a\ud83d', b('b'), '\ude00'], 'a\ufffdb\ufffd'],
  ['the first half only, at the end', ['a', '\ud83d'], 'a\ufffd'],
  ['the second half only', ['\ude00a'], '\ufffda'],
])('a producer may give text that is cut within a character: %s', async (_, pieces, expected) => {
  const stage = new Stage();
  const [chat, peer] = await connected(stage, make(stage));
  chat.use_encoding = true;
  chat.encoding = 'utf8';
  chat.push_with_producer(pieces);
  chat.push_with_producer(['.']);
  await stage.until(() => peer.text.endsWith('.'));
  expect(Buffer.from(peer.text, 'latin1').toString()).toBe(`${expected}.`);
});

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  const file = join(folder, 'large');

  it('that does not exist reaches handle_error', async () => {
    const stage = new Stage();
    const [chat, peer] = await connected(stage, make(stage));
    chat.push_with_producer(createReadStream(file));
    await stage.until(() => peer.ended);
    expect(chat.said).toEqual([expect.stringMatching(/^error ENOENT/)]);
  });

  it('larger than the memory it takes is sent by createReadStream', { timeout: 60_000 }, () => {
    const size = 512 << 20;
    writeFileSync(file, 'the beginning');
    truncateSync(file, size);
    const program = fileURLToPath(new URL('send_file.mjs', import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, [program, file], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(stderr).toBe('');
    const { bytes, beginning, rss } = JSON.parse(stdout);
    expect([bytes, beginning]).toEqual([size, 'the beginning']);
    expect(rss).toBeLessThan(size / 2);
  });
});
