// In a process of its own: it measures what is collected.
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { type Producer, simple_producer } from '@asyncore/chat';
import { gc } from '@asyncore/test-support/collect';
import { describe, expect, it, vi } from 'vitest';
import { producer_fifo } from '../dist/producer_fifo.js';

/** A fifo that counts how often it was `ready`, and what can be pulled from it, waiting included. */
function filled(...items: (Uint8Array | Producer)[]) {
  const fifo = new producer_fifo(
    () => {
      filled.readies += 1;
      wake();
    },
    () => filled.encoding,
  );
  let wake = () => {};
  const filled = {
    fifo,
    readies: 0,
    encoding: null as BufferEncoding | null,
    async pulled(encoding: BufferEncoding | null = null): Promise<string[]> {
      filled.encoding = encoding;
      const all: string[] = [];
      for (;;) {
        const ready = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const bytes = fifo.pull();
        if (bytes === null) return all;
        if (bytes === 'wait') await ready;
        else all.push(Buffer.from(bytes).toString());
      }
    },
  };
  for (const item of items) fifo.push(item);
  return filled;
}

const b = (text: string) => Buffer.from(text);

/** Gives these, and counts how many it was asked for and whether it was ended. */
function counted(...pieces: string[]) {
  const counts = { asked: 0, ended: 0 };
  function* generate() {
    try {
      for (const piece of pieces) {
        counts.asked += 1;
        yield b(piece);
      }
    } finally {
      counts.ended += 1;
    }
  }
  async function* generateLater() {
    yield* generate();
  }
  return { counts, generate, generateLater };
}

function fail(): never {
  throw new Error('not to be read');
}

