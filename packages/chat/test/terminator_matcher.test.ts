import type { encoded_terminator } from '@asyncore/chat';
import { describe, expect, it } from 'vitest';
import { b, chunkings, trace } from './trace.js';

/** Feeds the text whole, cut everywhere in two, and byte by byte: the same is to come of each. */
function expectAlways(
  terminator: encoded_terminator,
  text: string,
  events: string[],
  prepare: (traced: trace) => void = () => {},
): void {
  for (const chunks of chunkings(text)) {
    const traced = new trace(terminator);
    prepare(traced);
    traced.feed(...chunks);
    expect(traced.joined, JSON.stringify(chunks)).toEqual(events);
  }
}

/** Sets these terminators one after another, each when the one before it was found. */
function then(...terminators: encoded_terminator[]): (traced: trace) => void {
  return (traced) => {
    const left = [...terminators];
    traced.on_found = () => {
      const next = left.shift();
      if (next !== undefined) traced.matcher.terminator = next;
    };
  };
}

describe('a terminator of bytes', () => {
  it.each([
    ['\n', 'one\ntwo\nthr', ['data:one', 'found', 'data:two', 'found', 'data:thr']],
    ['\r\n', 'one\r\ntwo\r\n', ['data:one', 'found', 'data:two', 'found']],
    ['qqq', 'oneqqqtwoqqqqq', ['data:one', 'found', 'data:two', 'found']],
    ['\r\n', '\r\n\r\nx\r\n', ['found', 'found', 'data:x', 'found']],
    ['\r\n', 'a\rb\nc\r\r\n', ['data:a\rb\nc\r', 'found']],
    ['\r\n.\r\n', 'a\r\n.b\r\n\r\n.\r\nc', ['data:a\r\n.b\r\n', 'found', 'data:c']],
    ['aab', 'aaaab', ['data:aa', 'found']],
    ['abab', 'abaabab', ['data:aba', 'found']],
    ['abcabd', 'abcabcabd', ['data:abc', 'found']],
  ])('%j divides %j', (terminator, text, events) => {
    expectAlways(b(terminator), text, events);
  });

  it('holds back what may be its beginning, and nothing more', () => {
    const traced = new trace(b('\r\n.\r\n')).feed('data\r\n.');
    expect(traced.events).toEqual(['data:data']);
    expect(traced.matcher.kept).toBe(3);
    traced.feed('x');
    expect(traced.events).toEqual(['data:data', 'data:\r\n.x']);
    expect(traced.matcher.kept).toBe(0);
  });

  it('is found at any distance from the start of a chunk', () => {
    for (let distance = 0; distance < 100; distance += 1) {
      const traced = new trace(b('\r\n')).feed(`${'x'.repeat(distance)}\r\nrest`);
      expect(traced.events.at(-2)).toBe('found');
      expect(traced.events.at(-1)).toBe('data:rest');
    }
  });
});

describe('a number as terminator', () => {
  it('counts down, fires, and is then 0, which collects everything', () => {
    const traced = new trace(5);
    traced.feed('ab');
    expect(traced.matcher.terminator).toBe(3);
    traced.feed('cd');
    expect(traced.matcher.terminator).toBe(1);
    traced.feed('ef');
    expect(traced.matcher.terminator).toBe(0);
    expect(traced.events).toEqual(['data:ab', 'data:cd', 'data:e', 'found', 'data:f']);
  });

  it('is 0 when its end is told', () => {
    const traced = new trace(2);
    const seen: encoded_terminator[] = [];
    traced.on_found = () => seen.push(traced.matcher.terminator);
    traced.feed('abc');
    expect(seen).toEqual([0]);
  });

  it('takes as many bytes, whatever they are', () => {
    expectAlways(4, 'a\r\n\0b', ['data:a\r\n\0', 'found', 'data:b']);
  });
});

describe('no terminator', () => {
  it.each([[null], [0], [b('')], [[]]])('(%j) collects everything', (terminator) => {
    expectAlways(terminator, 'a\r\nb', ['data:a\r\nb']);
    expect(new trace(terminator).matcher.terminator).toBe(terminator);
  });
});

