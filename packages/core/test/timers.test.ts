import {
  type channel_map,
  dispatcher,
  ExitNow,
  loop,
  poll,
  poll2,
  type timer,
} from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { describe, expect, it, vi } from 'vitest';
import { connection, onEveryPoller, own, Recorder, Sender, Stage } from './support.js';

/** A channel with a socket on which nothing happens. */
function quiet(stage: Stage): Recorder {
  const [ours] = connection();
  return new Recorder(stage, ours);
}

/** Blocks the thread. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

const TICK = 0.005;

onEveryPoller((use_poll) => {
  it('call_later calls once, after its time', async () => {
    const stage = new Stage(use_poll);
    const start = performance.now();
    quiet(stage).call_later(0.03, () => stage.say('called'));
    await stage.until('called');
    expect(performance.now() - start).toBeGreaterThanOrEqual(30);
    await stage.loop({ timeout: 0.05, count: 1 });
    expect(stage.trace).toEqual(['called']);
  });

  it('timers come in the order of their times, those of one time in the order in which they were set', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    const when = performance.now() / 1000 + 2 * TICK;
    channel.call_later(4 * TICK, () => stage.say('last'));
    for (const name of ['a', 'b', 'c']) channel.call_at(when, () => stage.say(name));
    channel.call_later(0, () => stage.say('first'));
    await stage.until('last');
    expect(stage.trace).toEqual(['first', 'a', 'b', 'c', 'last']);
  });

  it('call_every goes on after its function threw', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    channel.handle_error = (error) => stage.say(String(error));
    let calls = 0;
    channel.call_every(TICK, () => {
      calls += 1;
      if (calls === 1) throw new Error('once');
      stage.say(`call ${calls}`);
    });
    await stage.until('call 3');
    expect(stage.trace).toEqual(['Error: once', 'call 2', 'call 3']);
  });

  it('what a timer throws closes the channel by default, and its other timers with it', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    channel.call_later(TICK, () => {
      throw new Error('broken');
    });
    channel.call_every(2 * TICK, () => stage.say('another'));
    await stage.loop();
    expect(stage.trace).toEqual(['error broken']);
  });

  it('ExitNow ends the loop', async () => {
    const stage = new Stage(use_poll);
    quiet(stage).call_later(TICK, () => {
      throw new ExitNow('enough');
    });
    await expect(stage.loop()).rejects.toThrow('enough');
  });

  it('a rejected promise goes to handle_error', async () => {
    const stage = new Stage(use_poll);
    quiet(stage).call_later(TICK, async () => {
      await null;
      throw new Error('late');
    });
    await stage.loop();
    expect(stage.trace).toEqual(['error late']);
  });

  it('call_every waits for the promise of its function', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    let running = 0;
    channel.call_every(TICK, async () => {
      running += 1;
      stage.say(`${running} at once`);
      await new Promise((resolve) => channel.call_later(3 * TICK, () => resolve(null)));
      running -= 1;
    });
    await stage.until(() => stage.trace.length === 3);
    expect(new Set(stage.trace)).toEqual(new Set(['1 at once']));
  });

  it('what a timer sends goes out in one call', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const sender = new Sender(stage, ours);
    const send = vi.spyOn(ours, 'send');
    sender.call_later(TICK, () => {
      for (let i = 0; i < 10; i++) sender.send(Buffer.from('x'));
      stage.say('sent');
    });
    await stage.until('sent');
    expect(theirs.recv(100).toString()).toBe('x'.repeat(10));
    expect(send).toHaveBeenCalledTimes(1);
  });

  it('close cancels what was set before it', async () => {
    const stage = new Stage(use_poll);
    const other = quiet(stage);
    const channel = quiet(stage);
    channel.call_later(TICK, () => stage.say('later'));
    channel.call_every(TICK, () => stage.say('every'));
    channel.close();
    other.call_later(4 * TICK, () => stage.say('over'));
    await stage.until('over');
    expect(stage.trace).toEqual(['over']);
  });

  it('none calls that is due at the same time as the one that closes the channel', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    const when = performance.now() / 1000 + TICK;
    channel.call_at(when, () => channel.close());
    channel.call_at(when, () => stage.say('too late'));
    await stage.loop();
    expect(stage.trace).toEqual([]);
  });

  it('the loop ends when a timer closes the last channel, and not before', async () => {
    const stage = new Stage(use_poll);
    const channel = quiet(stage);
    channel.call_later(60, () => stage.say('never'));
    channel.call_later(TICK, () => channel.close());
    await stage.loop();
    expect(stage.map.size).toBe(0);
  });

  it('a channel is asked again after its timer, as after a handler', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new Recorder(stage, ours);
    let wants = false;
    channel.readable = () => wants;
    theirs.send(Buffer.from('x'));
    channel.call_later(TICK, () => {
      wants = true;
    });
    await stage.until('read 1');
  });
});

describe('timer', () => {
  it('cancel: it does not call, and reset does not change that', async () => {
    const stage = new Stage();
    const channel = quiet(stage);
    const one = channel.call_later(TICK, () => stage.say('cancelled'));
    one.cancel();
    one.reset();
    one.cancel();
    channel.call_later(3 * TICK, () => stage.say('over'));
    await stage.until('over');
    expect(stage.trace).toEqual(['over']);
  });

  it('reset: it waits from then on', () => {
    const stage = new Stage();
    const channel = quiet(stage);
    const start = performance.now();
    const one = channel.call_later(0.06, () => stage.say(String(performance.now() - start)));
    pause(40);
    one.reset();
    while (stage.trace.length === 0) poll(null, stage.map);
    expect(Number(stage.trace[0])).toBeGreaterThanOrEqual(100);
  });

  it('reset of one that has called lets it call again', async () => {
    const stage = new Stage();
    let calls = 0;
    const one: timer = quiet(stage).call_later(TICK, () => {
      calls += 1;
      stage.say(`call ${calls}`);
      if (calls < 3) one.reset();
    });
    await stage.until('call 3');
  });

  it('one may cancel itself, and others that are due', async () => {
    const stage = new Stage();
    const channel = quiet(stage);
    const when = performance.now() / 1000 + TICK;
    const every = channel.call_every(TICK, () => {
      stage.say('every');
      every.cancel();
      other.cancel();
    });
    const other = channel.call_at(when + 0.1, () => stage.say('other'));
    channel.call_later(0.15, () => stage.say('over'));
    await stage.until('over');
    expect(stage.trace).toEqual(['every', 'over']);
  });

  it('after a long pause call_every comes once', () => {
    const stage = new Stage();
    const channel = quiet(stage);
    channel.call_every(0.02, () => stage.say('every'));
    pause(110);
    poll(0, stage.map);
    poll(0, stage.map);
    expect(stage.trace).toEqual(['every']);
  });

  it('works on a channel without a socket, and without a loop', async () => {
    const map: channel_map = new Map();
    const channel = new dispatcher(null, map);
    const done = new Promise((resolve) => channel.call_later(TICK, () => resolve('called')));
    expect(await Promise.race([done, keptAlive(1000)])).toBe('called');
    channel.call_later(TICK, () => expect.unreachable());
    channel.close();
    await keptAlive(20);
  });

  it('does not come early for a delay beyond 2^31 milliseconds', async () => {
    const stage = new Stage();
    const channel = quiet(stage);
    channel.call_later(2 ** 31 / 1000 + 1, () => stage.say('early'));
    channel.call_at(performance.now() / 1000 + 1e9, () => stage.say('early'));
    channel.call_later(4 * TICK, () => stage.say('over'));
    await stage.until('over');
    expect(stage.trace).toEqual(['over']);
  });

  it('waits as long as it is to, where that is more than Node can wait at once', () => {
    vi.useFakeTimers();
    try {
      const stage = new Stage();
      quiet(stage).call_later(3_000_000, () => stage.say('called'));
      vi.advanceTimersByTime(2_999_999_000);
      expect(stage.trace).toEqual([]);
      vi.advanceTimersByTime(1001);
      expect(stage.trace).toEqual(['called']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps the right order whichever are cancelled and reset', () => {
    vi.useFakeTimers();
    try {
      const channel = quiet(new Stage());
      const seen: number[] = [];
      const timers = Array.from({ length: 500 }, (_, i) => {
        const seconds = ((i * 7919) % 500) + 1;
        return channel.call_later(seconds, () => seen.push(seconds));
      });
      timers.forEach((one, i) => {
        if (i % 3 === 0) one.cancel();
        if (i % 5 === 0) one.reset();
      });
      vi.advanceTimersByTime(501_000);
      expect(seen.length).toBe(timers.filter((_, i) => i % 3 !== 0).length);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
    } finally {
      vi.useRealTimers();
    }
  });

  it('ten thousand cost little, and so does closing their channel', () => {
    const channel = quiet(new Stage());
    const start = process.cpuUsage();
    for (let i = 0; i < 10_000; i++) channel.call_later(60 + (i % 1000), () => {});
    channel.close();
    const { user, system } = process.cpuUsage(start);
    expect(user + system).toBeLessThan(2e6);
  });

  it.each([
    ['a string', '1', TypeError],
    ['less than none', -1, RangeError],
    ['not a number', Number.NaN, RangeError],
    ['no end', Infinity, RangeError],
  ])('throws at the call for seconds that are %s', (_, seconds, error) => {
    const channel = new dispatcher(null, new Map());
    for (const call of ['call_later', 'call_every', 'call_at'] as const) {
      expect(() => channel[call](seconds as number, () => {})).toThrow(error);
    }
  });

  it('throws at the call for what is no function, and for call_every(0)', () => {
    const channel = new dispatcher(null, new Map());
    expect(() => channel.call_later(1, 'f' as never)).toThrow('call_later: f must be a function');
    expect(() => channel.call_every(0, () => {})).toThrow(RangeError);
  });
});

describe.each([
  ['poll', poll],
  ['poll2', poll2],
])('%s, which blocks', (_, pass) => {
  it('waits until the next timer, and lets it call', () => {
    const stage = new Stage();
    const start = performance.now();
    quiet(stage).call_later(0.03, () => stage.say('called'));
    pass(60, stage.map);
    expect(performance.now() - start).toBeLessThan(10_000);
    while (stage.trace.length === 0) pass(60, stage.map);
    expect(performance.now() - start).toBeGreaterThanOrEqual(30);
  });

  it('lets those call that are due, also without anything in the map', () => {
    const map: channel_map = new Map();
    const channel = new dispatcher(null, map);
    const called = vi.fn();
    channel.call_later(0, called);
    channel.call_later(60, called);
    pass(0, map);
    expect(called).toHaveBeenCalledTimes(1);
    channel.close();
  });

  it('throws what leaves handle_error, and the others call in the next pass', () => {
    const stage = new Stage();
    const channel = quiet(stage);
    channel.handle_error = (error) => {
      throw error;
    };
    channel.call_later(0, () => {
      throw new Error('out');
    });
    channel.call_later(0, () => stage.say('the other'));
    expect(() => pass(0, stage.map)).toThrow('out');
    pass(0, stage.map);
    expect(stage.trace).toEqual(['the other']);
  });
});

describe('a process', () => {
  it('is not kept alive by a timer, and a loop is by its channel only', async () => {
    const [first, second] = socketpair();
    own(second);
    const map: channel_map = new Map();
    const channel = new dispatcher(first, map);
    channel.call_later(60, () => {});
    const running = loop({ map });
    channel.close();
    await running;
  });
});

function keptAlive(milliseconds: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve('waited'), milliseconds));
}
