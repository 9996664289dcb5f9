import {
  errno,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  SO_ERROR,
  SOL_SOCKET,
  type Transport,
} from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { type Endpoint, NOTICE, type Watcher } from '../endpoint.js';
import { is_disconnected } from '../handlers/disconnected.js';
import { failed, isNothingToRead, isOfReceive, settle } from '../handlers/handling.js';
import { isPending } from '../handlers/promises.js';
import { Connecting } from './connecting.js';
import {
  ACCEPTING,
  COMPLETING,
  CONNECTED,
  CONNECTING,
  ENDED,
  EXAMINED,
  EXPLAINED,
  GONE,
  LINGERING,
  MADE,
  MAY_HOLD_MORE,
  MET,
  MOVED,
  ONLY_READS,
  OVER,
  READING,
  SEND_FAILED,
  SHUT,
  STIRRED,
  TUNED,
  URGENT,
  WRITING,
} from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { explain_truth } from './fields.js';
import { isLackOfRoom } from './listening.js';
import { described } from './log_error.js';
import { examine } from './mistakes.js';
import { set_no_delay } from './no_delay.js';
import { is_noted, is_own, queues_errors } from './own_errors.js';
import { Transfers } from './transfers.js';
import { unhandled } from './unhandled.js';

/** What is done with an error of a handler, where it is not what is usual. */
type OnError = (channel: dispatcher<Transport>, error: unknown) => void;

const HANG_UP = POLLHUP | (POLLRDHUP ?? 0);
/** What a channel waits for that reads and has nothing to send. */
const INPUT = POLLIN | POLLPRI;
/** Flags that do not change what a connection waits for. */
const DECIDES_NOTHING = MADE | MOVED | MET | EXPLAINED;
/** The flags of a connection that waits for input alone, and of which nothing special is known. */
const ORDINARY = ONLY_READS | CONNECTED | TUNED | EXAMINED | DECIDES_NOTHING;
const READS_NOTHING = ENDED | READING;
const SENDS_NOTHING = ACCEPTING | GONE | SEND_FAILED;

/**
 * A channel as the loop sees it. It decides which events the channel waits for, and what an event means
 * before a handler is called.
 */
export class SocketEndpoint extends Transfers implements Endpoint {
  watcher: Watcher | null = null;

  // ---- what to wait for ----

  get announces(): boolean {
    return true;
  }

  interest(): number {
    this.set(ONLY_READS, false); // a predicate may throw
    const wanted = this.events();
    const events = wanted | this.atOnce(wanted);
    this.set(ONLY_READS, events === INPUT);
    return events;
  }

  /** Whether it waits for input alone, and nothing special is known of the connection. */
  private get isOrdinary(): boolean {
    return (this.flags | DECIDES_NOTHING) === ORDINARY && this.listening === null;
  }

  get isKnown(): boolean {
    return this.isOrdinary && this.watcher?.knows(this.channel.timeout) === true;
  }

  get isAsBefore(): boolean {
    if (!this.isOrdinary) return false;
    const { channel, transport } = this;
    try {
      return (
        transport?.ready === undefined &&
        transport?.wants === undefined &&
        transport?.pending?.() === 0 &&
        channel.readable() === true &&
        channel.writable() === false &&
        !channel._holds_input
      );
    } catch {
      return false; // the loop asks, and deals with the error
    }
  }

  /** NOTICE, if one of `events` can be served without waiting, or something has to be reported; else 0. */
  private atOnce(events: number): number {
    const { transport } = this;
    if (this.isReadOut()) return NOTICE;
    if (transport?.ready === undefined) return events & POLLIN && this.holdsMore() ? NOTICE : 0;
    if (this.is(OVER) && !this.is(LINGERING)) return 0;
    return transport.ready(0) & (events | POLLERR | POLLHUP | NOTICE) ? NOTICE : 0;
  }