describe('a list of terminators', () => {
  it.each([
    [
      ['\r\n', '\n'],
      'a\r\nb\nc\r\r\n',
      ['data:a', 'found', 'data:b', 'found', 'data:c\r', 'found'],
    ],
    [['end', 'stop'], 'astopbendc', ['data:a', 'found', 'data:b', 'found', 'data:c']],
    [['aab', 'ab'], 'xaab', ['data:x', 'found']],
    [['b', 'bc', 'bcd'], 'abcdbcbe', ['data:a', 'found', 'found', 'found', 'data:e']],
    [['b', 'bcd'], 'abcbcd', ['data:a', 'found', 'data:c', 'found']],
    [['\n', '\n\n'], 'a\n\n\nb\nc', ['data:a', 'found', 'found', 'data:b', 'found', 'data:c']],
    [['\n', '\n\n\n'], 'a\n\nb\n\n\nc', ['data:a', 'found', 'found', 'data:b', 'found', 'data:c']],
    [['\r', '\n', '\r\n'], 'a\rb\nc\r\n\n\r', 'a b c - -'],
    [['abcd', 'bc'], 'xabcdxabcx', ['data:x', 'found', 'data:xa', 'found', 'data:x']],
    [['x'], 'axb', ['data:a', 'found', 'data:b']],
  ])('%j divides %j', (terminators, text, events) => {
    const expected =
      typeof events === 'string'
        ? events
            .split(' ')
            .flatMap((line) => (line === '-' ? ['found'] : [`data:${line}`, 'found']))
        : events;
    expectAlways(terminators.map(b), text, expected);
    expectAlways(terminators.toReversed().map(b), text, expected);
  });

  it('does not wait for the longer of two when the shorter ends the line', () => {
    const traced = new trace([b('\r'), b('\r\n')]).feed('a\r');
    expect(traced.events).toEqual(['data:a', 'found']);
    traced.feed('\n');
    expect(traced.events).toEqual(['data:a', 'found']);
    expect(traced.matcher.kept).toBe(0);
    traced.feed('\n\r');
    expect(traced.events).toEqual(['data:a', 'found', 'data:\n', 'found']);
  });

  it('passes the rest of a terminator even when another has been set at its beginning', () => {
    expectAlways(
      [b('\r'), b('\r\n')],
      'a\r\nxyz',
      ['data:a', 'found', 'data:xy', 'found', 'data:z'],
      then(2),
    );
  });

  it('holds back what may be the beginning of any', () => {
    const traced = new trace([b('\n'), b('\r\n.\r\n')]).feed('a\r');
    expect(traced.events).toEqual(['data:a']);
    expect(traced.matcher.kept).toBe(1);
  });

  it('is what the terminator gives back', () => {
    const list = [b('\r'), b('\n')];
    expect(new trace(list).matcher.terminator).toBe(list);
  });
});

describe('a terminator set in found_terminator', () => {
  it('applies to what is already buffered', () => {
    expectAlways(
      b('\n'),
      '5\nhello6\r\nworld!\n\nrest',
      ['data:5', 'found', 'data:hello', 'found', 'data:6', 'found', 'data:world!\n\nrest'],
      then(5, b('\r\n'), null),
    );
  });

  it('applies to what was held back for the old one', () => {
    const traced = new trace(b('\r\n')).feed('a\r');
    traced.matcher.terminator = b('\rx');
    traced.feed('x');
    expect(traced.events).toEqual(['data:a', 'found']);
  });
});

describe('a terminator set in collect_incoming_data', () => {
  it('holds from behind the terminator that was found at the end of those data', () => {
    const traced = new trace(b('\n'));
    traced.on_data = () => {
      traced.matcher.terminator = b(';');
    };
    expect(traced.feed('a\nb;c').events).toEqual(['data:a', 'found', 'data:b', 'found', 'data:c']);
  });

  it('is not counted down by the data it was set for', () => {
    const traced = new trace(10);
    traced.on_data = () => {
      traced.on_data = () => {};
      traced.matcher.terminator = 3;
    };
    expect(traced.feed('ab', 'cdef').events).toEqual(['data:ab', 'data:cde', 'found', 'data:f']);
  });

  it('applies at once to what was held back behind them', () => {
    const traced = new trace(b('\r\n'));
    traced.on_data = () => {
      traced.on_data = () => {};
      traced.matcher.terminator = b('\r');
    };
    expect(traced.feed('a\r').events).toEqual(['data:a', 'found']);
  });
});

