import { wrong } from '../wrong.js';
import { LibuvWakeup } from './libuv.js';
import type { Wakeup, WakeupFactory } from './wakeup.js';

const libuv: WakeupFactory = (queue, ready, prepare) => new LibuvWakeup(queue, ready, prepare);
let current = libuv;

/**
 * Lets `factory` make the wakeups of this thread from now on, null: libuv again. Loops that run
 * already keep theirs.
 */
export function use_wakeup(factory: WakeupFactory | null): void {
  if (factory !== null && typeof factory !== 'function') {
    throw wrong.type('use_wakeup: factory must be a function or null');
  }
  current = factory ?? libuv;
}

/** Starts to wait for `queue`, by whatever `use_wakeup` named: {@link Wakeup}. */
export function new_wakeup(...args: Parameters<WakeupFactory>): Wakeup {
  const [queue, ready, prepare] = args;
  if (!Number.isInteger(queue)) throw wrong.type('new_wakeup: queue must be a descriptor');
  for (const [name, value] of Object.entries({ ready, prepare })) {
    if (typeof value !== 'function') throw wrong.type(`new_wakeup: ${name} must be a function`);
  }
  return current(queue, ready, prepare);
}
