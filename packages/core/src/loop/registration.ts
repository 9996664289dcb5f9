import {
  is_socket,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  state_of,
} from '@asyncore/socket';
import { is_announced } from '../announced.js';
import type { channel } from '../channel.js';
import { type Endpoint, endpoint, NOTICE as NOTICED, type Served } from '../endpoint.js';
import { failedWithin, handling, settle } from '../handlers/handling.js';
import { isPending } from '../handlers/promises.js';
import { beginHandler, endHandler } from '../output/gathering.js';
import { PlainEndpoint } from '../plain_endpoint.js';

const RDHUP = POLLRDHUP ?? 0;
const ENDED = POLLERR | POLLHUP | POLLNVAL | RDHUP;
const READABLE = POLLIN | ENDED;
const WRITABLE = POLLOUT | POLLERR;
const UNUSUAL = POLLPRI | ENDED;

/** The steps of serving a channel, one bit each. */
const READ = 1;
const WRITE = 2;
const URGENT = 4;
const END = 8;
const NOTICE = 16;
/** Together with END: there is still something to read. */
const UNREAD = 32;
/**
 * As URGENT, but done before READ, because the urgent byte is the next one, and a read would skip it
 * and lose it.
 */
const URGENT_FIRST = 64;
export const ALL = READ | WRITE | URGENT | END | UNREAD | NOTICE | URGENT_FIRST;
/** In asyncore's poll, with select(2), all reads come first, then all writes, and so on. */
export const BY_KIND = [READ | URGENT_FIRST | NOTICE, WRITE, URGENT, END | UNREAD];

/**
 * What is known of errors that a socket keeps in its queue of errors (IP_RECVERR) while it can still be
 * used. This one: there is none.
 */
export const NO_ERROR = 0;
/** The channel's handlers were called, and have left the error in the queue. */
export const NEW_ERROR = 1;
/** The channel knows of the error, and is told of new errors only. */
export const KNOWN_ERROR = 2;

/** What became of the descriptor, if it was closed while the channel was in the map. */
const OPEN = 0;
const CLOSED = 1;
/** The channel was told. */
const CLOSED_TOLD = 2;

/** What only few registrations have to remember. The others share one such object. */
class Rare {
  /** Events that the channel waits for, but is not told of again, because the loop would only spin. */
  muted = 0;
  /** Whether its socket keeps an error that it was told of. */
  error: typeof NO_ERROR | typeof NEW_ERROR | typeof KNOWN_ERROR = NO_ERROR;
  /** Whether the transport waits for other events on the descriptor than the channel does. */
  isCrossed = false;
  descriptor: typeof OPEN | typeof CLOSED | typeof CLOSED_TOLD = OPEN;
  /** What the channel answered when it was put to rest; -1 when it is not at rest. */
  restedAt = -1;
  /** Whether the kernel's queue has refused the descriptor because it is always ready: a regular file. */
  alwaysReady = false;
}
const NOTHING_RARE = Object.freeze(new Rare());

/** The object that keeps the registrations of a map. */
interface Owner {
  /** The channel may answer otherwise than before. */
  changed(registration: Registration): void;
  /** Returns a number that is larger than all before. */
  tick(): number;
  /** The registration is no longer in the map. */
  forget(registration: Registration): void;
}

/**
 * One channel under one descriptor in one map, for as long as it stays there. Events belong to a
 * registration, not to a number: if a descriptor is closed and its number is used again, that is another
 * registration.
 */
export class Registration {
  /** No longer in the map. */
  removed = false;
  /** The events that the channel waits for, as it answered when it was last asked. */
  wanted = 0;
  /**
   * The next in the loop's list of channels to be asked; null at the end, undefined when not in the
   * list.
   */
  next: Registration | null | undefined = undefined;
  /** The events that the loop has told the kernel to watch for. */
  watched = 0;
  /** The channel's timeout in seconds, as Timeouts last saw it; 0 for none. */
  timeout = 0;

  readonly channel: Served;
  readonly endpoint: Endpoint;
  /** The number of the connection that the channel had when it was last asked. */
  private life: number;
  /** What the channel answered last. */
  private asked = 0;
  /**
   * The wait whose events the channel was last given, or the time when its connection began. Older
   * events are dropped.
   */
  served = 0;
  private rare: Readonly<Rare> = NOTHING_RARE;

  constructor(
    /** Who keeps it. */
    readonly owner: Owner,
    readonly fd: number,
    channel: channel,
    /** When it was made, by the map's own time. */
    readonly since: number,
  ) {
    this.channel = channel;
    this.endpoint = this.channel[endpoint] ?? new PlainEndpoint(channel, fd);
    this.life = this.endpoint.life;
  }

  private change(what: Partial<Rare>): void {
    this.rare =
      this.rare === NOTHING_RARE ? Object.assign(new Rare(), what) : { ...this.rare, ...what };
  }

  /** Whether its socket keeps an error that it was told of. */
  get error(): Rare['error'] {
    return this.rare.error;
  }

