import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import { random_by } from './random.js';
import type { VirtualClock } from './virtual_clock.js';

/** The date at which virtual time begins: 1 January 2020. */
const EPOCH = Date.UTC(2020, 0, 1);

type Restore = () => void;

/** Replaces the values of properties, and returns a function that restores them. */
function replaced(object: object, values: Record<string, unknown>): Restore {
  const before = Object.keys(values).map((name) => [
    name,
    Object.getOwnPropertyDescriptor(object, name),
  ]);
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(object, name, { value, configurable: true, writable: true });
  }
  return () => {
    for (const [name, descriptor] of before as [string, PropertyDescriptor | undefined][]) {
      if (descriptor) Object.defineProperty(object, name, descriptor);
      else Reflect.deleteProperty(object, name);
    }
  };
}

/** A Date whose now is virtual. */
function virtualDate(now: () => number): DateConstructor {
  return new Proxy(Date, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: (target) => new target(now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
  });
}

function virtualHrtime(clock: VirtualClock): typeof process.hrtime {
  const bigint = () => BigInt(Math.round(clock.programNow() * 1e6));
  const hrtime = (before: [number, number] = [0, 0]): [number, number] => {
    const passed = bigint() - BigInt(before[0]) * 1_000_000_000n - BigInt(before[1]);
    return [Number(passed / 1_000_000_000n), Number(passed % 1_000_000_000n)];
  };
  return Object.assign(hrtime, { bigint });
}

/** Rejects with the signal's reason when it is aborted. */
function abortable<T>(
  options: { signal?: AbortSignal } | undefined,
  begin: (resolve: (value: T) => void) => () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = options?.signal;
    const abort = () => {
      stop();
      const error = new Error('The operation was aborted', { cause: signal?.reason });
      reject(Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' }));
    };
    let stop = () => {};
    if (signal?.aborted) {
      abort();
      return;
    }
    stop = begin((value) => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** Makes the program's own time that of `clock`, and returns a function that restores the real one. */
export function virtual_globals(clock: VirtualClock, seed: number): Restore {
  const now = () => EPOCH + Math.floor(clock.programNow());
  const { programTimeout, programInterval, clearTimeout, setImmediate, clearImmediate } = clock;
  const common = {
    setTimeout: programTimeout,
    setInterval: programInterval,
    setImmediate,
    clearTimeout,
    clearInterval: clearTimeout,
    clearImmediate,
  };
  const delay = <T>(milliseconds?: number, value?: T, options?: { signal?: AbortSignal }) =>
    abortable<T | undefined>(options, (resolve) => {
      const timer = programTimeout(() => resolve(value), milliseconds);
      return () => clearTimeout(timer);
    });
  async function* interval<T>(
    milliseconds?: number,
    value?: T,
    options?: { signal?: AbortSignal },
  ) {
    for (;;) yield await delay(milliseconds, value, options);
  }
  const immediate = <T>(value?: T, options?: { signal?: AbortSignal }) =>
    abortable<T | undefined>(options, (resolve) => {
      const one = setImmediate(() => resolve(value));
      return () => clearImmediate(one);
    });
  const timeoutSignal = (milliseconds: number): AbortSignal => {
    const controller = new AbortController();
    const message = 'The operation was aborted due to timeout';
    programTimeout(() => controller.abort(new DOMException(message, 'TimeoutError')), milliseconds);
    return controller.signal;
  };
  const restores = [
    replaced(globalThis, { ...common, Date: virtualDate(now) }),
    replaced(timers, common),
    replaced(timersPromises, { setTimeout: delay, setImmediate: immediate, setInterval: interval }),
    replaced(timersPromises.scheduler, {
      wait: (milliseconds: number, options?: { signal?: AbortSignal }) =>
        delay(milliseconds, undefined, options),
      yield: () => immediate(),
    }),
    replaced(performance, { now: () => clock.programNow() }),
    replaced(process, { hrtime: virtualHrtime(clock) }),
    replaced(AbortSignal, { timeout: timeoutSignal }),
    replaced(Math, { random: random_by(seed) }),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const restore of restores.reverse()) restore();
    syncBuiltinESMExports();
  };
}
