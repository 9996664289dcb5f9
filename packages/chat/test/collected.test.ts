/** What is kept of input in small pieces: the bytes, and little memory besides. */
// In a process of its own: it measures memory.
import { async_chat, type encoded_terminator, terminator_matcher } from '@asyncore/chat';
import { read } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collect } from '../dist/collected.js';

/** The memory that these keep alive: their blocks, and what V8 needs for each Buffer and block. */
function memory(pieces: Buffer[]): number {
  const blocks = new Set(pieces.map(({ buffer }) => buffer));
  const bytes = [...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return bytes + 120 * pieces.length + 120 * blocks.size;
}

function collected(pieces: Buffer[]): Buffer[] {
  const all: Buffer[] = [];
  for (const piece of pieces) collect(all, piece);
  return all;
}

/** `size` bytes of their own, or out of a larger block as recv gives them. */
function bytes(size: number, around = 0): Buffer {
  return Buffer.alloc(size + around, 'spam').subarray(around >> 1, size + (around >> 1));
}

it('a few pieces stay apart, and more small ones are joined into the last', () => {
  const pieces = collected([...'eggs and spam'].map((letter) => Buffer.from(letter)));
  expect(pieces.map(String)).toEqual(['e', 'g', 'g', 's and spam']);
});

it('a large piece stays as it is', () => {
  const large = Buffer.alloc(65536);
  const pieces = collected([...[...'spam'].map((letter) => Buffer.from(letter)), large]);
  expect(pieces.at(-1)).toBe(large);
});

it('what somebody kept of it, or took out, stays as it was', () => {
  const pieces = collected([...'...abc'].map((letter) => Buffer.from(letter)));
  const kept = pieces.at(-1);
  const fork = [...pieces];
  collect(pieces, Buffer.from('d'));
  collect(fork, Buffer.from('e'));
  collect(pieces, Buffer.from('f'));
  expect([kept, pieces.at(-1), fork.at(-1)].map(String)).toEqual(['abc', 'abcdf', 'abce']);
  const [taken] = pieces.splice(-1);
  collect(pieces, Buffer.from('g'));
  expect([taken, ...pieces].map(String)).toEqual(['abcdf', '.', '.', '.', 'g']);
});

it('the bytes are the same, in order, however they are cut, in at most four times their memory', () => {
  const piece = fc.tuple(fc.integer({ min: 1, max: 9000 }), fc.constantFrom(0, 1, 70_000));
  const cuts = fc.array(fc.oneof(piece, fc.tuple(fc.integer({ min: 1, max: 40 }), fc.constant(0))));
  fc.assert(
    fc.property(cuts, (sizes) => {
      const given = sizes.map(([size, around]) => bytes(size, around));
      const pieces = collected(given);
      expect(Buffer.concat(pieces).equals(Buffer.concat(given))).toBe(true);
      const length = given.reduce((sum, { length }) => sum + length, 0);
      // The last one stays as it came until another follows.
      collect(pieces, bytes(1));
      expect(memory(pieces)).toBeLessThan(4 * length + 2000);
    }),
  );
});

it.each([1, 2, 7, 100, 1000, 2047, 2048, 5000])(
  'a megabyte in pieces of %d bytes takes no more than twice the memory',
  (size) => {
    const pieces = collected(new Array(Math.floor(1e6 / size)).fill(bytes(size)));
    expect(memory(pieces)).toBeLessThan(2.3e6);
  },
);

it('four megabytes in pieces of one byte take seconds at most', () => {
  const started = performance.now();
  const pieces: Buffer[] = [];
  const byte = bytes(1);
  for (let i = 0; i < 4e6; i++) collect(pieces, byte);
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(4e6);
  expect(performance.now() - started).toBeLessThan(20_000);
});

describe('terminator_matcher', () => {
  const consumer = () => {
    const given: Buffer[] = [];
    return {
      given,
      max_incoming: 0,
      collect_incoming_data: (data: Buffer) => void given.push(data),
      found_terminator() {},
      handle_overflow() {},
    };
  };

  it.each<[string, encoded_terminator]>([
    ['bytes', Buffer.from('\n')],
    ['a list', [Buffer.from('\n'), Buffer.from('\r\n')]],
  ])('the last line’s beginning does not keep the chunk it came in: with %s', (_, terminator) => {
    const { given, ...rest } = consumer();
    const matcher = new terminator_matcher(rest);
    matcher.terminator = terminator;
    matcher.feed(Buffer.from(`${'spam\n'.repeat(10_000)}eggs`));
    expect(String(given.at(-1))).toBe('eggs');
    expect(given.at(-1)?.buffer.byteLength).toBe(4);
  });

  it('what may begin a terminator keeps no memory of others', () => {
    const { given, ...rest } = consumer();
    const matcher = new terminator_matcher(rest);
    matcher.terminator = Buffer.from('\r\n');
    matcher.feed(Buffer.from('spam\r'));
    matcher.feed(Buffer.from('eggs'));
    expect(given.map(String)).toEqual(['spam', '\reggs']);
  });

  it('what comes byte by byte during a pause is kept in few pieces', () => {
    const { given, ...rest } = consumer();
    const matcher = new terminator_matcher(rest);
    matcher.terminator = Buffer.from('\n');
    matcher.pause();
    const before = performance.now();
    const kept = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 500_000; i++) matcher.feed(Buffer.allocUnsafeSlow(1).fill('x'));
    expect(matcher.kept).toBe(500_000);
    expect(process.memoryUsage().arrayBuffers - kept).toBeLessThan(64e6);
    matcher.resume();
    expect(Buffer.concat(given).length).toBe(500_000);
    expect(performance.now() - before).toBeLessThan(20_000);
  });
});

it('a line that comes byte by byte is kept in four pieces', () => {
  class Chat extends async_chat {
    override collect_incoming_data(data: Buffer) {
      this._collect_incoming_data(data);
    }
  }
  const [ours, theirs] = socketpair();
  const chat = new Chat(ours, new Map());
  chat.set_terminator('\n');
  for (let i = 0; i < 1000; i++) {
    theirs.send(Buffer.from('x'));
    read(chat);
  }
  expect(chat.incoming).toHaveLength(4);
  expect(memory(chat.incoming)).toBeLessThan(4000);
  expect(chat._get_data()).toEqual(Buffer.alloc(1000, 'x'));
  expect(chat.incoming).toEqual([]);
  chat.close();
  theirs.close();
});