  set error(error: Rare['error']) {
    if (error !== this.rare.error) this.change({ error });
  }

  /** Whether it is a regular file: see Rare. */
  get alwaysReady(): boolean {
    return this.rare.alwaysReady;
  }

  set alwaysReady(alwaysReady: boolean) {
    if (alwaysReady !== this.rare.alwaysReady) this.change({ alwaysReady });
  }

  /** Whether the channel has to be asked on every pass, since only it knows when its answers change. */
  get restless(): boolean {
    const { channel, endpoint } = this;
    return (
      endpoint.watcher !== this || // the channel announces its changes to another registration
      !endpoint.announces ||
      !is_announced(channel.readable) ||
      !is_announced(channel.writable)
    );
  }

  /** The socket was closed, but not by the channel. Its number may belong to another one by now. */
  get closed(): boolean {
    return this.rare.descriptor !== OPEN || this.ownDescriptor() !== this.fd;
  }

  /** The same, and the channel has yet to be told. */
  get closedUntold(): boolean {
    return this.rare.descriptor !== CLOSED_TOLD && this.closed && this.alive;
  }

  /** The descriptor of the channel's socket, -1 when it is closed. */
  private ownDescriptor(): number {
    return this.endpoint.descriptor() ?? this.fd;
  }

  /**
   * The descriptor was closed, but the channel's socket still has that number, which may be open
   * again.
   */
  get mayBeOpenAgain(): boolean {
    return this.rare.descriptor !== OPEN && this.ownDescriptor() === this.fd;
  }

  /**
   * Whether the channel's socket has another descriptor by now, or none: then another channel may
   * take this place.
   */
  get displaceable(): boolean {
    return this.rare.descriptor === CLOSED && this.ownDescriptor() !== this.fd && this.alive;
  }

  /** The descriptor is being closed or given away. */
  descriptorClosed(): void {
    if (this.rare.descriptor === OPEN) this.change({ descriptor: CLOSED });
  }

  /**
   * Whether the channel can still be served. Check this after every handler, which may have closed the
   * channel.
   */
  get alive(): boolean {
    return !this.removed && !this.endpoint.over;
  }

  forget(): void {
    this.owner.forget(this);
  }

  /** The channel's answers may have changed: the loop is to ask it. */
  changed(): void {
    this.owner.changed(this);
  }

  /** Asks the channel what to wait for. An error of a predicate is treated as one of a handler. */
  ask(): number {
    if (this.rare.muted) this.muteUrgent();
    if (this.endpoint.life !== this.life) this.beginLife();
    this.asked = 0;
    beginHandler();
    try {
      this.asked = this.endpoint.interest();
    } catch (error) {
      failedWithin(this.channel, error);
    }
    endHandler();
    if (this.removed) return 0;
    const events = this.asked;
    if (events !== this.rare.restedAt) this.restNoMore();
    this.wanted = this.rare.restedAt < 0 ? events & ~this.rare.muted : 0;
    return this.wanted;
  }

  /** Whether `limit` is the timeout that is watched, and nothing special is known of the channel. */
  knows(limit: number): boolean {
    return this.rare === NOTHING_RARE && limit === this.timeout;
  }

  /** Whether asking the channel again would change nothing. */
  get isAsBefore(): boolean {
    const { endpoint } = this;
    return (
      this.knows(endpoint.limit) &&
      endpoint.life === this.life &&
      !this.restless &&
      endpoint.isAsBefore === true &&
      !this.closed
    );
  }

  /** The events to wait for on the descriptor: the transport's answer to what the channel wants. */
  waitsFor(): number {
    const wanted = this.wanted & ~NOTICED;
    const events = this.endpoint.wants(wanted);
    const isCrossed = events !== wanted;
    if (isCrossed !== this.rare.isCrossed) this.change({ isCrossed });
    return events;
  }

  /** The channel has begun another connection. Events of the former one are dropped. */
  private beginLife(): void {
    this.life = this.endpoint.life;
    this.served = this.owner.tick();
    this.restNoMore();
    this.error = NO_ERROR;
  }

  /** Tells the channel nothing more until it waits for other events than now. */
  rest(): void {
    this.change({ restedAt: this.asked });
    this.wanted = 0;
  }

  private restNoMore(): void {
    if (this.rare.restedAt >= 0) this.change({ restedAt: -1 });
  }

  /** The steps to do when poll(2), or a similar poller, reports `events`. */
  steps(events: number): number {
    if (events & POLLNVAL) return END;
    if (this.rare.isCrossed && events & (POLLIN | POLLOUT)) events |= POLLIN | POLLOUT;
    events = this.endpoint.ready(events);
    let steps = 0;
    if (this.wanted & POLLIN && events & READABLE) steps |= READ;
    if (this.wanted & POLLOUT && events & WRITABLE) steps |= WRITE;
    if ((this.wanted | events) & NOTICED) steps |= NOTICE;
    return events & UNUSUAL ? this.unusualSteps(events, steps) : steps;
  }

