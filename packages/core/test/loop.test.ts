/** The loop: how it is called, how long it runs, which maps it serves. */
import { inspect } from 'node:util';
import {
  type channel,
  type channel_map,
  close_all,
  dispatcher,
  ExitNow,
  loop,
  type loop_options,
  poll,
  poll2,
  poll3,
  socket_map,
} from '@asyncore/core';
import { AF_UNIX, SOCK_DGRAM, type Socket, socketpair } from '@asyncore/socket';
import { describe, expect, it, vi } from 'vitest';
import { connection, duck, onEveryPoller, own, Recorder, Stage } from './support.js';

const hello = Buffer.from('hello');

/** Says `write` on every pass. */
class Writer extends Recorder {
  override handle_write(): void {
    this.stage.say('write');
  }
}

describe('calling loop', () => {
  it('takes the arguments in Python’s order or by name', async () => {
    const stage = new Stage();
    new Writer(stage, connection()[0]);
    await loop(0, true, stage.map, 2);
    await loop({ map: stage.map, count: 2, use_poll: true, timeout: 0 });
    expect(stage.trace.length).toBe(4);
  });

  it('serves socket_map unless told otherwise', async () => {
    const [ours, theirs] = connection();
    const channel = own(new dispatcher(ours));
    channel.handle_read = () => channel.close();
    theirs.send(hello);
    expect([...socket_map.values()]).toEqual([channel]);
    await loop();
    expect(socket_map.size).toBe(0);
  });

  it('takes null for what is left out', async () => {
    const channel = own(new dispatcher(connection()[0]));
    setTimeout(() => channel.close());
    await loop(null, null, null, null);
    await loop({ timeout: null, use_poll: null, map: null, count: null, signal: null });
  });

  it.each([
    [{ timeout: -1 }, RangeError, 'timeout'],
    [{ timeout: NaN }, RangeError, 'timeout'],
    [{ timeout: '1' }, Error, 'timeout'],
    [{ use_poll: 1 }, TypeError, 'use_poll'],
    [{ map: {} }, TypeError, 'map'],
    [{ map: [] }, TypeError, 'map'],
    [{ count: -1 }, RangeError, 'count'],
    [{ count: 1.5 }, RangeError, 'count'],
    [{ count: '1' }, Error, 'count'],
    [{ signal: {} }, TypeError, 'signal'],
  ])('refuses %o', async (options, type, name) => {
    const stage = new Stage();
    new Writer(stage, connection()[0]);
    const wrong = loop({ map: stage.map, ...options } as loop_options);
    await expect(wrong).rejects.toThrow(type);
    await expect(wrong).rejects.toThrow(`loop: ${name}`);
    expect(stage.trace).toEqual([]);
  });
});