describe('from within the consumer', () => {
  const lines = 'one\ntwo\nthree\n';

  it('reset in found_terminator stops at once', () => {
    const traced = new trace(b('\n'));
    traced.on_found = () => traced.matcher.reset();
    traced.feed(lines);
    expect(traced.events).toEqual(['data:one', 'found']);
    expect(traced.matcher.kept).toBe(0);
  });

  it('reset in collect_incoming_data leaves the terminator unreported', () => {
    const traced = new trace(b('\n'));
    traced.on_data = () => traced.matcher.reset();
    expect(traced.feed(lines).events).toEqual(['data:one']);
    traced.on_data = () => {};
    expect(traced.feed('next\n').events).toEqual(['data:one', 'data:next', 'found']);
  });

  it('discard drops what is buffered, yet the terminator found is reported', () => {
    const traced = new trace(b('\n'));
    traced.on_data = () => traced.matcher.discard();
    expect(traced.feed(lines, 'four\n').events).toEqual([
      'data:one',
      'found',
      'data:four',
      'found',
    ]);
  });

  it('pause in found_terminator keeps the rest for resume', () => {
    const traced = new trace(b('\n'));
    traced.on_found = () => traced.matcher.pause();
    traced.feed('one\ntwo\nth', 'ree\n');
    expect(traced.events).toEqual(['data:one', 'found']);
    expect(traced.matcher.kept).toBe(10);
    traced.matcher.resume();
    expect(traced.events.slice(2)).toEqual(['data:two', 'found']);
    traced.on_found = () => {};
    traced.matcher.resume();
    expect(traced.joined.slice(4)).toEqual(['data:three', 'found']);
    expect(traced.matcher.kept).toBe(0);
  });

  it('pause in collect_incoming_data reports the terminator after resume', () => {
    const traced = new trace(b('\n'));
    traced.on_data = () => traced.matcher.pause();
    expect(traced.feed('one\ntwo').events).toEqual(['data:one']);
    traced.matcher.resume();
    expect(traced.events).toEqual(['data:one', 'found', 'data:two']);
  });

  it('pause and resume in one handler changes nothing', () => {
    const traced = new trace(b('\n'));
    traced.on_found = () => {
      const { length } = traced.events;
      traced.matcher.pause();
      traced.matcher.resume();
      expect(traced.events.length).toBe(length);
    };
    expect(traced.feed('a\nb\n').events).toEqual(['data:a', 'found', 'data:b', 'found']);
  });

  it.each(['on_data', 'on_found'] as const)(
    'feed in %s comes behind what is buffered',
    (handler) => {
      const traced = new trace(b('\n'));
      traced[handler] = () => {
        traced[handler] = () => {};
        traced.feed('fed\n');
      };
      traced.feed('a\nb\nc');
      expect(traced.joined).toEqual(['data:a', 'found', 'data:b', 'found', 'data:cfed', 'found']);
    },
  );

  it('an error leaves feed, and the next feed goes on behind it', () => {
    const traced = new trace(b('\n'));
    traced.on_found = () => {
      traced.on_found = () => {};
      throw new Error('mine');
    };
    expect(() => traced.feed('a\nb\nc')).toThrow('mine');
    expect(traced.events).toEqual(['data:a', 'found']);
    traced.feed('d\n');
    expect(traced.joined.slice(2)).toEqual(['data:b', 'found', 'data:cd', 'found']);
  });

  it('resume after an error goes on without new bytes', () => {
    const traced = new trace(b('\n'));
    traced.on_data = () => {
      traced.on_data = () => {};
      throw new Error('mine');
    };
    expect(() => traced.feed('a\nb\n')).toThrow('mine');
    traced.matcher.resume();
    expect(traced.events).toEqual(['data:a', 'found', 'data:b', 'found']);
  });
});

