import { debuglog } from 'node:util';
import { wrong } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { type channel_map, socket_map } from '../channel.js';
import { checkEntries, checkMap, checkTimeout } from '../checked.js';
import { NOTICE } from '../endpoint.js';
import { escapingTo } from '../handlers/escaping.js';
import { failed } from '../handlers/handling.js';
import { Asking } from './asking.js';
import { Channels } from './channels.js';
import { KernelQueue } from './kernel_queue.js';
import { ALL, BY_KIND, type Registration } from './registration.js';
import { LONGEST_TIMER } from './timeouts.js';

/** `loop`'s arguments by name. */
export interface loop_options {
  /** How long a pass waits at most, in seconds; null for as long as it takes. Default 30. */
  timeout?: number | null;
  /** true: poll(2) decides who is ready, false: select(2). Left out: the best the system has. */
  use_poll?: boolean | null;
  /** Default `socket_map`. */
  map?: channel_map | null;
  /** How many passes to do. Default: until the map is empty. */
  count?: number | null;
  /** Ends the loop: it rejects with the signal's reason. */
  signal?: AbortSignal | null;
}

/**
 * Serves the channels of a map until it is empty or `count` passes are done. Node's own event loop
 * does the waiting, so timers, promises and streams go on; nothing blocks, and an idle loop uses
 * no processor time. A pass ends when something was ready or after `timeout` seconds.
 *
 * Rejects with ExitNow or whatever else a handler lets through (see `handle_error`), and when a
 * loop already runs on the map; with a TypeError or RangeError for wrong arguments.
 */
export function loop(
  timeout?: number | null,
  use_poll?: boolean | null,
  map?: channel_map | null,
  count?: number | null,
): Promise<void>;
// Last: tsc's message is about the last overload, and a wrong name is the likeliest mistake.
export function loop(options: loop_options): Promise<void>;
export async function loop(
  first: loop_options | number | null = 30,
  use_poll?: boolean | null,
  map?: channel_map | null,
  count?: number | null,
): Promise<void> {
  const options =
    typeof first === 'object' && first !== null ? first : { timeout: first, use_poll, map, count };
  const running = checkedOptions(options);
  checkEntries('loop', running.map);
  running.signal?.throwIfAborted();
  if (running.map.size === 0 || running.count === 0) return;
  if (Channels.of(running.map).listener !== null) {
    throw new Error('loop: a loop already runs on this map: await the promise of that one');
  }
  await new Promise<void>((resolve, reject) => new Loop(running, resolve, reject));
}

/**
 * Whether the loop that runs on `map` now keeps the process alive while it waits, as it does from the start.
 * Its `timeout` does in any case. Without a loop it does nothing.
 */
export function keep_alive_while(map: channel_map, on: boolean): void {
  Channels.of(map).listener?.keepAlive(on);
}

interface Settings {
  timeout: number | null;
  use_poll: boolean | null;
  map: channel_map;
  count: number | null;
  signal: AbortSignal | null;
}

const OPTIONS = ['timeout', 'use_poll', 'map', 'count', 'signal'];

function checkedOptions(options: loop_options): Settings {
  if (options instanceof Map)
    throw wrong.type('loop: a map comes third, or by name: loop({ map })');
  for (const name of Object.keys(options)) {
    if (!OPTIONS.includes(name)) {
      throw wrong.type(`loop: there is no option ${name}, only ${OPTIONS.join(', ')}`);
    }
  }
  const { timeout = 30, use_poll = null, map, count = null, signal = null } = options;
  checkTimeout('loop', timeout);
  if (use_poll !== null && typeof use_poll !== 'boolean') {
    throw wrong.type('loop: use_poll must be true, false or left out');
  }
  checkMap('loop', map);
  if (count !== null && !(Number.isInteger(count) && count >= 0)) {
    throw wrong.range('loop: count must be an integer from 0, or null');
  }
  if (signal !== null && !(signal instanceof AbortSignal)) {
    throw wrong.type('loop: signal must be an AbortSignal');
  }
  return { timeout, use_poll, map: map ?? socket_map, count, signal };
}

/** How many descriptors a pass that ends by its timeout looks at, to see whether they are still open. */
const MOST_CHECKED = 256;
const debug = debuglog('asyncore_loop');

/**
 * Does one pass after the other while there are channels. A pass is: prepare (ask the channels that
 * have to be asked, and tell the kernel what has changed), wait (Node's own loop does that), dispatch.
 */
