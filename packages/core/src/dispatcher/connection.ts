import {
  type Address,
  POLLERR,
  POLLNVAL,
  POLLRDHUP,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  state_of,
  type Transport,
  unread_of,
} from '@asyncore/socket';
import { closed, moved } from '../diagnostics/life.js';
import { Channels } from '../loop/channels.js';
import { type Ending, Output } from '../output/output.js';
import type { Attempt } from './connecting.js';
import {
  ACCEPTING,
  CLOSED,
  CONNECTED,
  CONNECTING,
  DETACHED,
  ENDED,
  GONE,
  KEPT,
  LINGERING,
  MAY_HOLD_MORE,
  MET,
  MOVED,
  OVER,
  TOLD,
  TUNED,
} from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { pass_over_fields } from './fields.js';
import type { Listening } from './listening.js';
import type { Timers } from './timers.js';

/** A channel of a class that queues its output: only such a class calls makeOutput. */
type Buffered = dispatcher<Transport> & { initiate_send(): void };

/**
 * What is known of a channel's connection, from its beginning to its end: thousands of quiet channels
 * keep it, so it is small.
 */
export abstract class Connection implements Ending {
  /** Everything is out after `close_when_done`. */
  abstract linger(): void;
  /** Everything was sent to a peer that had ended its half. */
  abstract finish(): void;
  /** Everything was sent that was given before it. */
  abstract shutdown(how: number): void;

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
  /** How many bytes were read away while it lingers. */
  protected drained = 0;
  #flags = MOVED;

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

  /** A field of a subclass hides what the constructor has set: it is passed over. */
  passOverFields(): void {
    pass_over_fields(this.channel);
  }

  // ---- the connection's life ----

  /** Another connection, or the first: nothing is left of the former one but output never due to it. */
  begin(): void {
    if (this.is(MET | CLOSED)) this.#forgetOutput();
    this.#flags = (this.#flags & (KEPT | CONNECTED | ACCEPTING | CONNECTING)) | MOVED;
    if (this.is(CONNECTED)) this.set(MET, true);
    this.reason = null;
    this.#endAttempt();
    this.drained = 0;
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
    moved(channel);
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
    if (!this.is(CLOSED)) closed(this.channel, this.reason, () => this.#why(isDetached));
    this.#forgetOutput();
    this.#endAttempt();
    this.timers?.cancelAll();
    this.listening?.restNoMore();
    this.set(CONNECTED | ACCEPTING | CONNECTING | LINGERING, false);
    this.set(OVER | CLOSED | (isDetached ? DETACHED : 0), true);
  }

  #why(isDetached: boolean): string {
    const { reason } = this;
    if (isDetached) return 'detach() gave its descriptor away';
    if (reason !== null) return reason instanceof Error ? reason.message : String(reason);
    if (this.output?.closedBy === 'close_when_done') return 'close_when_done() was called';
    if (this.is(ENDED)) return 'the peer ended it';
    return this.is(TOLD) ? 'the connection was over' : 'close() was called';
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

  // ---- its output ----

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
}
