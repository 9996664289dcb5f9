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
import { bytes } from '../output/bytes.js';
import { Output } from '../output/output.js';
import type { Ending } from '../output/output_channel.js';
import {
  ACCEPTING,
  CLOSED,
  CONNECTED,
  CONNECTING,
  DETACHED,
  ENDED,
  GONE,
  HANDING,
  KEPT,
  LINGERING,
  MADE,
  MAY_HOLD_MORE,
  MET,
  MOVED,
  OVER,
  REFUSED,
  SHUT,
  TOLD,
  TUNED,
} from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { pass_over_fields } from './fields.js';
import { Listening } from './listening.js';
import { described } from './log_error.js';
import { RareParts } from './rare_parts.js';

/** A channel whose class queues its output: only such a class calls makeOutput. */
type Buffered = dispatcher<Transport> & { initiate_send(): void };

/**
 * The state of a channel's connection, from its beginning to its end. It is kept small, since there may be
 * thousands of quiet channels.
 */
export abstract class Connection extends RareParts implements Ending {
  /** Hands chunks to the socket in one call, and gives the number of bytes taken. */
  abstract transmit(chunks: readonly Uint8Array[]): number;
  /** Whether the loop, when it last asked, was told to wait for input alone, and nothing else has changed since. */
  abstract readonly isKnown: boolean;
  /** Everything is out after `close_when_done`. */
  abstract linger(): void;
  /** Everything was sent, and the peer had ended its half before. */
  abstract finish(): void;
  /** Everything given before the shutdown was sent. */
  abstract shutdown(how: number): void;

  transport: Transport | null = null;
  addr: Address | null = null;
  /** Null until something is sent. */
  output: Output | null = null;
  life = 0;
  /** What the constants of connection_flags.ts say of it. */
  protected flags = MOVED;

  constructor(readonly channel: dispatcher<Transport>) {
    super();
  }

