import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  state_of,
} from '@asyncore/socket';
import { is_announced } from './announced.js';
import type { channel } from './channel.js';
import type { Channels } from './channels.js';
import { NOTICE as DUE, type Endpoint, endpoint, type Served } from './endpoint.js';
import { handling, settle } from './handlers/handling.js';
import { PlainEndpoint } from './plain_endpoint.js';

const RDHUP = POLLRDHUP ?? 0;
const ENDED = POLLERR | POLLHUP | POLLNVAL | RDHUP;

/** What to do for a channel, a bit each. */
const READ = 1;
const WRITE = 2;
const URGENT = 4;
const END = 8;
const NOTICE = 16;
/** With END: there is something to read all the same. */
const UNREAD = 32;
export const ALL = READ | WRITE | URGENT | END | UNREAD | NOTICE;
/** In asyncore's poll, with select(2), all reads come first, then all writes, and so on. */
export const BY_KIND = [READ, WRITE, URGENT, END | UNREAD | NOTICE];

/**
 * One channel under one descriptor in one map, for as long as it stays there. Events belong to a
 * registration, not to a number: a descriptor closed and used again is another one.
 */
export class Registration {
  /** No longer in the map. */
  gone = false;
  /** What the channel waits for, as last asked. */
  wanted = 0;
  /** The one after it in the loop's list of those to be asked, null at the end; undefined when not in it. */
  next: Registration | null | undefined = undefined;
  /** What the loop has told the kernel. */
  watched = 0;
  /** The kernel's queue refuses it because it is always ready: a regular file. */
  alwaysReady = false;
  /** The channel's, if it has to be looked after. */
  timeout = 0;

  readonly channel: Served;
  readonly endpoint: Endpoint;
  /** Not waited for, although wanted: telling it again would only make the loop spin. */
  #muted = 0;
  /** What the channel answered last, and what it answered when it was put to rest. */
  #asked = 0;
  #restedAt = -1;
  /** Which wait's events it was given last. */
  #served = 0;

  constructor(
    readonly channels: Channels,
    readonly fd: number,
    channel: channel,
    /** When it was made, by the map's own time. */
    readonly since: number,
  ) {
    this.channel = channel;
    this.endpoint = this.channel[endpoint] ?? new PlainEndpoint(channel, fd);
  }

  /** Whether the channel has to be asked on every pass, since only it knows what changes. */
  get restless(): boolean {
    const { channel, endpoint } = this;
    return (
      endpoint.watcher !== this || // what it tells does not come here
      !endpoint.announces ||
      !is_announced(channel.readable) ||
      !is_announced(channel.writable)
    );
  }

  /** The socket was closed without the channel: its number may be another's by now. */
  get stale(): boolean {
    const fd = this.endpoint.descriptor();
    return fd !== undefined && fd !== this.fd;
  }

  /** Whether the channel is still there. Look after every handler: it may have closed itself. */
  get alive(): boolean {
    return !this.gone && !this.endpoint.over;
  }

  /** It may answer otherwise than before: a loop is to ask it. */
  changed(): void {
    this.channels.listener?.changed(this);
  }

  /** Asks the channel what to wait for. A predicate that throws is a handler that throws. */
  ask(): number {
    if (this.#muted) this.#muteUrgent();
    this.#asked = 0;
    handling(this.channel, Registration.#ask, this);
    if (this.gone) return 0;
    this.channels.timeouts.watch(this);
    const events = this.#asked;
    if (events !== this.#restedAt) this.#restedAt = -1;
    this.wanted = this.#restedAt < 0 ? events & ~this.#muted : 0;
    return this.wanted;
  }

  // Handlers are functions of their own rather than closures, which would be made for every event.
  static #ask(_: Served, asked: Registration): void {
    asked.#asked = asked.endpoint.interest();
  }

  /** Nothing is told until the channel waits for something else than now. */
  rest(): void {
    this.#restedAt = this.#asked;
    this.wanted = 0;
  }

  /** What is to be done when poll(2), or a poller like it, says `events`. */
  steps(events: number): number {
    let steps = 0;
    if (this.wanted & POLLIN && events & (POLLIN | ENDED)) steps |= READ;
    if (this.wanted & POLLOUT && events & (POLLOUT | POLLERR)) steps |= WRITE;
    if (this.wanted & POLLPRI && events & POLLPRI) steps |= URGENT;
    if (this.wanted & DUE) steps |= NOTICE;
    if (events & ENDED) {
      steps |= END;
      if (this.endpoint.unread() > 0) steps |= UNREAD;
    }
    return steps;
  }

  /**
   * Calls the handlers for `steps`, as long as the channel is there to be told. What wait `wait`
   * said is old when a handler began a pass of its own that has served the channel since.
   */
  deliver(steps: number, wait: number): void {
    if (!this.alive || this.#served > wait) return;
    Registration.#steps = steps;
    this.#served = wait;
    handling(this.channel, Registration.#deliver, this);
  }

  /** What is to be delivered, read at once. */
  static #steps = 0;

  static #deliver(channel: Served, told: Registration): void {
    const steps = Registration.#steps;
    if (steps & NOTICE) told.endpoint.notice();
    if (steps & READ && told.alive) settle(channel, channel.handle_read_event());
    if (steps & WRITE && told.alive) settle(channel, channel.handle_write_event());
    if (steps & URGENT && told.alive) settle(channel, channel.handle_expt_event());
    if (told.alive && (steps & URGENT || told.#muted)) told.#muteUrgent();
    if (steps & END && told.alive) told.#end((steps & UNREAD) !== 0);
  }

  /** It has made no progress for as long as it may. */
  tellTimeout(): void {
    handling(this.channel, () => this.endpoint.impatient());
    if (!this.gone) this.changed();
  }

  /** The urgent byte may have been left unread: then wait for nothing urgent until it is gone. */
  #muteUrgent(): void {
    this.#muted = state_of(this.fd, POLLPRI) & POLLPRI;
  }

  /**
   * The connection is over, and the channel has not noticed. Three cases:
   * 1. It has been read from, and there was something to read: the reader will come to the end.
   * 2. It is not being read from, but there is something to read: if it does not write either, it
   *    rests until it wants to read.
   * 3. Nothing is left to read, or it waits for the hang-up itself: it is told.
   */
  #end(isUnread: boolean): void {
    if (isUnread && !(this.wanted & POLLHUP)) {
      if (!(this.wanted & (POLLIN | POLLOUT))) this.rest();
      return;
    }
    const state = this.#endState();
    if (state === 0) return; // the handler has read the error
    if (!this.endpoint.end(state)) return;
    if (this.alive && this.#endState() !== 0) this.rest();
  }

  #endState(): number {
    if (this.stale) return POLLNVAL;
    // Only who waits for the peer's end alone is told of it here: others read it.
    return this.endpoint.state() & (POLLERR | POLLHUP | POLLNVAL | (this.wanted & RDHUP));
  }
}
