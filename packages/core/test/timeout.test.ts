/** A channel that makes no progress for `timeout` seconds is told so, and closed unless it minds. */
// In a process of its own: it counts timers.
import { dispatcher, dispatcher_with_send, ExitNow, poll, poll2 } from '@asyncore/core';
import { AF_INET, SOCK_DGRAM, Socket } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { describe, expect, it, vi } from 'vitest';
import {
  countPasses,
  ends,
  free,
  itUnless,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  Stage,
} from './support.js';

/** Why a test is left out over wanting. */
const GREETS = 'it wakes its reader once, to greet';

const hello = Buffer.from('hello');
/** In milliseconds. */
const PATIENCE = 50;

class Impatient extends Recorder {
  override timeout = PATIENCE / 1000;
  /** When it was told. */
  told = Infinity;

  override handle_timeout(): void {
    this.told = performance.now();
    this.stage.say('timeout');
    super.handle_timeout();
  }
}

/** The longest time, in milliseconds, in which a timer of 5 ms did not come: the machine has other things to do. */
function longestPause(): () => number {
  let last = performance.now();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 5);
  return () => {
    clearInterval(timer);
    look();
    return longest;
  };
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('closes a connection on which nothing happens', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const start = performance.now();
      const channel = new Impatient(stage, ours);
      await stage.loop();
      expect(channel.told - start).toBeGreaterThanOrEqual(PATIENCE);
      expect(stage.trace).toEqual([
        'timeout',
        expect.stringMatching(/^info: no progress for 0.05 seconds: <Impatient connected/),
        'close',
      ]);
      expect((await theirs.recv(1)).length).toBe(0);
    });
  });
});