onEveryPoller((use_poll) => {
  describe('count', () => {
    it.each([0, 1, 7])('does %i passes', async (count) => {
      const stage = new Stage(use_poll);
      new Writer(stage, connection()[0]);
      await stage.loop({ count });
      expect(stage.trace.length).toBe(count);
    });

    it('counts passes in which nothing was ready', async () => {
      const stage = new Stage(use_poll);
      new Recorder(stage, connection()[0]);
      await stage.loop({ timeout: 0, count: 100 });
      await stage.loop({ timeout: 0.001, count: 5 });
    });

    it('ends sooner when the map is empty', async () => {
      const stage = new Stage(use_poll);
      const channel = new Writer(stage, connection()[0]);
      channel.handle_write = () => channel.close();
      await stage.loop({ count: 100 });
    });
  });

  describe('timeout', () => {
    it('ends a pass in which nothing is ready', async () => {
      const stage = new Stage(use_poll);
      new Recorder(stage, connection()[0]);
      const start = performance.now();
      await stage.loop({ timeout: 0.05, count: 2 });
      expect(performance.now() - start).toBeGreaterThan(95);
    });

    it('does not hold up a pass in which something is', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Recorder(stage, ours);
      theirs.send(hello);
      await stage.loop({ timeout: 60, count: 1 });
      expect(stage.trace).toEqual(['read 5']);
    });

    it.each([null, Infinity, 1e9])('%s is for as long as it takes', async (timeout) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Recorder(stage, ours);
      setTimeout(() => theirs.send(hello), 20);
      await stage.loop({ timeout, count: 1 });
      expect(stage.trace).toEqual(['read 5']);
    });
  });

  describe('the map', () => {
    it('is served until it is empty', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Recorder(stage, ours);
      theirs.send(hello);
      theirs.close();
      await stage.loop();
      expect(stage.trace).toEqual(['read 5', 'close']);
    });

    it('that is empty from the start ends the loop at once', async () => {
      await new Stage(use_poll).loop();
    });

    it.each(['delete', 'clear', 'close', 'close_all'])(
      'emptied by %s in a timer ends the loop at once',
      async (how) => {
        const stage = new Stage(use_poll);
        const channel = new Recorder(stage, own(connection()[0]));
        const { map } = stage;
        const empty = {
          delete: () => map.delete(channel.fileno()),
          clear: () => map.clear(),
          close: () => channel.close(),
          close_all: () => close_all(map),
        }[how];
        setTimeout(empty ?? (() => {}), 5);
        await stage.loop({ timeout: 60 });
        expect(stage.trace).toEqual([]);
      },
    );

    it.each([-1, 2 ** 31 - 1])('tells a channel that %d is no descriptor', async (number) => {
      const stage = new Stage(use_poll);
      const told = () => stage.say('told');
      stage.map.set(number, duck({ handle_error: told, handle_close: told }));
      await stage.until('told');
      setTimeout(() => stage.map.clear());
      await stage.loop();
      expect(stage.count('told')).toBeLessThanOrEqual(2);
    });

    it('emptied and filled again in one go is served on', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const [others] = connection();
      const channel = new Recorder(stage, others);
      setTimeout(() => {
        channel.close();
        new Recorder(stage, ours);
        theirs.send(hello);
      });
      await stage.until('read 5');
    });

    it.each(['a timer', 'a handler'])('takes a new channel at once, from %s', async (where) => {
      const stage = new Stage(use_poll);
      const [first, peer] = connection();
      const [second, theirs] = connection();
      const add = () => {
        new Recorder(stage, second);
        theirs.send(Buffer.alloc(10));
      };
      const channel = new Recorder(stage, first);
      channel.handle_read = () => {
        channel.recv(10);
        add();
      };
      if (where === 'a timer') setTimeout(add, 5);
      else peer.send(hello);
      await stage.until('read 10');
    });

    it.each(['a timer', 'a handler'])('lets a channel go at once, from %s', async (where) => {
      const stage = new Stage(use_poll);
      const [first, peer] = connection();
      const [second, theirs] = connection();
      const other = new Recorder(stage, own(second));
      const remove = () => {
        stage.map.delete(other.fileno());
        theirs.send(hello);
        stage.say('removed');
      };
      const channel = new Recorder(stage, first);
      channel.handle_read = () => {
        channel.recv(10);
        remove();
      };
      if (where === 'a timer') setTimeout(remove, 5);
      else peer.send(hello);
      await stage.until('removed');
      await stage.passes();
      expect(stage.trace).toEqual(['removed']);
    });

    it('serves the object that was put in another’s place', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      const object = duck({ handle_read_event: () => stage.say(`duck ${ours.recv(10)}`) });
      setTimeout(() => {
        stage.map.set(channel.fileno(), object);
        theirs.send(hello);
      });
      await stage.until('duck hello');
      stage.map.set(channel.fileno(), channel);
      theirs.send(hello);
      await stage.until('read 5');
    });

    it('is changed through the methods of its class', async () => {
      const stage = new Stage(use_poll);
      class Logged extends Map<number, channel> {
        override set(fd: number, channel: channel): this {
          stage.say('set');
          return super.set(fd, channel);
        }
        override delete(fd: number): boolean {
          stage.say('delete');
          return super.delete(fd);
        }
        override clear(): void {
          stage.say('clear');
          super.clear();
        }
      }
      const map = new Logged();
      const [first, second] = socketpair();
      const channel = new dispatcher(first, map);
      setTimeout(() => {
        new dispatcher(own(second), map);
        channel.close();
        map.clear();
      });
      await loop({ map, use_poll });
      expect(stage.trace).toEqual(['set', 'set', 'delete', 'clear']);
      expect(Object.getOwnPropertyNames(map)).toEqual([]);
    });

    it('may wrap what it is given', async () => {
      const stage = new Stage(use_poll);
      class Wrapping extends Map<number, channel> {
        override set(fd: number, channel: channel): this {
          const wrapper = duck({
            handle_read_event: () => {
              stage.say('wrapped');
              channel.handle_read_event();
            },
          });
          return super.set(fd, wrapper);
        }
      }
      const map = new Wrapping();
      const [ours, theirs] = connection();
      new dispatcher(own(connection()[0]), map);
      setTimeout(() => {
        const channel = new dispatcher(ours, map);
        channel.handle_read = () => map.clear();
        theirs.send(hello);
      });
      await loop({ map, use_poll });
      expect(stage.trace).toEqual(['wrapped']);
    });

    it('keeps methods of its own', async () => {
      const stage = new Stage(use_poll);
      const set = (fd: number, channel: channel) => {
        stage.say('set');
        return Map.prototype.set.call(stage.map, fd, channel) as channel_map;
      };
      stage.map.set = set;
      const channel = new Recorder(stage, connection()[0]);
      setTimeout(() => {
        new Recorder(stage, connection()[0]).close();
        channel.close();
      });
      await stage.loop();
      expect(stage.trace).toEqual(['set', 'set']);
      expect(stage.map.set).toBe(set);
    });
  });

  describe('several loops', () => {
    it('on one map are refused, and the first goes on', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, connection()[0]);
      const first = stage.loop();
      await expect(stage.loop()).rejects.toThrow('a loop already runs on this map');
      channel.handle_write = () => channel.close();
      await first;
    });

    it('on several maps run at once', async () => {
      const stages = [new Stage(use_poll), new Stage(true), new Stage(false)];
      const [first, second] = socketpair();
      const [third] = connection();
      const channels = [first, second, third].map((sock, i) => new Recorder(stages[i], sock));
      const loops = stages.map((stage) => stage.loop());
      second.send(hello);
      setTimeout(() => channels[2].close());
      await loops[2];
      first.send(hello);
      setTimeout(() => channels[0].close());
      await Promise.all(loops);
      expect(stages.map(({ trace }) => trace)).toEqual([['read 5'], ['read 5', 'close'], []]);
    });

    it('may follow each other on one map', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Recorder(stage, ours);
      for (const each of [use_poll, false, undefined, true]) {
        theirs.send(hello);
        await loop({ map: stage.map, use_poll: each, count: 1 });
      }
      expect(stage.count('read 5')).toBe(4);
    });

    it('an async handler’s ExitNow leaves the loop that runs by then', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      let goOn = () => {};
      channel.handle_read = async () => {
        channel.recv(10);
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        throw new ExitNow('bye');
      };
      theirs.send(hello);
      await stage.loop({ count: 1 });
      const next = stage.loop();
      goOn();
      await expect(next).rejects.toThrow(new ExitNow('bye'));
    });

    it('may be nested on different maps', async () => {
      const [outer, inner] = [new Stage(use_poll), new Stage(use_poll)];
      const [ours, theirs] = connection();
      const [others, peer] = connection();
      const channel = new Recorder(outer, ours);
      channel.handle_read = async () => {
        channel.recv(10);
        new Recorder(inner, others);
        peer.close();
        await inner.loop();
        outer.say('inner loop ended');
      };
      theirs.send(hello);
      await outer.until('inner loop ended');
      expect(inner.trace).toEqual(['close']);
    });
  });

  describe('signal', () => {
    it('aborted before lets nothing begin', async () => {
      const stage = new Stage(use_poll);
      new Writer(stage, connection()[0]);
      const signal = AbortSignal.abort(new Error('enough'));
      await expect(stage.loop({ signal })).rejects.toThrow('enough');
      expect(stage.trace).toEqual([]);
    });

    it('ends the loop with its reason', async () => {
      const stage = new Stage(use_poll);
      new Recorder(stage, connection()[0]);
      await expect(stage.loop({ signal: AbortSignal.timeout(5) })).rejects.toThrow(/timeout/);
      expect(stage.map.size).toBe(1);
    });

    it('aborted by a handler ends the loop, and another one goes on', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      const end = new AbortController();
      channel.handle_write = () => end.abort('enough');
      await expect(stage.loop({ signal: end.signal })).rejects.toBe('enough');
      channel.handle_write = dispatcher.prototype.handle_write;
      theirs.send(hello);
      await stage.until('read 5');
    });

    it('is let go when the loop has ended', async () => {
      const stage = new Stage(use_poll);
      new Writer(stage, connection()[0]);
      const { signal } = new AbortController();
      const added = vi.spyOn(signal, 'addEventListener');
      const removed = vi.spyOn(signal, 'removeEventListener');
      await stage.loop({ signal, count: 1 });
      expect(removed.mock.calls).toEqual(added.mock.calls);
    });
  });

  it('all that is ready is dispatched in the order of asyncore’s poll functions', async () => {
    const stage = new Stage(use_poll);
    for (const name of ['a', 'b']) {
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      channel.handle_read = () => stage.say(`read ${name}`);
      channel.handle_write = () => stage.say(`write ${name}`);
      theirs.send(hello);
    }
    await stage.loop({ count: 1 });
    const [readA, writeA, readB, writeB] = ['read a', 'write a', 'read b', 'write b'];
    expect(stage.trace).toEqual(
      use_poll === false ? [readA, readB, writeA, writeB] : [readA, writeA, readB, writeB],
    );
  });

  it('a synchronous pass may run in a handler', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const [others, peer] = connection();
    const channel = new Recorder(stage, ours);
    new Recorder(stage, others);
    channel.handle_read = () => {
      channel.recv(10);
      peer.send(Buffer.alloc(10));
      (use_poll ? poll2 : poll)(1, stage.map);
      stage.say('pass done');
    };
    theirs.send(hello);
    await stage.until('pass done');
    peer.close();
    await stage.until('close');
    expect(stage.trace).toEqual(['read 10', 'pass done', 'close']);
  });
});