  private events(): number {
    const { channel } = this;
    if (!this.is(EXAMINED)) this.examine();
    if ((this.flags & (CONNECTED | TUNED)) === CONNECTED) this.tune();
    if (this.is(LINGERING)) return this.isStirred(POLLIN) ? POLLIN | NOTICE : POLLIN;
    let wantsToRead: unknown = channel.readable();
    let wantsToWrite: unknown = channel.writable();
    if (typeof wantsToRead !== 'boolean') wantsToRead = this.truth('readable', wantsToRead);
    if (typeof wantsToWrite !== 'boolean') wantsToWrite = this.truth('writable', wantsToWrite);
    if (this.attempt?.isLookingUp) return this.attempt.isLookedUp ? NOTICE : 0;
    const { flags } = this;
    if (flags & OVER || this.listening?.isBusy(channel) || this.idle) return 0;
    const readable = wantsToRead && !channel._holds_input;
    const writable = wantsToWrite && !(flags & SENDS_NOTHING) && !this.isMute();
    let events = 0;
    if (readable && !(flags & READS_NOTHING)) events |= this.isDeaf() ? HANG_UP : POLLIN;
    if (writable && !(flags & WRITING) && (flags & CONNECTING || this.writes())) events |= POLLOUT;
    if ((wantsToRead || writable) && !(flags & URGENT)) events |= POLLPRI;
    if (flags & ENDED) events |= POLLHUP;
    if (flags & STIRRED && this.isStirred(events)) events |= NOTICE;
    return events;
  }

  /** Before the channel is first asked. */
  private examine(): void {
    this.set(EXAMINED, true);
    this.passOverFields();
    examine(this.channel, this.idle);
  }

  wants(events: number): number {
    return this.transport?.wants?.(events) ?? events;
  }

  ready(events: number): number {
    const { transport } = this;
    return transport?.ready === undefined ? events : transport.ready(events);
  }

  /** Whether recv would return something that no poller reports. */
  private holdsMore(): boolean {
    const { transport } = this;
    if (transport?.pending === undefined) return this.is(MAY_HOLD_MORE);
    return transport.pending() > 0;
  }

  /** Whether the channel does anything at a write event. */
  private writes(): boolean {
    const { handle_write, handle_write_event } = this.channel;
    return handle_write !== unhandled.write || handle_write_event !== unhandled.write_event;
  }

  /** Whether nothing can be sent any more. One with a queue has its end to see to still. */
  private isMute(): boolean {
    return this.is(SHUT) && this.output === null;
  }

  private truth(name: string, answer: unknown): boolean {
    if (typeof answer === 'object' && answer !== null && this.channel.debug) {
      if (!this.is(EXPLAINED)) explain_truth(this.channel, name);
      this.set(EXPLAINED, true);
    }
    return Boolean(answer);
  }

  /** Sets TCP_NODELAY. Output is gathered already, so it need not wait for the peer's acknowledgement. */
  tune(): void {
    this.set(TUNED, true);
    if (this.transport !== null && this.channel.no_delay) set_no_delay(this.transport);
  }

  // ---- what happened ----

  /**
   * If a handler of this kind returned a promise, calls none of that kind until the promise is settled.
   * `onError` gets what it is rejected with.
   */
  run(kind: number, result: unknown, onError?: OnError): void {
    if (isPending(result)) this.wait(kind, result, onError);
  }

  private wait(kind: number, result: PromiseLike<unknown>, onError?: OnError): void {
    const { life } = this;
    this.set(kind, true);
    this.changed();
    settle(this.channel, result, onError, () => {
      if (this.life === life) this.set(kind, false);
    });
  }

  /**
   * Completes an attempt to connect before anything is read or written, and returns whether the event
   * may go to its handler. It may not if the attempt failed, or if a handler has served the event by a pass
   * of its own meanwhile.
   */
  isReady(): boolean {
    if (this.is(COMPLETING)) this.set(COMPLETING, false);
    if (this.is(CONNECTED)) return true;
    return this.is(CONNECTING) ? this.completes() : this.is(GONE) || !this.isStream;
  }

  private completes(): boolean {
    const { life } = this;
    let isSame: boolean;
    this.set(COMPLETING, true);
    try {
      this.channel.handle_connect_event();
    } finally {
      isSame = this.life === life && this.is(COMPLETING);
      this.set(COMPLETING, false);
    }
    return isSame && this.is(CONNECTED) && !this.is(OVER);
  }

  /** The pending error of the socket (SO_ERROR), which reading clears; 0 when there is none or it is closed. */
  takeError(): number {
    const { transport } = this;
    return transport === null || transport.fileno() < 0
      ? 0
      : transport.getsockopt(SOL_SOCKET, SO_ERROR);
  }

  notice(): void {
    const { transport } = this;
    if (this.attempt?.isLookingUp) this.attempt.lookedUp();
    else if (this.isReadOut()) this.channel.handle_close_event();
    else if (transport?.ready !== undefined) transport.notice?.();
    else if (this.holdsMore()) this.channel.handle_read_event();
    else if (this.is(STIRRED) && (this.isDeaf() || this.unread() === 0)) this.lookAtState();
  }

