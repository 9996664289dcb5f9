import {
  type Address,
  AF_INET,
  AF_INET6,
  errno,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_RECVERR,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  SHUT_WR,
  SO_ERROR,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  state_of,
  TCP_NODELAY,
  type Transport,
  unread_of,
} from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { type Endpoint, NOTICE, type Watcher } from '../endpoint.js';
import { is_disconnected } from '../handlers/disconnected.js';
import { failed, isNothingToRead, isOfReceive, settle } from '../handlers/handling.js';
import { isPending } from '../handlers/promises.js';
import { Channels } from '../loop/channels.js';
import { Output } from '../output/output.js';
import type { Attempt } from './connecting.js';
import type { dispatcher } from './dispatcher.js';
import { isLackOfRoom, type Listening } from './listening.js';
import type { Timers } from './timers.js';

const HANG_UP = POLLHUP | (POLLRDHUP ?? 0);

// What is known of a connection, a bit each: thousands of quiet channels keep it.
export const CONNECTED = 1 << 0;
export const ACCEPTING = 1 << 1;
export const CONNECTING = 1 << 2;
/** The peer will send no more. */
const ENDED = 1 << 3;
/** handle_close was called for this connection, or close. */
const OVER = 1 << 4;
/** `close` was called, and there is no new socket yet. */
const CLOSED = 1 << 5;
/** The peer was gone before the channel was made (accept(2) gives such), and it is to be told. */
const GONE = 1 << 6;
/** The unhandled read was logged: from then on it is watched for a hang-up only. */
const DEAF = 1 << 7;
/** Something was received, sent, accepted or connected since the clock was last read. */
const MOVED = 1 << 8;
/** Sending met the end. What the peer said before is read first. */
const BROKEN = 1 << 9;
/** All was sent, and what the peer still sends is read away. */
const LINGERING = 1 << 10;
/** There was a connection in this life, or there is. */
const MET = 1 << 11;
/** The transport does not say what it holds, and its last recv gave something. */
const MAY_HOLD_MORE = 1 << 12;
/** TCP_NODELAY was set, or need not be. */
const TUNED = 1 << 13;
/** The class was looked at for fields that hide the channel's attributes. */
const EXAMINED = 1 << 14;
/** That a predicate gives an object was said. */
const EXPLAINED = 1 << 15;

/** handle_close was called: the peer ended the connection, or an error did. */
const TOLD = 1 << 19;
/** The transport has changed of itself, and its state was not looked at since. */
const STIRRED = 1 << 21;
/** Its descriptor was given away. */
const DETACHED = 1 << 20;

// The handlers of one kind run one at a time: these are waiting for a promise.
export const READING = 1 << 16;
export const WRITING = 1 << 17;
export const URGENT = 1 << 18;

/** What a new connection begins with. */
const KEPT = EXAMINED | EXPLAINED;

/** The attributes that a field of a subclass would hide. */
const ATTRIBUTES = ['connected', 'accepting', 'connecting', 'addr', 'socket'] as const;

/** The library's own handlers, which do nothing but log; dispatcher.ts puts them here. */
export const unhandled: {
  read?: () => void;
  write?: () => void;
  write_event?: () => void;
} = {};

/** A channel of a class that queues its output: only such a class calls makeOutput. */
type Buffered = dispatcher<Transport> & { initiate_send(): void };

/** By which channel's transport, one of the program's own, an error of recv was thrown: nothing to read. */
const thrownBy = new WeakMap<object, SocketEndpoint>();

/**
 * The channel's side of the loop: what is known of its connection, what to wait for, and what an
 * event means before a handler is called.
 */
export class SocketEndpoint implements Endpoint {
  watcher: Watcher | null = null;
  transport: Transport | null = null;
  addr: Address | null = null;
  /** Null until something is sent. */
  output: Output | null = null;
  life = 0;
  /** The error that ended the connection; null for an ordinary end. */
  reason: unknown = null;
  /** The last attempt to connect. */
  attempt: Attempt | null = null;
  /** What only a listener needs. */
  listening: Listening | null = null;
  /** Null until one is set. */
  timers: Timers | null = null;
  #flags = MOVED;
  /** When something last moved, by the clock that Timeouts reads. */
  #since = 0;
  /** How many events it was told. */
  #told = 0;
  /** How many bytes were read away while it lingers. */
  #drained = 0;