describe.each([
  ['poll', poll],
  ['poll2', poll2],
] as const)('%s', (name, pass) => {
  it('does one pass', () => {
    const stage = new Stage();
    const [ours, theirs] = connection();
    new Recorder(stage, ours);
    theirs.send(hello);
    pass(1, stage.map);
    expect(stage.trace).toEqual(['read 5']);
  });

  it('serves socket_map without waiting unless told otherwise', () => {
    const [ours, theirs] = connection();
    const channel = own(new dispatcher(ours));
    channel.handle_read = () => channel.close();
    pass();
    expect(socket_map.size).toBe(1);
    theirs.send(hello);
    pass();
    expect(socket_map.size).toBe(0);
  });

  it('waits no longer than its timeout', () => {
    const stage = new Stage();
    new Recorder(stage, connection()[0]);
    const start = performance.now();
    pass(0.05, stage.map);
    expect(performance.now() - start).toBeGreaterThanOrEqual(49);
  });

  it('does nothing for an empty map', () => {
    pass(60, new Map());
    pass(null, new Map());
  });

  it('dispatches in asyncore’s order', () => {
    const stage = new Stage();
    for (const name of ['a', 'b']) {
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      channel.handle_read = () => stage.say(`read ${name}`);
      channel.handle_write = () => stage.say(`write ${name}`);
      theirs.send(hello);
    }
    pass(1, stage.map);
    expect(stage.trace.join(', ')).toBe(
      name === 'poll' ? 'read a, read b, write a, write b' : 'read a, write a, read b, write b',
    );
  });

  it.each([
    [-1, new Map(), 'timeout'],
    [NaN, new Map(), 'timeout'],
    ['1', new Map(), 'timeout'],
    [0, {}, 'map'],
  ] as [number, channel_map, string][])('refuses %o, %o', (timeout, map, what) => {
    expect(() => pass(timeout, map)).toThrow(new RegExp(`${name}: ${what}`));
  });
});