class Loop {
  readonly #settings: Settings;
  readonly #channels: Channels;
  readonly #asking = new Asking();
  readonly #kernel: KernelQueue;
  /** How many passes are left. */
  #left: number | null;
  /** How many synchronous passes the map had had when the channels were last asked. */
  #askedAt = 0;
  /** Whether the pass has found something. Then there may be more by now. */
  #mayBeMore = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #ended = false;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #aborted = () => this.fail(this.#settings.signal?.reason);

  constructor(settings: Settings, resolve: () => void, reject: (error: unknown) => void) {
    this.#settings = settings;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#left = settings.count;
    this.#channels = Channels.of(settings.map);
    this.#channels.all(); // throws for an object that is no channel, before anything is open
    this.#kernel = new KernelQueue(this.#channels, settings.use_poll, {
      ready: (again) => {
        this.#mayBeMore = false;
        this.#guarded(again ? this.#look : this.#pass);
        return this.#mayBeMore && !this.#ended;
      },
      prepare: () => this.#guarded(this.#prepare),
    });
    this.#channels.listen(this);
    settings.signal?.addEventListener('abort', this.#aborted);
    this.#startTimer();
    debug('loop: %d channels', settings.map.size);
  }

  // ---- a pass ----

  #prepare(): void {
    this.#askChanged();
    for (const registration of this.#asking.always) {
      this.#ask(registration);
      if (!registration.restless) this.#asking.always.delete(registration);
    }
    this.#kernel.beforeWaiting();
    if (this.#kernel.beside.size > 0) this.#passSoon();
    this.#askedAt = this.#channels.passes;
  }

  /** A pass in the same turn as the one before. If it finds nothing, it does not count as one. */
  #look(): void {
    this.#pass(true);
  }

  #pass(isLook = false): void {
    // A synchronous pass since prepare may have changed the answers.
    if (this.#askedAt !== this.#channels.passes) this.#prepare();
    if (this.#ended) return;
    const count = this.#kernel.wait();
    if (count === 0 && isLook) return;
    debug('pass: %d events', count + this.#kernel.beside.size);
    this.#dispatch(count, this.#channels.tick());
    if (!this.#ended) this.#askChanged();
    if (this.#ended) return;
    this.#endPass();
    this.#mayBeMore = count > 0 && this.#kernel.decides;
  }

  #endPass(): void {
    if (this.#settings.map.size > 0 && (this.#left === null || --this.#left > 0)) {
      this.#startTimer();
      return;
    }
    try {
      this.#end();
      this.#resolve();
    } catch (error) {
      this.#reject(error);
    }
  }

  // ---- asking the channels ----

  /** Asks the channels that did something. Those that are asked on every turn are left to prepare. */
  #askChanged(): void {
    const { always } = this.#asking;
    for (let asked = this.#asking.take(); asked !== null; asked = this.#asking.take()) {
      if (asked.removed) continue;
      if (asked.restless) {
        always.add(asked);
      } else {
        if (always.size > 0) always.delete(asked);
        this.#ask(asked);
      }
    }
    this.#kernel.prepareNextTurn(always.size > 0 || this.#kernel.beside.size > 0);
  }

  #ask(registration: Registration): void {
    if (registration.removed || this.#ended) return;
    if (registration.closed) {
      this.#kernel.forget(registration);
      if (registration.closedUntold) this.#kernel.serve(registration);
      return;
    }
    const wanted = registration.ask();
    if (registration.removed || this.#ended) return; // a predicate may have aborted the loop's signal
    this.#channels.timeouts.watch(registration);
    try {
      this.#kernel.watch(registration, registration.waitsFor());
    } catch (error) {
      this.#refused(registration, error);
    }
    if (wanted & NOTICE && !this.#ended) this.#kernel.serve(registration);
  }

  /** The kernel does not take the channel's descriptor. */
  #refused(registration: Registration, error: unknown): void {
    if (registration.removed) return;
    registration.rest();
    failed(registration.channel, error);
  }

  // ---- calling the handlers ----

  #dispatch(count: number, wait: number): void {
    const { pairs, beside } = this.#kernel;
    if (this.#settings.use_poll !== null || beside.size > 0) {
      this.#dispatchInOrder(count, wait);
      return;
    }
    for (let i = 0; i < count && !this.#ended; i++) {
      const registration = this.#channels.since(pairs[2 * i], wait);
      if (registration) this.#deliver(registration, registration.steps(pairs[2 * i + 1]), wait);
    }
  }

  /** The same in the order of the map and, with select(2), in its order of events. */
  #dispatchInOrder(count: number, wait: number): void {
    const batch = this.#batch(count, wait);
    for (const kind of this.#settings.use_poll === false ? BY_KIND : [ALL]) {
      for (const [registration, steps] of batch) {
        if (steps & kind && !this.#ended) this.#deliver(registration, steps & kind, wait);
      }
    }
  }

  /** The events in the map's order, including those that the kernel does not report. */
  #batch(count: number, wait: number): [Registration, steps: number][] {
    const { pairs, beside } = this.#kernel;
    const events = new Map<Registration, number>();
    for (let i = 0; i < count; i++) {
      const registration = this.#channels.since(pairs[2 * i], wait);
      if (registration) events.set(registration, pairs[2 * i + 1]);
    }
    for (const registration of beside) {
      const told = this.#kernel.takeBeside(registration);
      events.set(registration, (events.get(registration) ?? 0) | told);
    }
    return [...events]
      .sort(([a], [b]) => a.since - b.since)
      .map(([registration, events]) => [registration, registration.steps(events)]);
  }

  #deliver(registration: Registration, steps: number, wait: number): void {
    registration.deliver(steps, wait);
    if (!registration.removed && !registration.isAsBefore) this.changed(registration);
  }

  // ---- changes of the map and its channels ----

  changed(registration: Registration): void {
    if (this.#ended) return;
    if (this.#asking.add(registration)) this.#kernel.prepareSoon();
  }

  keepAlive(on: boolean): void {
    this.#kernel.keepAlive(on);
  }

  /** Takes the descriptor out of the kernel's queue at once, since it is about to be closed. */
  removed(registration: Registration): void {
    this.#kernel.forget(registration);
    this.#asking.always.delete(registration);
    this.#kernel.prepareSoon();
  }

  /** As `removed`, but the channel is to be told in the next pass that its socket is closed. */
  closed(registration: Registration): void {
    this.#kernel.forget(registration);
    this.changed(registration);
  }

  // ---- when ----

  #startTimer(): void {
    const { timeout } = this.#settings;
    if (timeout === null || this.#ended) return;
    if (timeout === 0 && this.#left !== null) {
      this.#passSoon();
    } else if (this.#timer) {
      this.#timer.refresh();
    } else {
      const milliseconds = Math.min(timeout * 1000, LONGEST_TIMER);
      this.#timer = clock.setTimeout(() => this.#guarded(this.#timedPass), milliseconds);
    }
  }

  #timedPass(): void {
    this.#findClosed();
    this.#wholePass();
  }

  /**
   * Finds descriptors that other code than this library has closed, because an epoll queue does not
   * report them. Each call looks at some of the descriptors.
   */
  #findClosed(): void {
    if (!this.#kernel.decides) return; // poll(2) and select(2) report them
    for (const registration of this.#channels.some(MOST_CHECKED)) {
      if (this.#kernel.isOpen(registration)) continue;
      registration.descriptorClosed();
      this.closed(registration);
    }
  }

  #passSoon(): void {
    this.#immediate ??= clock.setImmediate(() => {
      this.#immediate = undefined;
      this.#guarded(this.#wholePass);
    });
  }

  #wholePass(): void {
    this.#prepare();
    if (!this.#ended) this.#pass();
  }

  // ---- the end ----

  /** Runs a part of a pass. What it throws ends the loop. */
  #guarded(part: () => void): void {
    if (this.#ended) return;
    try {
      escapingTo(this, () => part.call(this));
      if (this.#settings.map.size === 0 && !this.#ended) this.#endPass();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Ends the loop with `error`. An async handler may fail after its loop has ended: then the map's
   * present loop takes the error.
   */
  fail(error: unknown): boolean {
    if (this.#ended) return this.#channels.listener?.fail(error) ?? false;
    try {
      this.#end();
    } catch {
      // The error that ended the loop says more than an error of closing the queue.
    }
    this.#reject(error);
    return true;
  }

  /** Throws the system's error if closing the queue fails. Even then the loop has ended. */
  #end(): void {
    debug('loop ends: %d channels', this.#settings.map.size);
    this.#ended = true;
    this.#channels.ignore();
    this.#asking.clear();
    clock.clearTimeout(this.#timer);
    clock.clearImmediate(this.#immediate);
    this.#settings.signal?.removeEventListener('abort', this.#aborted);
    this.#kernel.close();
  }
}