  constructor(readonly channel: dispatcher<Transport>) {}

  is(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  set(flag: number, value: boolean): void {
    this.#flags = value ? this.#flags | flag : this.#flags & ~flag;
  }

  /** An attribute that decides what to wait for was set. */
  put(flag: number, value: boolean): void {
    this.set(flag, value);
    if (flag === CONNECTED && value) this.set(MET, true);
    this.changed();
  }

  changed(): void {
    this.channel._changed();
  }

  // ---- the connection's life ----

  /** Another connection, or the first: nothing is left of the former one but output never due to it. */
  begin(): void {
    this.passOverFields();
    if (this.is(MET | CLOSED)) this.#forgetOutput();
    this.#flags = (this.#flags & (KEPT | CONNECTED | ACCEPTING | CONNECTING)) | MOVED;
    if (this.is(CONNECTED)) this.set(MET, true);
    this.reason = null;
    this.#endAttempt();
    this.#drained = 0;
    this.output?.useBorders(this.#keepsBorders);
    this.life += 1;
    if (this.life > 1) this.channel._begin();
  }

  #forgetOutput(): void {
    this.output?.discard();
    this.output = null;
  }

  #endAttempt(): void {
    const { attempt } = this;
    this.attempt = null;
    attempt?.stop();
  }

  /** Another socket for the one that was never connected: the same life, with the output given so far. */
  exchange(socket: Transport): void {
    const { channel, transport } = this;
    channel.del_channel();
    this.transport = socket;
    channel._fileno = socket.fileno();
    this.set(TUNED, false);
    this.output?.useBorders(this.#keepsBorders);
    channel.add_channel();
    transport?.close();
  }

  /** Another socket is being made: the former connection is over in any case. */
  forget(): void {
    if (this.is(MET)) {
      this.#forgetOutput();
      this.addr = null;
    }
    this.set(CONNECTED | ACCEPTING | CONNECTING, false);
  }

  /** A channel that was made for a connection which has ended by then is told so. */
  foundGone(error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    // A socket that was never connected is called hung up too, but not half-closed.
    const isOver = (this.state() & (POLLERR | (POLLRDHUP ?? 0))) !== 0;
    this.set(GONE, code === 'EINVAL' || isOver);
  }

  /** close() was called: nothing more is told. */
  leave(): void {
    this.set(OVER, true);
  }

  /** The socket is about to be closed: sends what waits. What meets a peer that is gone is told to nobody. */
  sendLast(): void {
    this.leave();
    this.output?.flushAll();
  }

  /** It has been closed, or its descriptor given away. */
  ended(isDetached = false): void {
    this.#forgetOutput();
    this.#endAttempt();
    this.timers?.cancelAll();
    this.listening?.restNoMore();
    this.set(CONNECTED | ACCEPTING | CONNECTING | LINGERING, false);
    this.set(OVER | CLOSED | (isDetached ? DETACHED : 0), true);
  }

  /** A channel whose own close may have failed: out of its map, and its socket closed. */
  abandon(): void {
    const { channel, transport } = this;
    if (this.is(CLOSED)) return;
    this.leave();
    this.ended();
    const fd = channel._fileno;
    if (fd !== null && channel._map.get(fd) === channel) channel._map.delete(fd);
    if (fd !== null) Channels.removed(channel._map, fd);
    channel._fileno = null;
    transport?.close();
  }

  get closed(): boolean {
    return this.is(CLOSED);
  }

  get over(): boolean {
    return this.is(OVER);
  }

  get isStream(): boolean {
    const type = this.transport?.type;
    return type === undefined || type === SOCK_STREAM || type === SOCK_SEQPACKET;
  }

  /** A stream on which there was a connection: an unreachable peer is gone. */
  get established(): boolean {
    return this.is(CONNECTED) && this.isStream;
  }

  /** A stream that neither connects, is connected nor listens: poll would call it hung up. */
  get idle(): boolean {
    return !this.is(CONNECTED | CONNECTING | ACCEPTING | GONE) && this.isStream;
  }

  // ---- what to wait for ----

  get announces(): boolean {
    return true;
  }

  interest(): number {
    const events = this.#interest();
    return events | this.#atOnce(events);
  }

  /** NOTICE, if something of that can be done without waiting, or there is something to tell. */
  #atOnce(events: number): number {
    const { transport } = this;
    if (transport?.ready === undefined) return events & POLLIN && this.#holdsMore() ? NOTICE : 0;
    if (this.is(OVER) && !this.is(LINGERING)) return 0;
    return transport.ready(0) & (events | POLLERR | POLLHUP | NOTICE) ? NOTICE : 0;
  }