describe('a turn of Node’s loop', () => {
  /** In which turn each event came, of a channel that does `read`. */
  async function turnsOf(events: number, theirs: Socket, read: () => void): Promise<number[]> {
    let now = 0;
    let timer = setImmediate(function next() {
      now += 1;
      timer = setImmediate(next);
    });
    const turns: number[] = [];
    const channel = own(new dispatcher(theirs));
    channel.handle_read = () => {
      read();
      turns.push(now);
      if (turns.length === events) channel.close();
    };
    await loop();
    clearImmediate(timer);
    return turns;
  }

  // Again on a machine that was busy with something else: there is a millisecond for it.
  it('has passes as long as they find something', { retry: 9 }, async () => {
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    for (let i = 0; i < 10; i++) own(ours).send(hello);
    const turns = await turnsOf(10, theirs, () => theirs.recv(100));
    expect(new Set(turns).size).toBe(1);
  });

  it('ends when handlers take long, whatever is ready', async () => {
    const [ours, theirs] = socketpair();
    own(ours).send(hello);
    const turns = await turnsOf(20, theirs, () => {
      const end = performance.now() + 2;
      while (performance.now() < end);
    });
    expect(new Set(turns).size).toBe(20);
  });

  it('counts no pass for a look that finds nothing', async () => {
    const stage = new Stage();
    const [ours, theirs] = connection();
    new Recorder(stage, ours);
    theirs.send(hello);
    setTimeout(() => theirs.send(hello), 20);
    await stage.loop({ count: 2 });
    expect(stage.trace).toEqual(['read 5', 'read 5']);
  });
});

