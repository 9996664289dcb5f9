// In a process of its own: V8 counts the steps of what is compiled after it began.
import type { encoded_terminator } from '@asyncore/chat';
import { describe, expect, it } from 'vitest';
import { steps } from './steps.js';

// Not before steps.js, which counts in what is compiled from then on.
const { terminator_matcher } = await import('@asyncore/chat');

const KiB = 1024;

class counter {
  max_incoming = 0;
  bytes = 0;
  found = 0;

  collect_incoming_data(data: Buffer): void {
    this.bytes += data.length;
  }

  found_terminator(): void {
    this.found += 1;
  }

  handle_overflow(): void {}
}

function feed(terminator: encoded_terminator, size: number, piece: Buffer, limit = 0): counter {
  const counted = new counter();
  counted.max_incoming = limit;
  const matcher = new terminator_matcher(counted);
  matcher.terminator = terminator;
  for (let fed = 0; fed < size; fed += piece.length) matcher.feed(piece);
  return counted;
}

const bytes = (text: string, times = 1) => Buffer.from(text.repeat(times));
const aaab = bytes(`${'a'.repeat(69)}b`);

/** Eight times as much takes eight times the steps: with the square of it, 64. */
function expectLinear(work: (times: number) => void): void {
  const few = steps(() => work(1));
  expect(few).toBeGreaterThan(100);
  expect(steps(() => work(8)) / few).toBeLessThan(8.5);
}

describe('steps', () => {
  // In pieces of 1 KiB, or of one byte.
  it.each<[string, encoded_terminator, number, Buffer]>([
    ['1 MiB without terminator', bytes('\r\n'), 128 * KiB, Buffer.alloc(KiB, 'x')],
    ['1 MiB counted', 64 * KiB * KiB, 128 * KiB, Buffer.alloc(KiB, 'x')],
    ['half terminators', bytes('\r\n'), 32 * KiB, bytes(`${'x'.repeat(KiB - 1)}\r`)],
    ['terminators begun everywhere', aaab, 32 * KiB, Buffer.alloc(KiB, 'a')],
    ['several terminators begun everywhere', [aaab, bytes('aac')], 8 * KiB, Buffer.alloc(KiB, 'a')],
    ['nothing but terminators', bytes('\n'), 32 * KiB, Buffer.alloc(KiB, '\n')],
    ['single bytes', bytes('\r\n'), 4 * KiB, bytes('x')],
    ['single bytes, each half a terminator', bytes('\r\n'), 4 * KiB, bytes('\r')],
    ['single bytes that begin a long terminator', aaab, 4 * KiB, bytes('a')],
  ])('grow with the input: %s', (_, terminator, size, piece) => {
    expectLinear((times) => feed(terminator, times * size, piece));
  });

  it.each<[string, encoded_terminator]>([
    ['newlines', bytes('\n')],
    ['newlines, where another terminator never comes', [bytes('\n'), bytes('\r\n')]],
    ['newlines, which may be halves of a terminator', [bytes('\n'), bytes('\n\n')]],
  ])('grow with one chunk of %s', (_, terminator) => {
    expectLinear((times) => {
      const size = times * 16 * KiB;
      const { found } = feed(terminator, 1, Buffer.alloc(size, '\n'));
      expect(found).toBeGreaterThan(size / 3);
    });
  });

  it('are few for each byte past an overflow', () => {
    const past = (size: number) => feed(bytes('\r\n'), size, Buffer.alloc(KiB, 'x'), 100);
    expectLinear((times) => past(times * 128 * KiB));
    expect(steps(() => past(1024 * KiB))).toBeLessThan(2 * 1024 * KiB);
  });

  it('grow with what came during a pause', () => {
    expectLinear((times) => {
      const counted = new counter();
      const matcher = new terminator_matcher(counted);
      matcher.terminator = bytes('\n');
      matcher.pause();
      for (let fed = 0; fed < times * 1000; fed += 1) matcher.feed(aaab);
      matcher.resume();
      expect(counted.bytes).toBe(times * 1000 * aaab.length);
    });
  });
});