onEveryPoller((use_poll) => {
  describe('the time runs anew with', () => {
    /** Progress every 10 ms for longer than its patience, and then none. */
    async function keepsOn(channel: Impatient, stage: Stage, progress: () => void): Promise<void> {
      const end = performance.now() + 3 * PATIENCE;
      let last = 0;
      while (performance.now() < end && channel.told === Infinity) {
        last = performance.now();
        progress();
        await stage.loop({ timeout: 0.01, count: 1 });
      }
      while (channel.told === Infinity) await stage.loop({ count: 1 });
      expect(channel.told - last).toBeGreaterThanOrEqual(PATIENCE);
    }

    it('bytes that come', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      await keepsOn(new Impatient(stage, ours), stage, () => theirs.send(hello));
    });

    it('bytes that go', async () => {
      const stage = new Stage(use_poll);
      const channel = new Impatient(stage, (await ends())[0]);
      await keepsOn(channel, stage, () => channel.send(hello));
    });

    it('datagrams', async () => {
      const stage = new Stage(use_poll);
      const channel = new Impatient(stage);
      channel.create_socket(AF_INET, SOCK_DGRAM);
      channel.bind(free(AF_INET));
      channel.handle_read = () => channel.recvfrom(10);
      const peer = own(new Socket(AF_INET, SOCK_DGRAM));
      await keepsOn(channel, stage, () => peer.sendto(hello, channel.getsockname()));
    });

    it('connections that a listener accepts', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Impatient(stage));
      await keepsOn(server, stage, () => {
        own(new Socket()).connect_ex(server.getsockname());
      });
    });
  });

  // What was done since the last look counts as done at the next one.
  it.each([0.05, 0.3, 0.6, 0.95])(
    'is told at most a tenth late by one that moved after %f of its time',
    async (part) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      const channel = new Impatient(stage, ours);
      channel.timeout = 0.4;
      let moved = Infinity;
      channel.handle_read = () => {
        channel.recv(10);
        moved = performance.now();
      };
      setTimeout(() => theirs.send(hello), part * channel.timeout * 1000);
      const longest = longestPause();
      await stage.loop();
      const took = channel.told - moved;
      expect(took).toBeGreaterThanOrEqual(400);
      expect(took).toBeLessThan(440 + 50 + longest()); // for a machine that has other things to do
    },
  );

  it('tells a channel that stays open again, and not before its time', async () => {
    const stage = new Stage(use_poll);
    const channel = new Impatient(stage, (await ends())[0]);
    const times: number[] = [];
    channel.handle_timeout = () => {
      times.push(performance.now());
      stage.say('timeout');
    };
    await stage.until(() => times.length === 3);
    expect(times[2] - times[0]).toBeGreaterThanOrEqual(2 * PATIENCE);
    expect(channel.connected).toBe(true);
  });

  it('is told of what the peer does not read', async () => {
    const stage = new Stage(use_poll);
    class Sender extends dispatcher_with_send {
      override timeout = PATIENCE / 1000;
    }
    const channel = new Sender((await ends())[0], stage.map);
    channel.send(Buffer.alloc(1 << 26));
    let left = 0;
    channel.handle_close = () => {
      left = channel.out_buffer.length;
      channel.close();
    };
    await stage.loop();
    expect(left).toBeGreaterThan(0);
  });

  it('ends an attempt to connect as one that failed', async (context) => {
    context.skip(process.platform !== 'linux', 'needs Linux, where a full listener is silent');
    const stage = new Stage(use_poll);
    const channel = new Impatient(stage);
    channel.create_socket();
    channel.handle_connect_error = (error) => {
      stage.say(`failed ${(error as Error).message}`);
      channel.close();
    };
    // Linux answers nobody while a listener's queue is full.
    const door = listener(AF_INET, 0);
    for (let i = 0; i < 3; i++) own(new Socket()).connect_ex(door.getsockname());
    channel.connect(door.getsockname());
    await stage.loop();
    const [, port] = door.getsockname();
    expect(stage.trace).toEqual(['timeout', `failed connect ETIMEDOUT 127.0.0.1:${port}`]);
  });

  itUnless({ wanting: GREETS })('may be set, changed and taken back at any time', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Impatient(stage, ours);
    channel.timeout = 0;
    expect(await stage.isIdle()).toBe(true);
    channel.timeout = 60;
    theirs.send(hello);
    await stage.until('read 5');
    channel.timeout = PATIENCE / 1000;
    theirs.send(hello);
    await stage.until('timeout');
  });

  it('taken back by a timer, it spares a quiet channel', async () => {
    const stage = new Stage(use_poll);
    const channel = new Impatient(stage, (await ends())[0]);
    setTimeout(() => {
      channel.timeout = 0;
    });
    await stage.loop({ timeout: (3 * PATIENCE) / 1000, count: 1 });
    expect([stage.trace, channel.connected]).toEqual([[], true]);
  });

  it('taken back by handle_timeout, it is told no more', async () => {
    const stage = new Stage(use_poll);
    const channel = new Impatient(stage, (await ends())[0]);
    channel.handle_timeout = () => {
      channel.timeout = 0;
      stage.say('timeout');
    };
    await stage.until('timeout');
    await stage.loop({ timeout: (3 * PATIENCE) / 1000, count: 1 });
    expect(stage.trace).toEqual(['timeout']);
  });

  it('after a handle_timeout that ends the loop nobody else is told', async () => {
    const stage = new Stage(use_poll);
    const end = new AbortController();
    for (let i = 0; i < 2; i++) {
      new Impatient(stage, (await ends())[0]).handle_timeout = () => {
        stage.say('timeout');
        end.abort();
      };
    }
    await expect(stage.loop({ signal: end.signal })).rejects.toThrow('aborted');
    expect(stage.trace).toEqual(['timeout']);
  });

  it('what handle_timeout throws goes to handle_error, ExitNow leaves the loop', async () => {
    const stage = new Stage(use_poll);
    const channel = new Impatient(stage, (await ends())[0]);
    const errors: unknown[] = [new Error('spam'), new ExitNow()];
    channel.handle_timeout = () => {
      throw errors.shift();
    };
    channel.handle_error = (error) => stage.say(`error ${(error as Error).message}`);
    await expect(stage.loop()).rejects.toThrow(ExitNow);
    expect(stage.trace).toEqual(['error spam']);
  });

  it('counts from when it moved, though that was in a long handle_timeout of another', async () => {
    const stage = new Stage(use_poll);
    const first = new Impatient(stage, (await ends())[0]);
    const second = new Impatient(stage, (await ends())[0]);
    let moved = 0;
    first.handle_timeout = () => {
      for (const end = performance.now() + PATIENCE / 2; performance.now() < end; );
      second.send(hello);
      moved = performance.now();
      first.close();
    };
    await stage.loop();
    expect(second.told - moved).toBeGreaterThanOrEqual(PATIENCE);
  });

  it('reads first what came while the thread was held up', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Impatient(stage, ours);
    channel.timeout = 0.4; // the machine may take a twentieth of a second before this goes on
    const running = stage.loop();
    // A whole turn of Node's loop, in which its time begins.
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    theirs.send(hello);
    for (const end = performance.now() + 500; performance.now() < end; );
    channel.handle_read = () => {
      channel.recv(10);
      stage.say(`read, ${channel.told}`);
      channel.close();
    };
    await running;
    expect(stage.trace).toEqual(['read, Infinity']);
  });

  it('does not wake the loop up for 100 that have time', async () => {
    const stage = new Stage(use_poll);
    const pairs = await Promise.all(Array.from({ length: 100 }, () => ends()));
    for (const [ours] of pairs) new Impatient(stage, ours).timeout = 60;
    await stage.passes(3);
    const passes = countPasses();
    expect(await stage.isIdle()).toBe(true);
    expect(passes()).toBe(1);
  });
});