it('poll3 is poll2', () => {
  expect(poll3).toBe(poll2);
});

it.each([
  [{ tiemout: 1 }, 'loop: there is no option tiemout, only timeout, use_poll, map, count, signal'],
  [new Map(), 'loop: a map comes third, or by name: loop({ map })'],
])('loop(%o) is refused', async (options, message) => {
  await expect(loop(options as loop_options)).rejects.toThrow(message);
});

it('a map that was filled as a dict of Python is refused', async () => {
  for (const map of [new Map() as channel_map, socket_map]) {
    Object.assign(map, { 99: duck() }); // map[99] = duck()
    const message = 'map[99] = … puts nothing into a Map: map.set(99, …) does';
    try {
      await expect(loop({ map })).rejects.toThrow(`loop: ${message}`);
      expect(() => poll(0, map)).toThrow(`poll: ${message}`);
      expect(() => poll2(0, map)).toThrow(`poll2: ${message}`);
    } finally {
      Reflect.deleteProperty(map, 99);
    }
  }
});

it('a wrong map is refused where it is given', () => {
  const map = {} as channel_map;
  expect(() => close_all(map)).toThrow('close_all: map must be a Map');
  expect(() => new dispatcher(null, map)).toThrow('dispatcher: map must be a Map');
});

describe('close_all', () => {
  const failing = (error: Error) =>
    duck({
      close() {
        throw error;
      },
    });

  it('throws what a close throws, except EBADF', () => {
    const bad = Object.assign(new Error('spam'), { code: 'EBADF' });
    const map = new Map<number, channel>([[1, failing(bad)]]);
    close_all(map);
    expect(map.size).toBe(0);
    map.set(1, failing(new Error('eggs')));
    expect(() => close_all(map)).toThrow('eggs');
  });

  it('ignores it when told to', () => {
    const map = new Map<number, channel>([[1, failing(new Error('eggs'))]]);
    close_all(map, true);
    expect(map.size).toBe(0);
  });

  it('closes real channels', () => {
    const map: channel_map = new Map();
    const [first, second] = socketpair();
    new dispatcher(first, map);
    new dispatcher(second, map);
    close_all(map);
    expect([first.fileno(), second.fileno(), map.size]).toEqual([-1, -1, 0]);
  });
});

it('a map looks as it did before', async () => {
  const map: channel_map = new Map();
  const channel = new dispatcher(own(connection()[0]), map);
  setTimeout(() => channel.close());
  await loop({ map });
  expect(inspect(map)).toBe('Map(0) {}');
});
