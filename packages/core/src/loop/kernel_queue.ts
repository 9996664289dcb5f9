import {
  BEFORE_WAITING,
  epoll,
  errno,
  get_blocking,
  is_socket,
  kqueue,
  NEXT_TURN,
  NOTHING,
  new_wakeup,
  OSError,
  POLLERR,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  type Poller,
  poll,
  roomForBatch,
  select,
  state_of,
  type Wakeup,
} from '@asyncore/socket';
import { binding } from '@asyncore/socket/kernel';
import { ChangingFile, EDGE } from './changing_file.js';
import type { Channels } from './channels.js';
import { KNOWN_ERROR, NO_ERROR, type Registration } from './registration.js';

type Queue = Poller & { fileno(): number };

/** What a loop does when it is woken. */
export interface Wakes {
  /** Something is ready, or may be (`again`). True when there may be more already. */
  ready(again: boolean): boolean;
  /** Node is about to wait. */
  prepare(): void;
}

/** What a regular file is always ready for: it has no urgent bytes, and nobody can hang up. */
const ALWAYS = POLLIN | POLLOUT;

/**
 * What a loop tells the kernel, and what the kernel tells it: the queue (epoll or kqueue) that Node waits
 * for, and beside it, if `use_poll` is given, the poller that decides who is ready.
 */
export class KernelQueue {
  /** What `wait` gives: pairs fd, events. */
  readonly pairs = roomForBatch();
  readonly #channels: Channels;
  readonly #wakes: Wakes;
  #queue: Queue;
  #poller: Poller;
  #wakeup: Wakeup;
  #keepsAlive = true;
  /**
   * A descriptor could not be taken out: it was closed before, and a duplicate of it may still be in the
   * queue, or the kernel refused.
   */
  #mayHoldMore = false;
  /** Those that are ready although `wait` does not say so: see `toldBeside`. */
  readonly #beside = new Set<Registration>();
  /** Files that tell of a change only once, each with a queue of its own. */
  readonly #files = new Map<Registration, ChangingFile>();
  /** How many are watched for new events only. */
  #edges = 0;
  /** Those of them that have new events. */
  readonly #edgeTold = new Set<Registration>();
  /**
   * Those of them whose watch has just begun: the queue first reports what already is, which is not
   * new.
   */
  readonly #edgeBegun = new Set<Registration>();

  /** Throws what the system answers, having left nothing open. */
  constructor(channels: Channels, use_poll: boolean | null, wakes: Wakes) {
    this.#channels = channels;
    this.#wakes = wakes;
    this.#queue = newQueue();
    this.#poller = use_poll === null ? this.#queue : use_poll ? new poll() : new select();
    try {
      this.#wakeup = this.#waiting();
    } catch (error) {
      this.#queue.close();
      throw error;
    }
  }

  #waiting(): Wakeup {
    const wakeup = new_wakeup(
      this.#queue.fileno(),
      (again) => this.#wakes.ready(again),
      () => this.#wakes.prepare(),
    );
    if (!this.#keepsAlive) wakeup.keep_alive?.(false);
    return wakeup;
  }

