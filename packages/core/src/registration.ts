import {
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  poll,
  unread,
} from '@asyncore/socket';
import type { channel, channel_map } from './channel.js';
import type { Channels } from './channels.js';
import { handling, settle } from './handling.js';
import {
  DUE,
  due,
  hung_up,
  IDLE,
  impatient,
  interest,
  is_settled,
  over,
  patience,
  registered,
} from './plumbing.js';

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

/** A channel, or any object in a map, with what a dispatcher has beside. */
type Channel = channel & {
  [interest]?(): number;
  [hung_up]?(state: number): boolean;
  [due]?(): void;
  readonly [over]?: boolean;
  [patience]?(now: number): number;
  [impatient]?(): void;
  readonly timeout?: number;
  readonly _map?: channel_map;
  [registered]?: Registration | null;
};

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
  /** It is not told when its answer may be another. */
  idle = false;
  /** The channel's, if it has to be looked after. */
  timeout = 0;

  readonly channel: Channel;
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
  }

  /** Whether the channel has to be asked on every pass, since only it knows what changes. */
  get restless(): boolean {
    const { channel } = this;
    return (
      channel[interest] === undefined ||
      channel[registered] !== this || // what it tells does not come here
      !is_settled(channel.readable) ||
      !is_settled(channel.writable)
    );
  }

  /** The socket was closed without the channel: its number may be another's by now. */
  get stale(): boolean {
    const fd = (this.channel as { socket?: { fileno?(): number } | null }).socket?.fileno?.();
    return fd !== undefined && fd !== this.fd;
  }

  /** Whether the channel is still there. Look after every handler: it may have closed itself. */
  get alive(): boolean {
    return !this.gone && !this.channel[over];
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
    this.idle = (this.#asked & IDLE) !== 0;
    this.#asked &= ~IDLE;
    const events = this.#asked;
    if (events !== this.#restedAt) this.#restedAt = -1;
    this.wanted = this.#restedAt < 0 ? events & ~this.#muted : 0;
    return this.wanted;
  }

  // Handlers are functions of their own rather than closures, which would be made for every event.
  static #ask(channel: Channel, asked: Registration): void {
    asked.#asked = channel[interest] ? channel[interest]() : plainInterest(channel);
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
      if (unreadOf(this.fd) > 0) steps |= UNREAD;
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

  static #deliver(channel: Channel, told: Registration): void {
    const steps = Registration.#steps;
    if (steps & NOTICE) settle(channel, channel[due]?.());
    if (steps & READ && told.alive) settle(channel, channel.handle_read_event());
    if (steps & WRITE && told.alive) settle(channel, channel.handle_write_event());
    if (steps & URGENT && told.alive) settle(channel, channel.handle_expt_event());
    if (told.alive && (steps & URGENT || told.#muted)) told.#muteUrgent();
    if (steps & END && told.alive) told.#end((steps & UNREAD) !== 0);
  }

  /** It has made no progress for as long as it may. */
  tellTimeout(): void {
    handling(this.channel, (channel) => channel[impatient]?.());
    if (!this.gone) this.changed();
  }

  /** The urgent byte may have been left unread: then wait for nothing urgent until it is gone. */
  #muteUrgent(): void {
    this.#muted = stateOf(this.fd, POLLPRI) & POLLPRI;
  }

  /**
   * The connection is over, and the channel has not noticed. Three cases:
   * 1. It has been read from, and there was something to read: the reader will come to the end.
   * 2. It is not being read from, but there is something to read: if it does not write either, it
   *    rests until it wants to read.
   * 3. Nothing is left to read, or it waits for the hang-up itself: it is told.
   */
  #end(isUnread: boolean): void {
    const { channel } = this;
    if (isUnread && !(this.wanted & POLLHUP)) {
      if (!(this.wanted & (POLLIN | POLLOUT))) this.rest();
      return;
    }
    const state = this.#endState();
    if (state === 0) return; // the handler has read the error
    if (channel[hung_up]) {
      if (!channel[hung_up](state)) return;
    } else {
      settle(channel, channel.handle_close());
    }
    if (this.alive && this.#endState() !== 0) this.rest();
  }

  #endState(): number {
    return this.stale ? POLLNVAL : stateOf(this.fd, this.wanted & RDHUP) & ENDED;
  }
}

function plainInterest(channel: channel): number {
  const readable = channel.readable();
  const writable = channel.writable() && !channel.accepting;
  return (readable ? POLLIN | POLLPRI : 0) | (writable ? POLLOUT | POLLPRI : 0);
}

/** What poll(2) says of one descriptor now. */
export function stateOf(fd: number, events: number): number {
  const poller = new poll();
  poller.register(fd, events);
  return poller.poll(0)[0]?.[1] ?? 0;
}

function unreadOf(fd: number): number {
  try {
    return unread(fd);
  } catch (error) {
    if (error instanceof OSError) return 0; // not a kind of descriptor that counts
    throw error;
  }
}
