import { debuglog } from 'node:util';
import {
  BEFORE_WAITING,
  epoll,
  errno,
  kqueue,
  NEXT_TURN,
  NOTHING,
  new_wakeup,
  OSError,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  type Poller,
  poll,
  roomForBatch,
  select,
  type Wakeup,
  wrong,
} from '@asyncore/socket';
import { type channel_map, socket_map } from './channel.js';
import { Channels } from './channels.js';
import { checkMap, checkTimeout } from './checked.js';
import { NOTICE as DUE } from './endpoint.js';
import { escapingTo } from './handlers/escaping.js';
import { failed } from './handlers/handling.js';
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
// The last one, since tsc's message is about that: a wrong name is the likeliest mistake.
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
  running.signal?.throwIfAborted();
  if (running.map.size === 0 || running.count === 0) return;
  if (Channels.of(running.map).listener !== null) {
    throw new Error('loop: a loop already runs on this map');
  }
  await new Promise<void>((resolve, reject) => new Loop(running, resolve, reject));
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

/** What a regular file is always ready for: it has no urgent bytes, and nobody can hang up. */
const ALWAYS = POLLIN | POLLOUT;
const debug = debuglog('asyncore');

/**
 * A pass is: prepare (ask those that have to be asked, tell the kernel the differences), wait (in
 * Node's own loop), dispatch.
 */
class Loop {
  #channels: Channels;
  #settings: Settings;
  #queue: Poller & { fileno(): number };
  /** Who decides: the queue itself, or what `use_poll` asks for. */
  #poller: Poller;
  /** A descriptor was closed behind its channel's back: a duplicate of it may still be in the queue. */
  #haunted = false;
  #wakeup: Wakeup;
  #pairs = roomForBatch();
  /** The pass has found something, so that there may be more by now. */
  #mayBeMore = false;

  /** Those to ask before the next wait, those to ask always, those ready without being told. */
  #firstToAsk: Registration | null = null;
  #lastToAsk: Registration | null = null;
  #restless = new Set<Registration>();
  #ready = new Set<Registration>();

  /** The map's number of synchronous passes when this loop last asked. */
  #passes = 0;

  #left: number | null;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #ended = false;
  #resolve: () => void;
  #reject: (error: unknown) => void;
  #aborted = () => this.fail(this.#settings.signal?.reason);

  constructor(settings: Settings, resolve: () => void, reject: (error: unknown) => void) {
    this.#settings = settings;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#left = settings.count;
    this.#channels = Channels.of(settings.map);
    this.#channels.all(); // what is no channel throws, before anything is open
    this.#queue = newQueue();
    this.#poller =
      settings.use_poll === null ? this.#queue : settings.use_poll ? new poll() : new select();
    try {
      this.#wakeup = this.#waiting();
    } catch (error) {
      this.#queue.close();
      throw error;
    }
    this.#channels.listen(this);
    settings.signal?.addEventListener('abort', this.#aborted);
    this.#startTimer();
    debug('loop: %d channels', settings.map.size);
  }

  #waiting(): Wakeup {
    return new_wakeup(
      this.#queue.fileno(),
      (again) => {
        this.#mayBeMore = false;
        this.#guarded(again ? this.#look : this.#pass);
        return this.#mayBeMore && !this.#ended;
      },
      () => this.#guarded(this.#prepare),
    );
  }

  // ---- what the map's channels tell ----