  #interest(): number {
    const { channel } = this;
    if (!this.is(EXAMINED)) {
      this.set(EXAMINED, true);
      this.passOverFields();
    }
    if (this.is(CONNECTED) && !this.is(TUNED)) this.tune();
    if (this.is(LINGERING)) return this.#isStirred(POLLIN) ? POLLIN | NOTICE : POLLIN;
    const wantsToRead = this.#truth('readable', channel.readable());
    const wantsToWrite = this.#truth('writable', channel.writable());
    if (this.attempt?.isLookingUp) return this.attempt.isLookedUp ? NOTICE : 0;
    if (this.is(OVER) || this.listening?.isBusy(channel) || this.idle) return 0;
    const readable = wantsToRead && !channel._holds_input;
    const writable = wantsToWrite && !this.is(ACCEPTING | GONE | BROKEN);
    let events = 0;
    if (readable && !this.is(ENDED | READING)) events |= this.#isDeaf() ? HANG_UP : POLLIN;
    if (writable && !this.is(WRITING) && (this.is(CONNECTING) || this.#writes())) events |= POLLOUT;
    if ((wantsToRead || writable) && !this.is(URGENT)) events |= POLLPRI;
    if (this.is(ENDED)) events |= POLLHUP;
    if (this.#isStirred(events)) events |= NOTICE;
    return events;
  }

  wants(events: number): number {
    return this.transport?.wants?.(events) ?? events;
  }

  ready(events: number): number {
    const { transport } = this;
    return transport?.ready === undefined ? events : transport.ready(events);
  }

  descriptor(): number | undefined {
    return this.transport?.fileno();
  }

  state(): number {
    const { transport } = this;
    if (transport === null) return POLLNVAL;
    if (transport.state !== undefined) return transport.state();
    return transport.fileno() < 0 ? POLLNVAL : state_of(transport.fileno());
  }

  unread(): number {
    const { transport } = this;
    if (transport === null) return 0;
    if (transport.unread !== undefined) return transport.unread();
    const held = transport.pending?.() ?? (this.is(MAY_HOLD_MORE) ? 1 : 0);
    return held + (transport.fileno() < 0 ? 0 : unread_of(transport.fileno()));
  }

  /** Whether recv would give something that no poller tells of. */
  #holdsMore(): boolean {
    const { transport } = this;
    if (transport?.pending === undefined) return this.is(MAY_HOLD_MORE);
    return transport.pending() > 0;
  }

  /** Whether anything comes of a write event. */
  #writes(): boolean {
    const { handle_write, handle_write_event } = this.channel;
    return handle_write !== unhandled.write || handle_write_event !== unhandled.write_event;
  }