describe('discard and reset', () => {
  it('discard forgets what was held back', () => {
    const traced = new trace(b('\r\n')).feed('a\r');
    traced.matcher.discard();
    expect(traced.feed('\nb\r\n').joined).toEqual(['data:a\nb', 'found']);
  });

  it('reset forgets the rest of a terminator, and discard too if it dropped what came next', () => {
    const list = [b('\r'), b('\r\n')];
    const after = new trace(list).feed('a\r');
    after.matcher.reset();
    expect(after.feed('\n\r').events.slice(2)).toEqual(['data:\n', 'found']);

    const before = new trace(list).feed('a\r');
    before.matcher.discard();
    expect(before.feed('\n\r').events.slice(2)).toEqual(['found']);

    const within = new trace(list);
    within.on_found = () => within.matcher.discard();
    expect(within.feed('a\rb', '\n\r').events).toEqual(['data:a', 'found', 'data:\n', 'found']);
  });

  it('discard forgets a terminator that waits to be a longer one', () => {
    const traced = new trace([b('\n'), b('\n\n\n')]).feed('a\n\n');
    expect(traced.matcher.kept).toBe(1);
    traced.matcher.discard();
    expect(traced.feed('\n\nb').events).toEqual(['data:a', 'found', 'found', 'found', 'data:b']);
  });

  it.each(['discard', 'reset'] as const)('%s drops what came during a pause', (method) => {
    const traced = new trace(b('\n'));
    traced.matcher.pause();
    traced.feed('a\n', 'b\n');
    expect(traced.matcher.kept).toBe(4);
    traced.matcher[method]();
    expect(traced.matcher.kept).toBe(0);
    traced.matcher.resume();
    expect(traced.events).toEqual([]);
  });

  it('reset ends a pause and an overflow', () => {
    const traced = new trace(b('\n'));
    traced.max_incoming = 2;
    traced.on_overflow = () => traced.matcher.pause();
    traced.feed('abc\n');
    traced.matcher.reset();
    expect(traced.feed('d\n').events).toEqual(['data:ab', 'overflow', 'data:d', 'found']);
  });
});

describe('max_incoming', () => {
  const limit = (bytes: number) => (traced: trace) => {
    traced.max_incoming = bytes;
  };

  it('lets as many bytes through, and not one more', () => {
    expectAlways(b('\r\n'), 'abcd\r\nx', ['data:abcd', 'found', 'data:x'], limit(4));
    expectAlways(
      b('\r\n'),
      'abcde\r\nx\r\n',
      ['data:abcd', 'overflow', 'data:x', 'found'],
      limit(4),
    );
  });

  it.each([-1, Number.NaN])('is refused when it is %s', (wrong) => {
    const traced = new trace(b('\n'));
    traced.max_incoming = wrong;
    expect(() => traced.feed('a')).toThrow('max_incoming must be a number of bytes');
  });

  it('does not count what may be a terminator until it is none', () => {
    const traced = new trace(b('\r\n'));
    traced.max_incoming = 2;
    expect(traced.feed('ab\r').events).toEqual(['data:ab']);
    expect(traced.feed('c').events).toEqual(['data:ab', 'overflow']);
  });

  it('counts from the last terminator', () => {
    expectAlways(
      b('\n'),
      'abc\nabc\nabc\n',
      ['data:abc', 'found', 'data:abc', 'found', 'data:abc', 'found'],
      limit(3),
    );
  });

  it('overflows once for each line that is too long, and is back in step behind it', () => {
    expectAlways(
      b('\n'),
      'long line\nok\nlonger line\n\nok\n',
      [
        'data:lon',
        'overflow',
        'data:ok',
        'found',
        'data:lon',
        'overflow',
        'found',
        'data:ok',
        'found',
      ],
      limit(3),
    );
  });

  it('discards the rest of a number, then goes on with the terminator set in handle_overflow', () => {
    expectAlways(
      8,
      '12345678a\nb\n',
      ['data:123', 'overflow', 'data:a', 'found', 'data:b', 'found'],
      (traced) => {
        traced.max_incoming = 3;
        traced.on_overflow = () => {
          expect(traced.matcher.terminator).toBe(0);
          traced.matcher.terminator = b('\n');
        };
      },
    );
  });

  it('discards up to the old terminator when a new one is set in handle_overflow', () => {
    expectAlways(
      b('\r\n.\r\n'),
      'a mail\r\nRCPT\r\n.\r\nQUIT\r\n',
      ['data:a m', 'overflow', 'data:QUI', 'overflow'],
      (traced) => {
        traced.max_incoming = 3;
        traced.on_overflow = () => {
          traced.matcher.terminator = b('\r\n');
        };
      },
    );
  });

  it('holds for a list, and discards the longest terminator', () => {
    expectAlways(
      [b('\r'), b('\r\n')],
      'abcd\r\nx\r\nabcd\r\n\r',
      ['data:abc', 'overflow', 'data:x', 'found', 'data:abc', 'overflow', 'found'],
      limit(3),
    );
  });

  it('lets everything through while no terminator is set', () => {
    expectAlways(null, 'abcdef', ['data:abcdef'], limit(2));
    expectAlways(2, 'abcdef', ['data:ab', 'found', 'data:cdef'], limit(2));
  });

  it('does not count what came while no terminator was set', () => {
    const traced = new trace(null);
    traced.max_incoming = 2;
    traced.feed('abcdef');
    traced.matcher.terminator = b('\n');
    expect(traced.feed('gh\n').events).toEqual(['data:abcdef', 'data:gh', 'found']);
  });

  it('may be changed at any time', () => {
    const traced = new trace(b('\n'));
    traced.max_incoming = 2;
    traced.on_found = () => {
      traced.max_incoming = 4;
    };
    expect(traced.feed('ab\nabcd\nabcde\n').events).toEqual([
      'data:ab',
      'found',
      'data:abcd',
      'found',
      'data:abcd',
      'overflow',
    ]);
    traced.max_incoming = 0;
    expect(traced.feed('abcdefgh').events.at(-1)).toBe('data:abcdefgh');
  });

  it('starts counting anew after discard, but still discards an over-long line to its end', () => {
    const traced = new trace(b('\n'));
    traced.max_incoming = 3;
    traced.feed('abc');
    traced.matcher.discard();
    expect(traced.feed('abc\n').events).toEqual(['data:abc', 'data:abc', 'found']);

    traced.on_overflow = () => traced.matcher.discard();
    traced.feed('abcdef', 'ghi\nok\n');
    expect(traced.events.slice(3)).toEqual(['data:abc', 'overflow', 'data:ok', 'found']);
  });

  it('overflows after a pause in the data before it', () => {
    const traced = new trace(b('\n'));
    traced.max_incoming = 2;
    traced.on_data = () => traced.matcher.pause();
    expect(traced.feed('abcd\n').events).toEqual(['data:ab']);
    traced.matcher.resume();
    expect(traced.events).toEqual(['data:ab', 'overflow']);
  });

  it('stops when reset in handle_overflow', () => {
    const traced = new trace(b('\n'));
    traced.max_incoming = 2;
    traced.on_overflow = () => traced.matcher.reset();
    expect(traced.feed('abcd\nef\n').events).toEqual(['data:ab', 'overflow']);
  });
});

