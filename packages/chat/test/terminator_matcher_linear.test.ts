import { type Terminator, terminator_matcher } from '@asyncore/chat';
import { describe, expect, it } from 'vitest';

const KiB = 1024;
const MiB = 1024 * KiB;

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

function feed(terminator: Terminator, size: number, piece: Buffer, limit = 0): counter {
  const counted = new counter();
  counted.max_incoming = limit;
  const matcher = new terminator_matcher(counted);
  matcher.terminator = terminator;
  for (let fed = 0; fed < size; fed += piece.length) matcher.feed(piece);
  return counted;
}

/** The least of three, in ms: what the machine does besides takes time as well. */
function time(work: () => void): number {
  const times = [1, 2, 3].map(() => {
    const started = performance.now();
    work();
    return performance.now() - started;
  });
  return Math.min(...times);
}

const bytes = (text: string, times = 1) => Buffer.from(text.repeat(times));
const aaab = bytes(`${'a'.repeat(69)}b`);

describe('time', () => {
  // In pieces of 1 KiB, or of one byte.
  it.each<[string, Terminator, number, Buffer]>([
    ['8 MiB without terminator', bytes('\r\n'), 8 * MiB, Buffer.alloc(KiB, 'x')],
    ['8 MiB counted', 64 * MiB, 8 * MiB, Buffer.alloc(KiB, 'x')],
    ['half terminators', bytes('\r\n'), MiB, bytes(`${'x'.repeat(KiB - 1)}\r`)],
    ['terminators begun everywhere', aaab, MiB, Buffer.alloc(KiB, 'a')],
    ['several terminators begun everywhere', [aaab, bytes('aac')], MiB, Buffer.alloc(KiB, 'a')],
    ['nothing but terminators', bytes('\n'), MiB, Buffer.alloc(KiB, '\n')],
    ['single bytes', bytes('\r\n'), 128 * KiB, bytes('x')],
    ['single bytes, each half a terminator', bytes('\r\n'), 128 * KiB, bytes('\r')],
    ['single bytes that begin a long terminator', aaab, 128 * KiB, bytes('a')],
  ])(
    'doubles with the input: %s',
    (_, terminator, size, piece) => {
      feed(terminator, size, piece);
      const once = time(() => feed(terminator, size, piece));
      const twice = time(() => feed(terminator, 2 * size, piece));
      expect(twice).toBeLessThan(3 * once + 50);
    },
    60_000,
  );

  it.each<[string, Terminator]>([
    ['newlines', bytes('\n')],
    ['newlines, where another terminator never comes', [bytes('\n'), bytes('\r\n')]],
    ['newlines, which may be halves of a terminator', [bytes('\n'), bytes('\n\n')]],
  ])('is well below a second for 1 MiB of %s in one chunk', (_, terminator) => {
    const chunk = Buffer.alloc(MiB, '\n');
    const took = time(() => expect(feed(terminator, 1, chunk).found).toBeGreaterThan(MiB / 3));
    expect(took).toBeLessThan(1000);
  });

  it('doubles with the input past an overflow', () => {
    const piece = Buffer.alloc(KiB, 'x');
    feed(bytes('\r\n'), 8 * MiB, piece, 100);
    const once = time(() => feed(bytes('\r\n'), 8 * MiB, piece, 100));
    const twice = time(() => feed(bytes('\r\n'), 16 * MiB, piece, 100));
    expect(twice).toBeLessThan(3 * once + 50);
  });

  it('doubles with what came during a pause', () => {
    const paused = (pieces: number) => {
      const counted = new counter();
      const matcher = new terminator_matcher(counted);
      matcher.terminator = bytes('\n');
      matcher.pause();
      for (let fed = 0; fed < pieces; fed += 1) matcher.feed(aaab);
      matcher.resume();
      expect(counted.bytes).toBe(pieces * aaab.length);
    };
    paused(100_000);
    const once = time(() => paused(100_000));
    const twice = time(() => paused(200_000));
    expect(twice).toBeLessThan(3 * once + 50);
  });
});
