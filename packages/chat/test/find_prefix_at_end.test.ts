import { find_prefix_at_end } from '@asyncore/chat';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('find_prefix_at_end', () => {
  it.each([
    ['qwerty\r', '\r\n', 1],
    ['qwertydkjf', '\r\n', 0],
    ['data\r\n.', '\r\n.\r\n', 3],
    ['data\r\n.\r', '\r\n.\r\n', 4],
    ['\r\n\r', '\r\n.\r\n', 1],
    ['\r', '\r\n', 1],
    ['', '\r\n', 0],
    ['abc', '', 0],
    ['abc', 'c', 0],
    ['aab', 'aaab', 0],
    ['baa', 'aaab', 2],
    ['xabab', 'ababac', 4],
    ['ababab', 'ababac', 4],
  ])('of %j and %j is %i, for strings and for bytes', (haystack, needle, length) => {
    expect(find_prefix_at_end(haystack, needle)).toBe(length);
    expect(find_prefix_at_end(Buffer.from(haystack), Buffer.from(needle))).toBe(length);
  });

  it('is the length of the longest prefix that the haystack ends with', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 16 });
    fc.assert(
      fc.property(text, text, text, (haystack, start, end) => {
        // Most needles shall begin as the haystack ends.
        const needle = `${haystack.slice(-3)}${start}${haystack.slice(-2)}${end}`;
        let length = Math.max(needle.length - 1, 0);
        while (length > 0 && !haystack.endsWith(needle.slice(0, length))) length -= 1;
        expect(find_prefix_at_end(haystack, needle)).toBe(length);
      }),
      { numRuns: 2000 },
    );
  });

  it('stays quick with a long needle that repeats itself', () => {
    const needle = `${'a'.repeat(1 << 20)}b`;
    const started = performance.now();
    expect(find_prefix_at_end('a'.repeat(1 << 20), needle)).toBe(1 << 20);
    expect(find_prefix_at_end(`${'a'.repeat(1 << 19)}c`, needle)).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000); // minutes, if it is not linear
  });
});
