import { once } from 'node:events';
import timers from 'node:timers';
import { setTimeout as delay, scheduler, setInterval as ticks } from 'node:timers/promises';
import { explore, simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';

it("a program's own time is virtual if that is asked for, and real again afterwards", async () => {
  const before = [
    setTimeout,
    Date,
    performance.now,
    Math.random,
    timers.setTimeout,
    AbortSignal.timeout,
  ];
  const start = performance.now();
  await simulate({ globals: true }, async (net) => {
    const told: string[] = [];
    const say = (what: string) => () => told.push(`${what} at ${net.now}`);
    setTimeout(say('timeout'), 3_600_000);
    const cleared = setTimeout(say('cleared'), 1000);
    clearTimeout(cleared);
    let beats = 0;
    const interval = setInterval(() => {
      beats += 1;
      if (beats === 3) clearInterval(interval);
    }, 1000);
    timers.setTimeout(say('node:timers'), 500);
    void delay(2000, 'x').then((value) => say(`promise of ${value}`)());
    void scheduler.wait(100).then(say('scheduler'));
    setImmediate(say('immediate'));
    const signal = AbortSignal.timeout(5000);
    void once(signal, 'abort').then(() => say(String(signal.reason.name))());
    expect(new Date().toISOString()).toBe('2020-01-01T00:00:00.000Z');
    expect(new Date(0).getTime()).toBe(0);
    await net.advance(7200);
    expect(told).toEqual([
      'immediate at 0',
      'scheduler at 0.1',
      'node:timers at 0.5',
      'promise of x at 2',
      'TimeoutError at 5',
      'timeout at 3600',
    ]);
    expect(beats).toBe(3);
    expect(Date.now() - Date.UTC(2020, 0, 1)).toBe(7_200_000);
    expect(new Date()).toBeInstanceOf(Date);
    expect(performance.now()).toBe(7_200_000);
    expect(process.hrtime.bigint()).toBe(7_200_000_000_000n);
    expect(process.hrtime([7000, 5])).toEqual([199, 999_999_995]);
  });
  expect(performance.now() - start).toBeLessThan(5000);
  const after = [
    setTimeout,
    Date,
    performance.now,
    Math.random,
    timers.setTimeout,
    AbortSignal.timeout,
  ];
  expect(after).toEqual(before);
});

it('a timer that is aborted rejects, and an iterator of times goes on', () =>
  simulate({ globals: true }, async (net) => {
    const controller = new AbortController();
    const aborted = delay(1000, null, { signal: controller.signal }).catch((error) => error.name);
    controller.abort();
    expect(await aborted).toBe('AbortError');
    const seen: number[] = [];
    void (async () => {
      for await (const _ of ticks(1000)) {
        seen.push(net.now);
        if (seen.length === 3) break;
      }
    })();
    await net.advance(10);
    expect(seen).toEqual([1, 2, 3]);
  }));

it('a wait that hangs on a real timer says so', async () => {
  const waiting = simulate({}, async (net) => {
    const timer = setTimeout(() => {}, 100_000);
    try {
      await net.until(() => false, 'the timer goes off');
    } finally {
      clearTimeout(timer);
    }
  });
  await expect(waiting).rejects.toThrow(
    "nothing more happens (1 of Node's own timers are running: { globals: true } makes them virtual)",
  );
});

it('chance is the same for the same seed', async () => {
  const numbers: number[] = [];
  const draw = () => void numbers.push(Math.random());
  await explore({ globals: true, runs: 2, seed: 7 }, draw);
  await explore({ globals: true, runs: 2, seed: 7 }, draw);
  expect(numbers.slice(0, 2)).toEqual(numbers.slice(2));
  expect(numbers[0]).not.toBe(numbers[1]);
});
