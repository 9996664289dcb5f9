import { simple_producer } from '@asyncore/chat';
import { describe, expect, it } from 'vitest';

function pieces(producer: simple_producer): (string | Uint8Array)[] {
  const all: (string | Uint8Array)[] = [];
  for (let piece = producer.more(); piece.length > 0; piece = producer.more()) all.push(piece);
  return all;
}

describe('simple_producer', () => {
  it('gives pieces of buffer_size, then nothing', () => {
    expect(pieces(new simple_producer('hello world', 4))).toEqual(['hell', 'o wo', 'rld']);
    expect(pieces(new simple_producer(Buffer.from('hello'), 3))).toEqual([
      Buffer.from('hel'),
      Buffer.from('lo'),
    ]);
  });

  it('gives 512 bytes at a time unless told otherwise', () => {
    const sizes = pieces(new simple_producer(new Uint8Array(1300))).map(({ length }) => length);
    expect(sizes).toEqual([512, 512, 276]);
  });

  it('keeps what is left in data', () => {
    const producer = new simple_producer('abcdef', 4);
    producer.more();
    expect(producer.data).toBe('ef');
  });

  it.each([
    [1, ['a', '😀', 'b', '😀', '😀']],
    [2, ['a', '😀', 'b', '😀', '😀']],
    [3, ['a😀', 'b😀', '😀']],
    [4, ['a😀b', '😀😀']],
    [6, ['a😀b😀', '😀']],
    [8, ['a😀b😀😀']],
  ])('cuts no character in two: %d at a time', (size, expected) => {
    expect(pieces(new simple_producer('a😀b😀😀', size))).toEqual(expected);
  });

  it('passes halves of characters on as they are', () => {
    for (const text of ['\ud83d\ud83d\ude00', '\ude00\ud83d', '\ude00\ude00\ud83d\ud83d']) {
      for (const size of [1, 2, 3]) {
        expect(pieces(new simple_producer(text, size)).join('')).toBe(text);
      }
    }
  });

  it('copies nothing', () => {
    const data = new Uint8Array(8);
    expect(new simple_producer(data, 4).more().buffer).toBe(data.buffer);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %s as buffer_size', (size) => {
    expect(() => new simple_producer('x', size)).toThrow(RangeError);
  });

  it('refuses data that is neither bytes nor a string', () => {
    expect(() => new simple_producer(42 as unknown as string)).toThrow(TypeError);
  });
});