  /** Whether it keeps the process alive, as it does from the start. */
  keepAlive(on: boolean): void {
    if (this.#keepsAlive === on) return;
    this.#keepsAlive = on;
    this.#wakeup.keep_alive?.(on);
  }

  /** Whether the queue itself decides who is ready. */
  get decides(): boolean {
    return this.#poller === this.#queue;
  }

  /** Those that are ready without `wait` saying so. */
  get beside(): ReadonlySet<Registration> {
    return this.#beside;
  }

  /** Has `prepare` called before Node waits, also if it was called in this turn already. */
  prepareSoon(): void {
    this.#wakeup.pending = BEFORE_WAITING;
  }

  /** Has `prepare` called on the next turn of Node's loop, or not at all. */
  prepareNextTurn(isNeeded: boolean): void {
    this.#wakeup.pending = isNeeded ? NEXT_TURN : NOTHING;
  }

  /** Writes those that are ready into `pairs`, and gives their number. Does not block. */
  wait(): number {
    let count = this.#poller.wait(this.pairs, 0);
    if (this.#mayHoldMore && this.#wokeInVain(count)) {
      this.#renew();
      count = 0; // the new queue tells the others again
    }
    if (this.#edges > 0 && !this.decides) this.#takeEdges();
    return count;
  }

  /**
   * Whether the queue woke us for a descriptor that is closed, whose number another one has now, or that
   * nobody waits for.
   */
  #wokeInVain(count: number): boolean {
    for (let i = 0; i < count; i++) {
      const registration = this.#channels.get(this.pairs[2 * i]);
      const events = this.pairs[2 * i + 1];
      if (registration === undefined || registration.watched === 0) return true;
      if ((state_of(registration.fd, events) & events) === 0) return true;
    }
    return count === 0 && this.#beside.size === 0;
  }

  /** Only a new queue gets rid of what epoll_ctl(2) can no longer name. */
  #renew(): void {
    this.#mayHoldMore = false;
    this.#wakeup.close();
    this.#queue.close();
    const queue = newQueue();
    if (this.decides) this.#poller = queue;
    this.#queue = queue;
    this.#wakeup = this.#waiting();
    for (const registration of this.#channels.all()) {
      const { watched } = registration;
      registration.watched = 0;
      if (!this.decides) change(this.#poller, registration.fd, levels(watched), 0);
      registration.changed();
    }
  }

  // ---- what to watch ----

  /**
   * Has the kernel watch for `events`, which the channel waits for. Throws the system's error if it
   * cannot.
   */
  watch(registration: Registration, events: number): void {
    const now =
      registration.error && events !== 0 ? this.#withoutError(registration, events) : events;
    if (now !== registration.watched) this.#change(registration, now);
    if (this.#isTold(registration)) this.#beside.add(registration);
    else if (this.#beside.size > 0) this.#beside.delete(registration);
  }

  /** Whether it is ready although `wait` does not say so. Mostly answered without a system call. */
  #isTold(registration: Registration): boolean {
    const isOrdinary = !registration.alwaysReady && !(registration.watched & EDGE);
    if (isOrdinary && this.#files.size === 0) return false;
    return this.toldBeside(registration) !== 0;
  }

  /** It is served in the next pass, whatever the kernel says. */
  serve(registration: Registration): void {
    this.#beside.add(registration);
  }

  /** Takes it out, while its descriptor is still open. */
  forget(registration: Registration): void {
    if (registration.watched !== 0) this.#change(registration, 0);
    this.#beside.delete(registration);
    if (this.#edges === 0 && this.#edgeTold.size + this.#edgeBegun.size === 0) return;
    this.#edgeTold.delete(registration);
    this.#edgeBegun.delete(registration);
  }

  #change(registration: Registration, events: number): void {
    const { fd } = registration;
    const isFile = events === POLLPRI && isChangingFile(registration);
    if (this.#files.size > 0 && !isFile) this.#forgetFile(registration);
    const before = this.#files.has(registration) ? 0 : registration.watched;
    const now = isFile ? 0 : events;
    registration.watched = events;
    this.#edges += (now & EDGE ? 1 : 0) - (before & EDGE ? 1 : 0);
    try {
      if (!this.decides) change(this.#poller, fd, levels(before), levels(now));
      if (!registration.alwaysReady && change(this.#queue, fd, before, now)) {
        this.#mayHoldMore = true;
      }
      if (isFile) this.#watchFile(registration);
    } catch (error) {
      this.#refused(registration, error);
    }
  }

  /**
   * Three cases: a regular file, which is always ready; a descriptor that was closed by others (then the
   * queue knows it no longer); and one that the poller cannot take.
   */
  #refused(registration: Registration, error: unknown): void {
    const code = error instanceof OSError ? error.code : '';
    if (code === 'EPERM') {
      registration.alwaysReady = true;
      return;
    }
    if (!this.decides) change(this.#poller, registration.fd, POLLIN, 0);
    registration.watched = 0;
    throw code === 'ENOENT' ? new OSError('poll', errno.EBADF) : error;
  }

  /** False if its descriptor was closed by others than this library: fcntl(2). */
  isOpen({ fd, watched }: Registration): boolean {
    if (watched === 0) return true;
    try {
      get_blocking(fd);
      return true;
    } catch (error) {
      if (error instanceof OSError) return false;
      throw error;
    }
  }

  // ---- those that are ready without `wait` saying so ----

  /**
   * The events that neither the queue nor the poller reports. They are of a channel whose socket is
   * closed, that is always ready, whose socket keeps an error, or whose file has changed.
   */
  toldBeside(registration: Registration): number {
    if (registration.closed) return registration.closedUntold ? POLLNVAL : 0;
    const { alwaysReady, fd, wanted, watched } = registration;
    if (alwaysReady) return wanted & ALWAYS;
    if (watched & EDGE) {
      const news = this.#edgeTold.has(registration) ? POLLERR : 0;
      return state_of(fd, wanted) & (wanted | news);
    }
    return this.#files.size > 0 ? (this.#files.get(registration)?.events ?? 0) : 0;
  }

  /** The same events. From now on they count as told. */
  takeBeside(registration: Registration): number {
    const events = this.toldBeside(registration);
    this.#edgeTold.delete(registration);
    this.#files.get(registration)?.take();
    return events;
  }

  /**
   * To be called before Node waits. A watch that has just begun reports once what already is, and
   * that is taken out here.
   */
  beforeWaiting(): void {
    for (const [registration, file] of this.#files) {
      file.beforeWaiting();
      if (file.events !== 0) this.#beside.add(registration);
    }
    if (this.#edgeBegun.size > 0) this.#takeEdges();
  }

  /**
   * What to watch for when the socket keeps an error that was told: new events only, as long as the
   * error stays.
   */
  #withoutError(registration: Registration, events: number): number {
    if ((state_of(registration.fd, 0) & POLLERR) === 0) {
      registration.error = NO_ERROR;
      return events;
    }
    if (!(registration.watched & EDGE)) {
      // The queue first reports what already is, which a channel that knows the error need not hear.
      if (registration.error === KNOWN_ERROR) this.#edgeBegun.add(registration);
      registration.error = KNOWN_ERROR;
    }
    return events | EDGE;
  }

  /**
   * Takes the reports of those that are watched for new events only. The queue reports the others
   * again.
   */
  #takeEdges(): void {
    const pairs = roomForBatch();
    const count = this.#queue.wait(pairs, 0);
    for (let i = 0; i < count; i++) {
      const registration = this.#channels.get(pairs[2 * i]);
      if (registration === undefined || !(registration.watched & EDGE)) continue;
      const isBeginning = this.#edgeBegun.delete(registration);
      if (isBeginning && !(pairs[2 * i + 1] & registration.wanted)) continue;
      this.#edgeTold.add(registration);
      this.#beside.add(registration);
    }
  }

  #watchFile(registration: Registration): void {
    if (registration.alwaysReady || this.#files.has(registration)) return;
    const file = new ChangingFile(registration.fd, () => {
      this.#beside.add(registration);
      this.#wakes.ready(false);
    });
    this.#files.set(registration, file);
    this.prepareSoon();
  }

  #forgetFile(registration: Registration): void {
    const file = this.#files.get(registration);
    if (file === undefined) return;
    this.#files.delete(registration);
    registration.watched = 0;
    file.close();
  }

  /**
   * Stops watching and closes everything. Throws the error of close(2), after everything is closed.
   */
  close(): void {
    for (const registration of this.#channels.all()) {
      registration.watched = 0;
      registration.alwaysReady = false;
    }
    this.#wakeup.close();
    for (const file of this.#files.values()) file.close();
    try {
      this.#queue.close();
    } finally {
      this.#poller.close();
    }
  }
}

/** The events for the poller. Only the queue watches for new events alone. */
function levels(events: number): number {
  return events & EDGE ? 0 : events;
}

function isChangingFile({ channel, fd }: Registration): boolean {
  const { socket } = channel as { socket?: { type?: number } | null };
  return EDGE !== 0 && socket?.type === undefined && !is_socket(fd);
}

function newQueue(): Queue {
  return binding.epoll_create ? new epoll() : new kqueue();
}

/**
 * Registers, modifies or unregisters, as the difference requires. True if it should be unregistered
 * and is perhaps still there: it was closed already, and has a duplicate, or the kernel refuses.
 */
function change(poller: Poller, fd: number, before: number, now: number): boolean {
  try {
    if (before === now) return false;
    if (before === 0) poller.register(fd, now);
    else if (now !== 0) poller.modify(fd, now);
    else poller.unregister(fd);
  } catch (error) {
    if (!(error instanceof OSError && now === 0)) throw error;
    return true;
  }
  return false;
}