  is(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  set(flag: number, value: boolean): void {
    this.flags = value ? this.flags | flag : this.flags & ~flag;
  }

  /** Sets an attribute that decides what to wait for. */
  put(flag: number, value: boolean): void {
    this.set(flag, value);
    if (flag === CONNECTED && value) this.set(MET, true);
    this.changed();
  }

  changed(): void {
    this.channel._changed();
  }

  /** Removes fields of a subclass that hide what the constructor has set. While that constructor runs, no such field is there yet. */
  passOverFields(): void {
    if (this.is(MADE)) pass_over_fields(this.channel);
  }

  // ---- the connection's life ----

  /** Begins a connection. Of a former one nothing is left, but for output that was never meant for it. */
  begin(): void {
    if (this.is(MET | CLOSED)) this.forgetOutput();
    this.flags = (this.flags & (KEPT | CONNECTED | ACCEPTING | CONNECTING)) | MOVED;
    if (this.is(CONNECTED)) this.set(MET, true);
    this.reason = null;
    this.endAttempt();
    this.drained = 0;
    this.output?.useBorders(this.keepsBorders);
    this.life += 1;
    if (this.life > 1) this.channel._begin();
  }

  private forgetOutput(): void {
    this.output?.drop();
    this.output = null;
  }

  private endAttempt(): void {
    const { attempt } = this;
    this.attempt = null;
    attempt?.stop();
  }

  /** Replaces a socket that was never connected: the same connection goes on, with the output given so far. */
  exchange(socket: Transport): void {
    const { channel, transport } = this;
    channel.del_channel();
    this.transport = socket;
    channel._fileno = socket.fileno();
    this.set(TUNED, false);
    this.output?.useBorders(this.keepsBorders);
    channel.add_channel();
    moved(channel);
    transport?.close();
  }

  /** Ends the former connection, since another socket is being made. */
  forget(): void {
    if (this.is(MET)) {
      this.forgetOutput();
      this.addr = null;
    }
    this.set(CONNECTED | ACCEPTING | CONNECTING, false);
  }

  /** Notes that the connection had ended before its channel was made, so that the loop reports it. */
  foundGone(error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    // The kernel reports a socket that was never connected as hung up too, but not as half-closed.
    const isOver = (this.state() & (POLLERR | (POLLRDHUP ?? 0))) !== 0;
    this.set(GONE, code === 'EINVAL' || isOver);
  }

  /** close() was called: no handler is called any more. */
  silence(): void {
    this.set(OVER, true);
  }

  /** Sends what waits, since the socket is about to be closed. That the peer is gone is not reported any more. */
  sendLast(): void {
    this.silence();
    this.output?.flushAll();
  }

  /** Ends the connection, and closes its socket. */
  closeSocket(): void {
    const { channel, transport } = this;
    if (Object.hasOwn(channel, 'closing')) channel.closing = false;
    channel.del_channel(); // before the descriptor: a duplicate of it would stay in the queue
    this.ended();
    try {
      transport?.close();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTCONN' && code !== 'EBADF') throw error;
    }
  }

  /** The socket has been closed, or its descriptor given away. */
  ended(isDetached = false): void {
    if (!this.is(CLOSED)) closed(this.channel, this.reason, () => this.why(isDetached));
    this.forgetOutput();
    this.endAttempt();
    this.timers?.cancelAll();
    this.listening?.restNoMore();
    this.set(CONNECTED | ACCEPTING | CONNECTING | LINGERING, false);
    this.set(OVER | CLOSED | (isDetached ? DETACHED : 0), true);
  }

  private why(isDetached: boolean): string {
    const { reason } = this;
    if (isDetached) return 'detach() gave its descriptor away';
    if (reason !== null) return reason instanceof Error ? reason.message : String(reason);
    if (this.output?.closedBy === 'close_when_done') return 'close_when_done() was called';
    if (this.is(ENDED)) return 'the peer ended it';
    return this.is(TOLD) ? 'the connection was over' : 'close() was called';
  }

  /** Takes a channel whose own close may have failed out of its map, and closes its socket. */
  abandon(): void {
    const { channel, transport } = this;
    if (this.is(CLOSED)) return;
    this.silence();
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

  /** Whether this is a stream that has been connected. Then an unreachable peer counts as gone. */
  get established(): boolean {
    return this.is(CONNECTED) && this.isStream;
  }

  /** Whether this is a stream that is not connecting, connected or listening. poll(2) would report it as hung up. */
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

  /** What a listener needs, made when it is first needed. */
  listener(): Listening {
    this.listening ??= new Listening(this.channel);
    return this.listening;
  }

  // ---- its output ----

  /** The output queue, made when it is first needed. */
  makeOutput(): Output {
    return this.output ?? this.newOutput();
  }

  private newOutput(): Output {
    this.output = new Output(this.channel as Buffered, this, this.keepsBorders);
    this.refuseOutput();
    // Nothing can be sent. Too much that waits would keep the channel from reading on, up to the end.
    if (this.is(GONE)) this.output.lose();
    return this.output;
  }

  /** Cancels what was asked for the end of the output, unless the socket is gone. */
  forgetEnd(): void {
    this.output?.forgetEnd();
    this.refuseOutput();
  }

  private refuseOutput(): void {
    const { closedBy } = this;
    // A program that closes knows it; a handler that goes on after the peer's end need not.
    if (this.is(CLOSED) && this.is(TOLD)) this.output?.lose();
    else if (closedBy !== null) this.output?.refuseAfter(closedBy);
  }

  /** The method that has ended the socket, or our half of it; null for none. */
  get closedBy(): string | null {
    if (this.is(CLOSED)) return this.is(DETACHED) ? 'detach' : 'close';
    return this.is(SHUT) ? 'shutdown' : null;
  }

  /** Our half of the connection was ended. */
  wasShut(): void {
    this.set(SHUT, true);
    this.output?.refuseAfter('shutdown');
    this.changed();
  }

  refuse(call: string, method: string): void {
    if (this.is(REFUSED)) return; // once: a peer could cause any number of lines
    this.set(REFUSED, true);
    this.channel.log_info(
      `${call} after ${method} is refused: ${described(this.channel)}`,
      'error',
    );
  }

  get isHanding(): boolean {
    return this.is(HANDING);
  }

  set isHanding(value: boolean) {
    this.set(HANDING, value);
  }

  /** Whether `send` may go out now: it comes after what was given, and not after the end. */
  maySend(data: Uint8Array): boolean {
    if (this.is(HANDING)) return true;
    const { output } = this;
    if (output !== null) return output.mayPass(data);
    const { closedBy } = this;
    if (closedBy === null) return true;
    if (bytes(data).length > 0 && !this.is(TOLD)) this.refuse('send', closedBy);
    return false;
  }

  /**
   * Whether `call`, a method of the socket that sends, may go out now: see Output.before. On a closed socket
   * it fails by itself.
   */
  mayCall(call: string): boolean {
    if (this.is(CLOSED | HANDING)) return true; // with the latter, a channel's own send is made of it
    const { output } = this;
    if (output !== null) return output.mayCall(call);
    if (!this.is(SHUT)) return true;
    this.refuse(call, 'shutdown');
    return false;
  }

  /** Whether each send is a message of its own. Without a socket yet, pieces are kept as they were given. */
  private get keepsBorders(): boolean {
    const { transport } = this;
    return transport === null || (transport.type !== undefined && transport.type !== SOCK_STREAM);
  }

  /**
   * Whether a class that sends only when connected should wait to be writable, in order to notice the
   * connection. A datagram socket without a peer is writable at once, and for ever: it waits only to close.
   */
  get awaitsConnection(): boolean {
    return !this.is(CONNECTED) && (this.isStream || this.output?.closes === true);
  }

  /** Whether this is a datagram socket without a peer, so that nothing of its queue can be sent. */
  get isPeerless(): boolean {
    return !this.is(CONNECTED | CONNECTING) && this.transport !== null && !this.isStream;
  }
}