  #isDeaf(): boolean {
    return this.is(DEAF) && this.channel.handle_read === unhandled.read;
  }

  /** The unhandled read was logged. */
  deafen(): void {
    this.set(DEAF, true);
  }

  /** In JavaScript an empty array or object is true, where Python's is false: said once. */
  #truth(name: string, answer: unknown): boolean {
    if (typeof answer === 'object' && answer !== null && this.channel.debug) {
      if (!this.is(EXPLAINED)) {
        this.set(EXPLAINED, true);
        this.channel.log_info(
          `${name} of ${this.channel.constructor.name} gives an object, which is true even when it is empty: give a boolean, such as queue.length > 0`,
          'error',
        );
      }
    }
    return Boolean(answer);
  }

  /** A field of a subclass hides what the constructor has set: say so, and go on with that. */
  passOverFields(): void {
    const { channel } = this;
    for (const name of ATTRIBUTES) {
      if (!Object.hasOwn(channel, name)) continue;
      Reflect.deleteProperty(channel, name);
      channel.log_info(
        `${channel.constructor.name} has a field "${name}", which would hide the channel's own attribute: it is passed over, leave it out`,
        'error',
      );
    }
  }

  /** Output is gathered already: what goes out need not wait for the peer's acknowledgement. */
  tune(): void {
    this.set(TUNED, true);
    const socket = this.transport as Socket | null;
    if (socket?.type !== SOCK_STREAM || typeof socket.setsockopt !== 'function') return;
    if (socket.family !== AF_INET && socket.family !== AF_INET6) return;
    if (!this.channel.no_delay) return;
    try {
      socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    } catch (error) {
      if (!(error instanceof OSError)) throw error; // it is slower without, that is all
    }
  }

  // ---- what happened ----

  /** Remembers that something moved, for `timeout`. */
  progress(): void {
    this.#flags |= MOVED;
  }

  /** Calls one kind of handler no more until what it gave, if that is a promise, is settled. */
  run(kind: number, result: unknown): void {
    if (!isPending(result)) return;
    const { life } = this;
    this.set(kind, true);
    this.changed();
    settle(this.channel, result, undefined, () => {
      if (this.life === life) this.set(kind, false);
    });
  }

  /**
   * Sees to it that an attempt to connect has ended well before anything is read or written. False
   * too if a handler has served the event meanwhile, by a pass of its own.
   */
  isReady(): boolean {
    this.#told += 1;
    if (this.is(CONNECTED) || !this.is(CONNECTING)) {
      return this.is(CONNECTED | GONE) || !this.isStream;
    }
    const { life } = this;
    const told = this.#told;
    this.channel.handle_connect_event();
    const isSame = this.life === life && this.#told === told;
    return isSame && this.is(CONNECTED) && !this.is(OVER);
  }

  /** SO_ERROR, which reading clears. A closed socket has none. */
  takeError(): number {
    const { transport } = this;
    return transport === null || transport.fileno() < 0
      ? 0
      : transport.getsockopt(SOL_SOCKET, SO_ERROR);
  }

  notice(): void {
    const { transport } = this;
    if (this.attempt?.isLookingUp) this.attempt.lookedUp();
    else if (transport?.ready !== undefined) transport.notice?.();
    else if (this.#holdsMore()) this.channel.handle_read_event();
    else if (this.is(STIRRED) && this.unread() === 0) this.#lookAtState();
  }

  /** `transport` has changed of itself: no poller tells of it. */
  stirred(transport: Transport): void {
    if (this.transport !== transport) return;
    this.set(STIRRED, true);
    this.changed();
  }

  /** Whether its state is to be looked at, which a transport with `ready` sees to itself. */
  #isStirred(events: number): boolean {
    if (!this.is(STIRRED) || this.transport?.ready !== undefined) return false;
    return (events & POLLIN) !== 0 || this.unread() === 0;
  }

  #lookAtState(): void {
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
    // So poll calls a stream without a connection; a handler may have begun a new attempt just now.
    if (this.is(CONNECTING) || this.idle) return false;
    if (this.is(LINGERING)) {
      channel.handle_close_event();
      return true;
    }
    if (channel._holds_input || this.is(READING)) return true;
    if (state & POLLERR && !this.isStream) {
      if (wasTold || this.#queuesErrors()) return true; // its handlers find the error, if they look
      const error = this.takeError();
      if (error !== 0) failed(channel, OSError.of(this.transport, new OSError('recv', error)));
    } else if (!(state & (POLLERR | POLLHUP))) {
      this.endOfData();
    } else {
      if (state & POLLERR) this.#noteError();
      channel.handle_close_event();
    }
    return true;
  }

  /** Whether the program reads errors from MSG_ERRQUEUE. */
  #queuesErrors(): boolean {
    const socket = this.transport as Socket; // or something without a family
    const { family } = socket;
    if (family !== AF_INET && family !== AF_INET6) return false;
    const isInet6 = family === AF_INET6;
    const option = isInet6 ? IPV6_RECVERR : IP_RECVERR;
    const level = isInet6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return option !== undefined && socket.getsockopt(level, option) !== 0;
  }

  #noteError(): void {
    const error = this.takeError();
    if (error !== 0) this.reason ??= OSError.of(this.transport, new OSError('recv', error));
  }

  /** The peer sends no more. Told once, however often the end is read. */
  endOfData(): void {
    if (this.is(ENDED | OVER)) return;
    this.set(ENDED, true);
    if (this.is(LINGERING | BROKEN)) this.channel.handle_close_event();
    else settle(this.channel, this.channel.handle_eof());
  }

  /** The other end is gone, as `error` says. What it sent before is read first. */
  lost(error: unknown): void {
    this.reason ??= error;
    if (this.is(OVER)) return;
    if (this.output !== null) {
      this.output.lose();
      this.channel._output_lost();
    }
    if (this.is(ENDED) || !this.#willRead()) {
      this.channel.handle_close_event();
    } else {
      this.set(BROKEN, true);
      this.changed();
    }
  }

  /** Whether there is something to read, and somebody who reads it. */
  #willRead(): boolean {
    if (this.channel._holds_input) return true;
    if (!this.isStream || this.#isDeaf() || this.unread() === 0) return false;
    return Boolean(this.channel.readable());
  }

  /** Calls handle_close, once for each connection. */
  close(): boolean {
    if (this.is(OVER)) return false;
    this.set(OVER | TOLD, true);
    this.set(LINGERING, false);
    return true;
  }

  takes(error: unknown, late: boolean): boolean {
    if (isLackOfRoom(error) && this.is(ACCEPTING) && this.#isOwn(error, late)) return true; // it rests
    if (!this.#isOwn(error, late)) return false;
    if (isNothingToRead(error) || thrownBy.has(error as object)) return true;
    if (!is_disconnected(error, this.established)) return false;
    if (isOfReceive(error)) this.#receivedLast(error);
    else this.lost(error);
    return true;
  }

  /**
   * Whether an error is of a call on this channel's socket. An error of nobody's, as a program may
   * make one, counts while its handler runs; a promise may have been rejected by anything.
   */
  #isOwn(error: unknown, late: boolean): boolean {
    if (error instanceof Object && thrownBy.get(error) === this) return true;
    if (!(error instanceof OSError)) return false;
    const source = OSError.source(error);
    if (source === null) return !late;
    return source === this.transport || source === this.transport?.fileno();
  }

  // ---- receiving and sending ----

  recv(bufsize: number, flags: number): Buffer | null {
    const transport = this.transport as Transport; // the caller has looked
    this.flushForWait();
    let data: Buffer;
    try {
      data = flags === 0 ? transport.recv(bufsize) : transport.recv(bufsize, flags);
    } catch (error) {
      this.set(MAY_HOLD_MORE, false);
      if (!is_disconnected(error, this.established)) throw this.#noted(error);
      this.#receivedLast(error);
      return null;
    }
    if (data.length > 0) {
      this.#flags |= MOVED;
      if (transport.pending === undefined) this.set(MAY_HOLD_MORE, true);
    } else if (bufsize > 0 && this.isStream) {
      this.set(MAY_HOLD_MORE, false);
      this.endOfData();
    }
    return data;
  }

  /** A blocking receive may wait for an answer to what a handler has just sent. */
  flushForWait(): void {
    if (this.output?.isGathered !== true) return;
    const transport = this.transport as (Transport & { getblocking?(): boolean }) | null;
    if (transport?.getblocking?.() === true) this.output.flushAll();
  }

  /** Receiving has met the end: everything was read. */
  #receivedLast(error: unknown): void {
    this.reason ??= error;
    this.channel.handle_close_event();
  }

  /** That of a transport of the program's own may be another socket's, or no OSError. */
  #noted(error: unknown): unknown {
    const isForeign = !(error instanceof OSError && OSError.source(error) === this.transport);
    const { code } = Object(error) as NodeJS.ErrnoException;
    const isNothing = code === 'EAGAIN' || code === 'EWOULDBLOCK';
    if (isForeign && isNothing) thrownBy.set(error as object, this);
    return error;
  }

  /** Sends chunks in one call; 0 when there is no room, or the peer is gone. */
  transmit(chunks: readonly Uint8Array[]): number {
    const transport = this.transport as Transport; // the caller has looked
    if (this.is(BROKEN)) return 0;
    try {
      const sent =
        chunks.length === 1 || !transport.sendmsg
          ? transport.send(chunks[0])
          : transport.sendmsg(chunks);
      if (sent > 0) this.#flags |= MOVED;
      return sent;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return 0;
      if (!is_disconnected(error, this.established)) throw error;
      this.lost(error);
      return 0;
    }
  }

  /** The queue of a class that has one, made when it is first needed. */
  makeOutput(): Output {
    if (this.output === null) {
      this.output = new Output(this.channel as Buffered, this, this.#keepsBorders);
      this.#refuseOutput();
    }
    return this.output;
  }

  /** What was asked of the end of the output no longer holds, unless the socket is gone. */
  forgetEnd(): void {
    this.output?.forgetEnd();
    this.#refuseOutput();
  }

  #refuseOutput(): void {
    if (!this.is(CLOSED)) return;
    // Who closes knows; a handler that goes on after the peer's end need not.
    if (this.is(TOLD)) this.output?.lose();
    else this.output?.refuseAfter(this.is(DETACHED) ? 'detach' : 'close');
  }

  /** Whether each send is a message. What is given before there is a socket is kept in its pieces. */
  get #keepsBorders(): boolean {
    const { transport } = this;
    return transport === null || (transport.type !== undefined && transport.type !== SOCK_STREAM);
  }

  /**
   * For classes that send only when connected: whether they still may be, and so are writable in
   * order to notice it. A datagram socket without a peer would be writable for ever.
   */
  get awaitsConnection(): boolean {
    return !this.is(CONNECTED) && this.isStream;
  }

  // ---- the end of what is sent ----

  /**
   * Everything was sent after close_when_done. A close with unread input would be a reset, and take
   * what the peer has yet to receive with it: so our half ends first, and what comes is read away.
   */
  linger(): void {
    if (this.is(OVER)) return;
    const { channel, transport } = this;
    const canLinger = channel.linger_time > 0 && !this.is(ENDED | BROKEN) && this.isStream;
    if (!canLinger || typeof transport?.shutdown !== 'function') {
      channel.handle_close_event();
      return;
    }
    this.set(LINGERING, true);
    this.set(MOVED, false);
    this.#since = clock.now();
    try {
      transport.shutdown(SHUT_WR);
    } catch (error) {
      this.reason ??= error;
      channel.handle_close_event();
      return;
    }
    this.changed();
  }

  /** Everything was sent to a peer that had ended its half. */
  finish(): void {
    this.channel.handle_close_event();
  }

  /** Everything was sent that was given before it. */
  shutdown(how: number): void {
    this.transport?.shutdown?.(how);
  }

  /** Reads away what came, up to the limit. */
  drain(): void {
    const data = this.recv(65536, 0);
    this.#drained += data?.length ?? 0;
    if (this.#drained > this.channel.linger_bytes) this.channel.handle_close_event();
  }

  get isLingering(): boolean {
    return this.is(LINGERING);
  }

  // ---- time ----

  get limit(): number {
    if (this.is(LINGERING)) return this.channel.linger_time;
    return this.listening?.rest ?? this.channel.timeout;
  }

  patience(now: number): number {
    if (this.is(LINGERING)) return this.#since + this.channel.linger_time * 1000 - now;
    if (this.listening?.isResting) return this.listening.untilRested(now);
    if (this.is(MOVED | OVER) || this.idle || this.listening?.isFull(this.channel)) {
      this.set(MOVED, false);
      this.#since = now;
    }
    return this.#since + this.channel.timeout * 1000 - now;
  }

  impatient(): void {
    const { channel } = this;
    if (this.is(LINGERING)) {
      channel.handle_close_event();
    } else if (this.listening?.isResting) {
      this.listening.restNoMore();
      this.changed();
    } else {
      this.#flags |= MOVED;
      settle(channel, channel.handle_timeout());
    }
  }
}