describe.each([
  ['poll', poll],
  ['poll2', poll2],
])('%s', (_, pass) => {
  it('waits no longer than until the next is to be told', async () => {
    const stage = new Stage();
    const channel = new Impatient(stage, (await ends())[0]);
    const start = performance.now();
    while (stage.map.size > 0) pass(null, stage.map);
    expect(channel.told - start).toBeGreaterThanOrEqual(PATIENCE);
    expect(stage.trace.at(-1)).toBe('close');
  });

  it('reads first what came since the last pass', async () => {
    const stage = new Stage();
    const [ours, theirs] = await ends();
    const channel = new Impatient(stage, ours);
    pass(0, stage.map);
    for (const end = performance.now() + 2 * PATIENCE; performance.now() < end; );
    theirs.send(hello);
    pass(0, stage.map);
    expect(channel.told).toBe(Infinity);
    expect(stage.trace).toEqual(['read 5']);
  });
});

describe('nobody looks at the time for a channel', () => {
  class Forgetful extends Impatient {
    override handle_close(): void {
      this.stage.say('over');
    }
  }

  /** How many timers are set for channels in twice the time after which one would be told. */
  async function timersSet(stage: Stage): Promise<number> {
    await stage.passes(2); // a look that was due may come still
    const set = vi.spyOn(clock, 'setTimeout');
    setTimeout(() => stage.say('later'), 2 * PATIENCE);
    await stage.until('later');
    return set.mock.calls.length;
  }

  it('that is over and was not closed, until it connects again', async () => {
    const stage = new Stage();
    const door = listener();
    const [ours, theirs] = await ends();
    const channel = own(new Forgetful(stage, ours));
    theirs.close();
    await stage.until('over');
    expect(await timersSet(stage)).toBeLessThanOrEqual(1);
    channel.create_socket();
    channel.connect(door.getsockname());
    await stage.until('timeout');
  });

  it('that has no connection, until it has one', async () => {
    const stage = new Stage();
    const door = listener();
    const channel = own(new Impatient(stage));
    channel.create_socket();
    expect(await timersSet(stage)).toBeLessThanOrEqual(1);
    channel.connect(door.getsockname());
    await stage.until('timeout');
  });
});

it('keeps the process from ending no longer than the loop does', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const stage = new Stage();
  const [ours, theirs] = await ends();
  const before = timers();
  new Impatient(stage, ours).timeout = 60;
  await stage.passes(3);
  theirs.close();
  await stage.until('close').catch(() => {});
  expect(timers()).toBeLessThanOrEqual(before); // one of the test runner may have ended
});

onEveryPoller((use_poll) => {
  it('set together with what goes out at once, it counts', async () => {
    const stage = new Stage(use_poll);
    const [ours] = await ends();
    const channel = own(new dispatcher_with_send(ours, stage.map));
    channel.handle_timeout = () => {
      stage.say('timeout');
      channel.close();
    };
    await stage.passes(2);
    setTimeout(() => {
      channel.timeout = PATIENCE / 1000;
      channel.send(hello);
    });
    await stage.loop();
    expect(stage.trace).toEqual(['timeout']);
  });
});

it('a dispatcher has no timeout', () => {
  expect(new dispatcher().timeout).toBe(0);
});

onEveryPoller((use_poll) => {
  it('that is wrong is told once, whatever the channel does then', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Impatient(stage, ours);
    channel.handle_error = (error) => stage.say((error as Error).message);
    channel.timeout = Number.NaN;
    for (let i = 0; i < 3; i++) {
      theirs.send(hello);
      await stage.until('read 5');
    }
    const told = stage.trace.filter((line) => line.startsWith('timeout must be'));
    expect(told.length).toBe(1);
  });
});