  changed(registration: Registration): void {
    if (registration.next !== undefined || this.#ended) return;
    registration.next = null;
    if (this.#lastToAsk === null) this.#firstToAsk = registration;
    else this.#lastToAsk.next = registration;
    this.#lastToAsk = registration;
    this.#wakeup.pending = BEFORE_WAITING;
  }

  /** Out of the kernel's queue at once: the descriptor is about to be closed. */
  removed(registration: Registration): void {
    this.#watch(registration, 0);
    this.#restless.delete(registration);
    this.#ready.delete(registration);
    this.#wakeup.pending = BEFORE_WAITING;
  }

  // ---- a pass ----

  #prepare(): void {
    this.#askChanged();
    for (const registration of this.#restless) {
      this.#ask(registration);
      if (!registration.restless) this.#restless.delete(registration);
    }
    if (this.#ready.size > 0) this.#passSoon();
    this.#passes = this.#channels.passes;
  }

  /** Asks those that did something, except the restless: prepare asks these in any case. */
  #askChanged(): void {
    for (let asked = this.#dequeue(); asked !== null; asked = this.#dequeue()) {
      if (asked.gone) continue;
      if (asked.restless) {
        this.#restless.add(asked);
      } else {
        if (this.#restless.size > 0) this.#restless.delete(asked);
        this.#ask(asked);
      }
    }
    this.#wakeup.pending = this.#restless.size > 0 || this.#ready.size > 0 ? NEXT_TURN : NOTHING;
  }

  #dequeue(): Registration | null {
    const registration = this.#firstToAsk;
    if (registration === null) return null;
    this.#firstToAsk = registration.next ?? null;
    if (this.#firstToAsk === null) this.#lastToAsk = null;
    registration.next = undefined;
    return registration;
  }

  #ask(registration: Registration): void {
    if (registration.gone || this.#ended) return;
    const wanted = registration.ask();
    if (registration.gone || this.#ended) return; // a predicate may end the loop by its signal
    const { stale } = registration;
    const events = stale ? 0 : wanted & ~DUE;
    if (events !== registration.watched) this.#watch(registration, events);
    if (wanted & DUE || told(registration, stale) !== 0) this.#ready.add(registration);
    else if (this.#ready.size > 0) this.#ready.delete(registration);
  }

  /** A pass in the same turn as the one before. Finding nothing, it is none. */
  #look(): void {
    this.#pass(true);
  }

  #pass(isLook = false): void {
    // A synchronous pass since prepare may have changed the answers.
    if (this.#passes !== this.#channels.passes) this.#prepare();
    if (this.#ended) return;
    const count = this.#poller.wait(this.#pairs, 0);
    if (count === 0 && isLook) return;
    debug('pass: %d events', count + this.#ready.size);
    if (this.#haunted && this.#isStray(count)) this.#renew();
    this.#dispatch(count, this.#channels.tick());
    if (this.#ended) return;
    this.#askChanged();
    if (this.#ended) return;
    this.#endPass();
    this.#mayBeMore = count > 0 && this.#poller === this.#queue;
  }

  #dispatch(count: number, wait: number): void {
    if (this.#settings.use_poll === null && this.#ready.size === 0) {
      for (let i = 0; i < count && !this.#ended; i++) {
        const registration = this.#registrationOf(this.#pairs[2 * i], wait);
        if (!registration) continue;
        this.#deliver(registration, registration.steps(this.#pairs[2 * i + 1]), wait);
      }
      return;
    }
    const batch = this.#batch(count, wait);
    for (const kind of this.#settings.use_poll === false ? BY_KIND : [ALL]) {
      for (const [registration, steps] of batch) {
        if (steps & kind && !this.#ended) this.#deliver(registration, steps & kind, wait);
      }
    }
  }

  /** The events in the map's order, with those that the kernel does not tell. */
  #batch(count: number, wait: number): [Registration, number][] {
    const events = new Map<Registration, number>();
    for (let i = 0; i < count; i++) {
      const registration = this.#registrationOf(this.#pairs[2 * i], wait);
      if (registration) events.set(registration, this.#pairs[2 * i + 1]);
    }
    for (const registration of this.#ready) {
      events.set(registration, (events.get(registration) ?? 0) | told(registration));
    }
    return [...events]
      .sort(([a], [b]) => a.since - b.since)
      .map(([registration, events]) => [registration, registration.steps(events)]);
  }

  /** Whether the queue woke us for nobody. */
  #isStray(count: number): boolean {
    for (let i = 0; i < count; i++) if (!this.#channels.get(this.#pairs[2 * i])) return true;
    return count === 0 && this.#ready.size === 0;
  }

  /** Only a new queue gets rid of what epoll_ctl(2) can no longer name. */
  #renew(): void {
    this.#haunted = false;
    this.#wakeup.close();
    this.#queue.close();
    const queue = newQueue();
    if (this.#poller === this.#queue) this.#poller = queue;
    this.#queue = queue;
    this.#wakeup = this.#waiting();
    for (const registration of this.#channels.all()) {
      const { watched } = registration;
      registration.watched = 0;
      if (this.#poller !== queue) change(this.#poller, registration.fd, watched, 0);
      this.changed(registration);
    }
  }

  /** Only if it was there before the wait: else the event is of its descriptor's past. */
  #registrationOf(fd: number, wait: number): Registration | undefined {
    const registration = this.#channels.get(fd);
    return registration && registration.since < wait ? registration : undefined;
  }

  #deliver(registration: Registration, steps: number, wait: number): void {
    registration.deliver(steps, wait);
    if (!registration.gone) this.changed(registration);
  }

  #endPass(): void {
    if (this.#settings.map.size === 0 || (this.#left !== null && --this.#left === 0)) {
      this.#end();
      this.#resolve();
    } else {
      this.#startTimer();
    }
  }

  // ---- telling the kernel ----

  #watch(registration: Registration, events: number): void {
    const { fd, watched } = registration;
    registration.watched = events;
    try {
      if (this.#poller !== this.#queue) change(this.#poller, fd, watched, events);
      if (!registration.alwaysReady && change(this.#queue, fd, watched, events)) {
        this.#haunted = true;
      }
    } catch (error) {
      this.#refused(registration, error);
    }
  }

  /**
   * Three cases: a regular file, which is always ready; a descriptor that was closed behind the
   * channel's back (then the queue knows it no longer); and one that the poller cannot take.
   */
  #refused(registration: Registration, error: unknown): void {
    const code = error instanceof OSError ? error.code : '';
    if (code === 'EPERM') {
      registration.alwaysReady = true;
      return;
    }
    if (this.#poller !== this.#queue) change(this.#poller, registration.fd, POLLIN, 0);
    registration.watched = 0;
    if (registration.gone) return;
    registration.rest();
    failed(registration.channel, code === 'ENOENT' ? new OSError('poll', errno.EBADF) : error);
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
      this.#timer = setTimeout(() => this.#guarded(this.#wholePass), milliseconds);
    }
  }

  #passSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.#guarded(this.#wholePass);
    });
  }

  #wholePass(): void {
    this.#prepare();
    if (!this.#ended) this.#pass();
  }

  // ---- the end ----

  /** Runs a part of a pass; what comes out of it ends the loop. */
  #guarded(part: () => void): void {
    if (this.#ended) return;
    try {
      escapingTo(this, () => part.call(this));
      if (this.#settings.map.size === 0 && !this.#ended) this.#endPass();
    } catch (error) {
      this.fail(error);
    }
  }

  /** An async handler may outlive its loop: then the map's next loop takes the error. */
  fail(error: unknown): boolean {
    if (this.#ended) return this.#channels.listener?.fail(error) ?? false;
    this.#end();
    this.#reject(error);
    return true;
  }

  #end(): void {
    debug('loop ends: %d channels', this.#settings.map.size);
    this.#ended = true;
    this.#channels.ignore();
    for (const registration of this.#channels.all()) {
      registration.watched = 0;
      registration.alwaysReady = false;
    }
    while (this.#dequeue() !== null);
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#settings.signal?.removeEventListener('abort', this.#aborted);
    this.#wakeup.close();
    this.#queue.close();
    this.#poller.close();
  }
}

/** The events of a channel that the kernel does not tell. */
function told(registration: Registration, stale = registration.stale): number {
  if (registration.wanted !== 0 && stale) return POLLNVAL;
  return registration.alwaysReady ? registration.wanted & ALWAYS : 0;
}

function newQueue(): Poller & { fileno(): number } {
  return process.platform === 'linux' ? new epoll() : new kqueue();
}

/**
 * Registers, changes or takes out, whichever the difference is. True when it was to be taken out and
 * was closed already.
 */
function change(poller: Poller, fd: number, before: number, now: number): boolean {
  try {
    if (before === now) return false;
    if (before === 0) poller.register(fd, now);
    else if (now !== 0) poller.modify(fd, now);
    else poller.unregister(fd);
  } catch (error) {
    // Closed already, which has taken it out, unless there is a duplicate.
    const gone = error instanceof OSError && [errno.EBADF, errno.ENOENT].includes(-error.errno);
    if (!(gone && now === 0)) throw error;
    return true;
  }
  return false;
}