describe('a terminator that is none', () => {
  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('(%s) is a RangeError', (term) => {
    expect(() => new trace(term)).toThrow(/^term must be a whole number of bytes, 0 or more: got /);
    expect(() => new trace(term)).toThrow(RangeError);
  });

  it.each([
    [5n],
    ['\n'],
    [{}],
    [true],
    [undefined],
    [[b('\n'), '']],
    [['\n']],
    [[b('\n'), 5]],
    [[b('')]],
  ])('(%s) is a TypeError', (term) => {
    const traced = new trace(b('x'));
    expect(() => {
      traced.matcher.terminator = term as encoded_terminator;
    }).toThrow(TypeError);
    expect(traced.matcher.terminator).toEqual(b('x'));
  });
});

describe('what is handed on', () => {
  it('is a view of the chunk, unless held-back bytes had to be joined to it', () => {
    const traced = new trace(b('\r\n'));
    const chunk = Buffer.alloc(64, 'one\r\ntwo\r\n');
    traced.matcher.feed(chunk);
    for (const piece of traced.pieces) expect(piece.buffer).toBe(chunk.buffer);
    expect(traced.pieces.length).toBeGreaterThan(10);
  });

  it('is a Buffer though the chunk be any Uint8Array', () => {
    const traced = new trace();
    traced.matcher.feed(new Uint8Array([65, 66, 67]).subarray(1));
    expect(traced.events).toEqual(['data:BC']);
    expect(Buffer.isBuffer(traced.pieces[0])).toBe(true);
  });

  it('does not keep a chunk in memory for the few bytes held back', () => {
    const traced = new trace(b('\r\n'));
    traced.matcher.feed(Buffer.alloc(1 << 20, '\r'));
    const { buffer } = traced.matcher as unknown as { buffer: Buffer };
    expect(buffer.buffer.byteLength).toBe(1);
  });
});
