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
  /** Something is ready, or may be ready (`again`). Returns true if there may be more already. */
  ready(again: boolean): boolean;
  /** Node is about to wait. */
  prepare(): void;
}

/** What a regular file is always ready for. It has no urgent bytes, and nobody can hang up. */
const ALWAYS = POLLIN | POLLOUT;

/**
 * Everything between a loop and the kernel: the queue (epoll or kqueue) that Node waits for and, if
 * `use_poll` is given, the poller that decides which descriptors are ready.
 */
export class KernelQueue {
  /** The result of `wait`: pairs of fd and events. */
  readonly pairs = roomForBatch();
  readonly #channels: Channels;
  readonly #wakes: Wakes;
  #queue: Queue;
  #poller: Poller;
  #wakeup: Wakeup;
  #keepsAlive = true;
  /**
   * Whether the queue may still hold a descriptor that should be out of it. Either it was closed before
   * it could be taken out, and a duplicate keeps it there, or the kernel refused.
   */
  #mayHoldMore = false;
  /** The channels that are ready although `wait` does not report them: see `toldBeside`. */
  readonly #beside = new Set<Registration>();
  /** Files that report a change only once. Each has a queue of its own. */
  readonly #files = new Map<Registration, ChangingFile>();
  /** How many channels are watched for new events only (EDGE). */
  #edges = 0;
  /** The channels among these that have new events. */
  readonly #edgeTold = new Set<Registration>();
  /**
   * The channels among these whose watch has just begun. The queue first reports the events that there
   * are already, which are not new.
   */
  readonly #edgeBegun = new Set<Registration>();

  /** Throws the system's error, and then leaves nothing open. */
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

  /** The channels that are ready although `wait` does not report them. */
  get beside(): ReadonlySet<Registration> {
    return this.#beside;
  }

  /** Makes the wakeup call `prepare` before Node waits, also if it has done so in this turn. */
  prepareSoon(): void {
    this.#wakeup.pending = BEFORE_WAITING;
  }

  /** Makes the wakeup call `prepare` on the next turn of Node's loop, or not at all. */
  prepareNextTurn(isNeeded: boolean): void {
    this.#wakeup.pending = isNeeded ? NEXT_TURN : NOTHING;
  }

  /**
   * Writes the descriptors that are ready, with their events, into `pairs`, and returns their number.
   * Does not block.
   */
  wait(): number {
    let count = this.#poller.wait(this.pairs, 0);
    if (this.#mayHoldMore && this.#wokeInVain(count)) {
      this.#renew();
      count = 0; // the new queue reports the other descriptors again
    }
    if (this.#edges > 0 && !this.decides) this.#takeEdges();
    return count;
  }

  /**
   * Whether the queue woke the loop for nothing: for a descriptor that is closed, that no channel waits
   * for, or whose number now belongs to another channel.
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

  /**
   * Makes a new queue. That is the only way to get rid of a descriptor that epoll_ctl(2) can no longer
   * name.
   */
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

  /** Tells the kernel to watch for `events`, which the channel waits for. Throws the system's error. */
  watch(registration: Registration, events: number): void {
    const now =
      registration.error && events !== 0 ? this.#withoutError(registration, events) : events;
    if (now !== registration.watched) this.#change(registration, now);
    if (this.#isTold(registration)) this.#beside.add(registration);
    else if (this.#beside.size > 0) this.#beside.delete(registration);
  }

  /**
   * Whether the channel is ready although `wait` does not report it. Needs no system call in most cases.
   */
  #isTold(registration: Registration): boolean {
    const isOrdinary = !registration.alwaysReady && !(registration.watched & EDGE);
    if (isOrdinary && this.#files.size === 0) return false;
    return this.toldBeside(registration) !== 0;
  }

  /** Serves the channel in the next pass, whatever the kernel reports. */
  serve(registration: Registration): void {
    this.#beside.add(registration);
  }

  /** Stops watching the channel. Must be called while its descriptor is still open. */
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
   * The kernel has refused a descriptor, for one of three reasons: it is a regular file, which is
   * always ready; other code has closed it, so that it is no longer in the queue; or the poller cannot
   * take it.
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

  /** False if other code than this library has closed the descriptor: fcntl(2). */
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

  // ---- channels that are ready although `wait` does not report them ----

  /**
   * The events of a channel that neither the queue nor the poller reports. There are some if its socket
   * is closed, if it is always ready, if its socket keeps an error, or if its file has changed.
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

  /** Returns the same events, which count as reported from now on. */
  takeBeside(registration: Registration): number {
    const events = this.toldBeside(registration);
    this.#edgeTold.delete(registration);
    this.#files.get(registration)?.take();
    return events;
  }

  /**
   * Must be called before Node waits. A watch that has just begun reports once the events that there
   * are already. These reports are taken out here.
   */
  beforeWaiting(): void {
    for (const [registration, file] of this.#files) {
      file.beforeWaiting();
      if (file.events !== 0) this.#beside.add(registration);
    }
    if (this.#edgeBegun.size > 0) this.#takeEdges();
  }

  /**
   * What to watch for when the channel knows of an error that its socket keeps: new events only, as
   * long as the error stays.
   */
  #withoutError(registration: Registration, events: number): number {
    if ((state_of(registration.fd, 0) & POLLERR) === 0) {
      registration.error = NO_ERROR;
      return events;
    }
    if (!(registration.watched & EDGE)) {
      // The queue first reports the events that there are already. A channel that knows the error needs
      // no such report.
      if (registration.error === KNOWN_ERROR) this.#edgeBegun.add(registration);
      registration.error = KNOWN_ERROR;
    }
    return events | EDGE;
  }

  /**
   * Takes out the reports of channels that are watched for new events only. The queue reports the other
   * channels again.
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

  /** Stops watching and closes everything, and then throws the error of close(2), if there was one. */
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

/** The events for the poller. Channels with EDGE are watched by the queue alone. */
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
 * Registers, modifies or unregisters `fd`, as the difference requires. Returns true if it should be
 * unregistered and may still be there: it was closed already and has a duplicate, or the kernel refuses.
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