describe('producer_fifo', () => {
  it('gives bytes and what producers give in the order of the pushes', async () => {
    const { fifo, pulled } = filled(
      b('one'),
      new simple_producer(b('two three'), 4),
      [b('four'), b('five')],
      counted('six', 'seven').generateLater(),
      Readable.from([b('eight')]),
      b('nine'),
    );
    expect(fifo.length).toBe(6);
    const pieces = ['one', 'two ', 'thre', 'e', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
    expect(await pulled()).toEqual(pieces);
    expect(fifo.length).toBe(0);
    expect(fifo.pull()).toBe(null);
  });

  it('knows how many bytes were pushed that are not pulled', () => {
    const { fifo } = filled(b('one'), [b('two')], b('three'));
    expect(fifo.byteLength).toBe(8);
    fifo.pull();
    fifo.pull();
    expect(fifo.byteLength).toBe(5);
    fifo.pull();
    expect(fifo.byteLength).toBe(0);
    fifo.push(b('four'));
    expect(fifo.byteLength).toBe(4);
    fifo.end();
    expect(fifo.byteLength).toBe(0);
  });

  it('gives nothing when there is nothing', () => {
    expect(filled().fifo.pull()).toBe(null);
    expect(filled().fifo.length).toBe(0);
  });

  it('never gives an empty array', async () => {
    const { pulled } = filled(
      b(''),
      [b(''), b('a'), b(''), b('b')],
      counted('', 'c').generateLater(),
    );
    expect(await pulled()).toEqual(['a', 'b', 'c']);
  });

  it.each([[null], [undefined], [b('')], ['']])(
    'more() giving %j once is the end',
    async (nothing) => {
      const answers = [b('a'), nothing, b('never')];
      const { pulled } = filled({ more: () => answers.shift() }, b('after'));
      expect(await pulled()).toEqual(['a', 'after']);
      expect(answers).toEqual([b('never')]);
    },
  );

  it('asks for no piece before it is pulled', async () => {
    const now = counted('a', 'b');
    const { fifo } = filled(now.generate());
    expect(now.counts.asked).toBe(0);
    fifo.pull();
    expect(now.counts.asked).toBe(1);

    const later = counted('a', 'b');
    const waiting = filled(later.generateLater());
    expect(waiting.fifo.pull()).toBe('wait');
    await turn();
    expect(later.counts.asked).toBe(1);
  });

  it('says once when waiting is over, and asks once however often it is pulled', async () => {
    const { counts, generateLater } = counted('a', 'b');
    const { fifo, ...seen } = filled(generateLater());
    expect(fifo.waiting).toBe(false);
    expect([fifo.pull(), fifo.pull(), fifo.waiting]).toEqual(['wait', 'wait', true]);
    const { pulled } = seen;
    await turn();
    expect(fifo.waiting).toBe(false);
    expect(counts.asked).toBe(1);
    expect(await pulled()).toEqual(['a', 'b']);
  });

  it('takes any view for bytes, and strings where an encoding is given', async () => {
    const { buffer } = Uint8Array.of(65, 66, 67, 68);
    const views = [new DataView(buffer, 1, 2), new Uint16Array(buffer)];
    expect(await filled(views).pulled()).toEqual(['BC', 'ABCD']);
    expect(await filled(['wait', 'close', 'é']).pulled('utf8')).toEqual(['wait', 'close', 'é']);
    const latin1 = filled(new simple_producer('é'));
    latin1.encoding = 'latin1';
    expect(latin1.fifo.pull()).toEqual(Buffer.of(0xe9));
  });

  it.each([[undefined], ['text'], [42], [{}], [new Uint16Array(1)]])(
    'refuses %s at the push',
    (item) => {
      const { fifo } = filled();
      expect(() => fifo.push(item as unknown as Producer)).toThrow(TypeError);
      expect(fifo.length).toBe(0);
    },
  );

  it('lets go of what was pulled', async () => {
    const { fifo } = filled();
    const push = () => {
      const bytes = Buffer.alloc(1 << 16);
      fifo.push(bytes);
      return new WeakRef(bytes);
    };
    const [first, second] = [push(), push()];
    fifo.pull();
    await turn();
    gc();
    expect(first.deref()).toBe(undefined);
    expect(second.deref()).toBe(fifo.pull());
  });

  it('takes many small items in a moment', () => {
    const { fifo } = filled();
    const small = b('x');
    for (let at = 0; at < 300_000; at += 1) fifo.push(small);
    const started = performance.now();
    let pulled = 0;
    while (fifo.pull() !== null) pulled += 1;
    expect(performance.now() - started).toBeLessThan(1000);
    expect(pulled).toBe(300_000);
  });
});

describe('a producer that fails', () => {
  const failing: [string, () => Producer][] = [
    ['more() throws', () => ({ more: () => fail() })],
    ['a generator throws', () => failingGenerator()],
    ['an async generator rejects', () => failingLater()],
    [
      'a stream fails',
      () => new Readable({ read: (): void => {}, construct: (done) => done(mine) }),
    ],
    ['a producer gives a number', () => [42 as unknown as Uint8Array]],
    ['a producer gives a string without an encoding', () => ['text']],
  ];
  const mine = new Error('mine');
  const fail = (): never => {
    throw mine;
  };
  function* failingGenerator(): Generator<Uint8Array> {
    yield fail();
  }
  async function* failingLater(): AsyncGenerator<Uint8Array> {
    yield fail();
  }

  it.each(failing)(
    'throws from pull, once, and what comes behind it follows: %s',
    async (_, make) => {
      const { fifo, pulled } = filled(make(), b('after'));
      await expect(pulled()).rejects.toThrow(/^mine$|^a producer gave /);
      expect(await pulled()).toEqual(['after']);
      expect(fifo.length).toBe(0);
    },
  );

  it('is ended, once, when what it gave is no use', () => {
    const iterator = { next: () => ({ value: 'text' }), return: vi.fn() };
    const { fifo } = filled({ [Symbol.iterator]: () => iterator } as unknown as Producer);
    expect(() => fifo.pull()).toThrow('use_encoding');
    expect(iterator.return).toHaveBeenCalledOnce();
    fifo.end();
    expect(iterator.return).toHaveBeenCalledOnce();
  });

  it('may fail before its turn', async () => {
    const stream = new PassThrough();
    const { pulled } = filled(b('before'), stream);
    stream.destroy(mine);
    await turn();
    await expect(pulled()).rejects.toThrow('mine');
  });
});

describe('end', () => {
  it('returns from the generators, begun or not', async () => {
    const begun = counted('a', 'b');
    const begunLater = counted('a', 'b');
    const { fifo } = filled(begun.generate(), b('x'));
    fifo.pull();
    const later = filled(begunLater.generateLater());
    expect(later.fifo.pull()).toBe('wait');
    await turn();
    later.fifo.pull();
    fifo.end();
    later.fifo.end();
    await turn();
    expect(begun.counts).toEqual({ asked: 1, ended: 1 });
    expect(begunLater.counts).toEqual({ asked: 1, ended: 1 });
    expect([fifo.length, fifo.pull()]).toEqual([0, null]);

    const notBegun = { return: vi.fn(), next: vi.fn() };
    const other = filled(b('x'), { [Symbol.iterator]: () => notBegun });
    other.fifo.end();
    expect(notBegun.return).toHaveBeenCalledOnce();
  });

  it('leaves a producer that is at its end alone', () => {
    const iterator = { next: () => ({ done: true, value: undefined }), return: vi.fn() };
    const { fifo } = filled({ [Symbol.iterator]: () => iterator } as Iterable<Uint8Array>);
    expect(fifo.pull()).toBe(null);
    fifo.end();
    expect(iterator.return).not.toHaveBeenCalled();
  });

  it.each(['that has not begun', 'that has no data', 'that is half read'])(
    'destroys a stream %s',
    async (state) => {
      const stream = new PassThrough();
      const { fifo } = filled(stream);
      if (state === 'that is half read') stream.write('data');
      if (state !== 'that has not begun') fifo.pull();
      await turn();
      if (state === 'that is half read') expect(fifo.pull()).toEqual(b('data'));
      fifo.end();
      expect(stream.destroyed).toBe(true);
      await once(stream, 'close');
    },
  );

  it('is not followed by ready', async () => {
    const waiting = filled(counted('a').generateLater());
    waiting.fifo.pull();
    waiting.fifo.end();
    await turn();
    expect(waiting.readies).toBe(0);
  });

  it.each([
    ['a prototype that cannot be read', () => new Proxy({}, { getPrototypeOf: () => fail() })],
    ['a Proxy of an error', () => new Proxy(new Error('spam'), { get: () => fail() })],
    [
      'an error whose stack cannot be read',
      () => Object.defineProperty(new Error('spam'), 'stack', { get: () => fail() }),
    ],
    ['a text that cannot be made', () => ({ toString: () => fail() })],
    ['nothing', () => undefined],
  ])('warns of a return() that throws %s, and goes on', async (_, thrown) => {
    const warned = once(process, 'warning');
    const error = thrown();
    const { fifo } = filled({
      more: () => null,
      return: () => {
        throw error;
      },
    });
    fifo.end();
    expect((await warned)[0]).toBeInstanceOf(Error);
  });

  it('warns of a return() that throws or rejects', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const next = () => ({ done: false, value: b('a') });
    const thrower = () => {
      throw new Error('thrown');
    };
    const rejecter = async () => thrower();
    const { fifo } = filled(
      { [Symbol.iterator]: () => ({ next, return: thrower }) } as Iterable<Uint8Array>,
      { [Symbol.asyncIterator]: () => ({ next, return: rejecter }) } as unknown as Producer,
    );
    fifo.end();
    await turn();
    expect(warn.mock.calls.map(([error]) => String(error))).toEqual([
      'Error: thrown',
      'Error: thrown',
    ]);
    warn.mockRestore();
  });
});

describe('a producer that turns to its own channel', () => {
  it('may push, and gets what it pulls only when it has answered', async () => {
    const { fifo, pulled } = filled();
    const answers = [b('a'), b('b')];
    const seen: unknown[] = [];
    fifo.push({
      more() {
        fifo.push(b('pushed'));
        seen.push(fifo.pull());
        return answers.shift();
      },
    });
    expect(await pulled()).toEqual(['a', 'b', 'pushed', 'pushed', 'pushed']);
    expect(seen).toEqual(['wait', 'wait', 'wait']);
    expect(fifo.waiting).toBe(false);
  });

  it('may end everything, itself too, and begin anew', () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { fifo } = filled();
    let ended = 0;
    function* generate() {
      try {
        fifo.end();
        fifo.push(b('anew'));
        yield b('never');
      } finally {
        ended += 1;
      }
    }
    fifo.push(generate());
    fifo.push(b('behind'));
    expect([fifo.pull(), fifo.pull()]).toEqual([b('anew'), null]);
    expect(ended).toBe(1);
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});