  private unusualSteps(events: number, steps: number): number {
    if (this.wanted & POLLPRI && events & POLLPRI) {
      steps |= steps & READ && this.endpoint.unread() === 0 ? URGENT_FIRST : URGENT;
    }
    if (events & ENDED) {
      steps |= END;
      if (this.endpoint.unread() > 0) steps |= UNREAD;
    }
    return steps;
  }

  /**
   * Calls the handlers for `steps`, as long as the channel is there. `wait` is the wait that reported
   * them. If a handler has begun a pass of its own, and that has served the channel meanwhile, they are
   * out of date and dropped.
   */
  deliver(steps: number, wait: number): void {
    if (!this.alive || this.served > wait || this.endpoint.life !== this.life) return;
    this.served = wait;
    beginHandler();
    try {
      if (steps === READ && this.rare === NOTHING_RARE) {
        this.take(this.channel.handle_read_event(), POLLIN);
      } else {
        this.deliverSteps(steps, wait);
      }
    } catch (error) {
      failedWithin(this.channel, error);
    }
    endHandler();
  }

  private deliverSteps(steps: number, wait: number): void {
    const { channel } = this;
    if (steps & NOTICE) this.endpoint.notice();
    if (steps & URGENT_FIRST && this.isNews(wait)) this.tellUrgent();
    if (steps & READ && this.isNews(wait)) this.take(channel.handle_read_event(), POLLIN);
    if (steps & WRITE && this.isNews(wait)) this.take(channel.handle_write_event(), POLLOUT);
    if (steps & URGENT && this.isNews(wait)) this.tellUrgent();
    else if (this.rare.muted && this.alive) this.muteUrgent();
    if (steps & END && this.isCurrent(wait)) this.end(steps, wait);
  }

  /**
   * Whether the events of `wait` are still to be reported: no handler has closed the channel or its
   * socket, begun another attempt to connect, or served the channel by a pass of its own.
   */
  private isNews(wait: number): boolean {
    return this.isCurrent(wait) && this.rare.descriptor !== CLOSED;
  }

  private isCurrent(wait: number): boolean {
    return this.alive && this.served === wait && this.endpoint.life === this.life;
  }

  private tellUrgent(): void {
    const isFile = this.waitsForFile();
    this.take(this.channel.handle_expt_event(), POLLPRI);
    if (this.alive && !isFile) this.muteUrgent();
  }

  /**
   * Whether this is a file that reports a change with POLLPRI, as files of /proc do. It reports the
   * change only to the first who asks.
   */
  private waitsForFile(): boolean {
    return this.wanted === POLLPRI && !is_socket(this.fd);
  }

  /** Deals with a promise that a handler for `events` returned. A dispatcher does that itself. */
  private take(result: unknown, events: number): void {
    if (!isPending(result)) return;
    if (this.endpoint instanceof PlainEndpoint) this.endpoint.run(result, events, this);
    else settle(this.channel, result);
  }

  /** Tells the channel that it has made no progress for too long. */
  tellTimeout(): void {
    handling(this.channel, () => this.endpoint.impatient());
    if (!this.removed) this.changed();
  }

  /** Stops waiting for urgent data as long as the handler has left the urgent byte unread. */
  private muteUrgent(): void {
    const muted = state_of(this.fd, POLLPRI) & POLLPRI;
    if (muted !== this.rare.muted) this.change({ muted });
  }

  /**
   * The connection is over, and the channel has not noticed. There are three cases:
   * 1. The channel is being read from, and there was something to read: the reader will come to the end.
   * 2. The channel is not being read from, but there is something to read: if it does not write either,
   *    it rests until it wants to read.
   * 3. Nothing is left to read, or the channel waits for the hang-up itself: it is told of the end.
   */
  private end(steps: number, wait: number): void {
    if (steps & UNREAD && !(this.wanted & POLLHUP)) {
      if (!(this.wanted & (POLLIN | POLLOUT))) this.rest();
      return;
    }
    const state = this.endState();
    if (state === 0) return; // the handler has read the error
    if (!this.tellEnd(state)) return;
    if (!this.isCurrent(wait)) return;
    const left = this.endState();
    if (left === POLLERR) this.error ||= NEW_ERROR;
    else if (left !== 0) this.rest();
  }

  /**
   * Tells the channel of the end. False if it has no connection that could be over: then it is to be
   * asked again.
   */
  private tellEnd(state: number): boolean {
    const before = this.rare.descriptor;
    if (state & POLLNVAL) this.change({ descriptor: CLOSED_TOLD }); // whatever the handler throws
    const isTold = this.endpoint.end(state, (this.wanted & (POLLIN | POLLOUT)) !== 0);
    if (!isTold && this.rare.descriptor !== before) this.change({ descriptor: before });
    return isTold;
  }

  private endState(): number {
    if (this.closed) return POLLNVAL;
    // RDHUP counts only for a channel that waits for it alone: others find the end by reading.
    return this.endpoint.state() & (POLLERR | POLLHUP | POLLNVAL | (this.wanted & RDHUP));
  }
}