  /** `transport` has changed by itself, and no poller reports that. */
  stirred(transport: Transport): void {
    if (this.transport !== transport) return;
    this.set(STIRRED, true);
    this.changed();
  }

  /** Whether the transport's state has to be looked at. A transport with `ready` sees to that itself. */
  private isStirred(events: number): boolean {
    if (!this.is(STIRRED) || this.transport?.ready !== undefined) return false;
    return (events & POLLIN) !== 0 || this.isDeaf() || this.unread() === 0;
  }

  private lookAtState(): void {
    this.set(STIRRED, false);
    const state = this.state() & (POLLERR | POLLNVAL | HANG_UP);
    if (state !== 0) this.end(state, false);
  }

  end(state: number, wasTold: boolean): boolean {
    const { channel } = this;
    if (state & POLLNVAL) {
      this.reason ??= new OSError('poll', errno.EBADF);
      channel.handle_close_event();
      return true;
    }
    // poll(2) reports a stream without a connection as hung up; a handler may have begun a new attempt just now.
    if (this.is(CONNECTING) || this.idle) return false;
    if (this.is(LINGERING)) {
      channel.handle_close_event();
      return true;
    }
    if (channel._holds_input || this.is(READING)) return true;
    if (state & POLLERR && !this.isStream) {
      if (wasTold || queues_errors(this.transport)) return true; // its handlers can read the error
      const error = this.takeError();
      if (error !== 0) failed(channel, OSError.of(this.transport, new OSError('recv', error)));
    } else if (!(state & (POLLERR | POLLHUP))) {
      this.endOfData();
    } else {
      if (state & POLLERR) this.noteError();
      channel.handle_close_event();
    }
    return true;
  }

  private noteError(): void {
    const error = this.takeError();
    if (error !== 0) this.reason ??= OSError.of(this.transport, new OSError('recv', error));
  }

  takes(error: unknown, late: boolean): boolean {
    if (isLackOfRoom(error) && this.is(ACCEPTING) && this.isOwn(error, late)) return true; // the listener rests
    if (!this.isOwn(error, late)) return false;
    if (isNothingToRead(error) || is_noted(error)) return true;
    if (!is_disconnected(error, this.established)) return false;
    if (isOfReceive(error)) this.receivedLast(error);
    else this.lost(error);
    return true;
  }

  private isOwn(error: unknown, late: boolean): boolean {
    return is_own(error, late, this, this.transport);
  }

  /** An attempt to connect has failed: one that `connect` began, or one of the program's own. */
  connectFailed(error: unknown): void {
    this.attempt ??= new Connecting(this);
    this.attempt.fail(error);
  }

  // ---- time ----

  /** When it last made progress, as far as its timeout had it looked at; null without a timeout. */
  quietSince(): number | null {
    if (!(this.channel.timeout > 0)) return null;
    return this.is(MOVED) ? clock.now() : this.since;
  }

  get limit(): number {
    if (this.isOrdinary) return this.channel.timeout; // as most are
    if (this.is(LINGERING)) return this.channel.linger_time;
    if (this.is(OVER) || this.idle) return 0; // it is never told, so nobody has to look
    return this.listening?.rest ?? this.channel.timeout;
  }

  patience(now: number): number {
    if (this.is(LINGERING)) return this.since + this.channel.linger_time * 1000 - now;
    if (this.listening?.isResting) return this.listening.untilRested(now);
    if (this.is(MOVED) || this.listening?.isFull(this.channel)) {
      this.set(MOVED, false);
      this.since = clock.now(); // handlers may have run since `now`, and have moved it
    }
    return this.since + this.channel.timeout * 1000 - now;
  }

  impatient(): void {
    const { channel } = this;
    if (this.is(LINGERING)) {
      channel.handle_close_event();
    } else if (this.listening?.isResting) {
      this.listening.restNoMore();
      this.changed();
    } else {
      this.set(MOVED, true);
      settle(channel, channel.handle_timeout());
    }
  }

  /** What `handle_timeout` does by default: the attempt to connect has failed, or the connection is over. */
  timedOut(): void {
    const { channel } = this;
    if (this.is(CONNECTING)) {
      this.connectFailed(new OSError('connect', errno.ETIMEDOUT, this.addr));
      return;
    }
    channel.log_info(`no progress for ${channel.timeout} seconds: ${described(channel)}`);
    this.reason ??= new OSError('recv', errno.ETIMEDOUT, null, `nothing for ${channel.timeout} s`);
    channel.handle_close_event();
  }
}
