import { ByteQueue, copied } from './byte_queue.js';
import type { Event } from './event_queue.js';
import { isSame, type Name, reached, shownName } from './names.js';
import { BOTH, C, E, errorName, RCV, SND } from './numbers.js';
import { type Received, SocketFile } from './socket_file.js';
import { knock, move, reset } from './tcp_wire.js';
import { Urgent } from './urgent.js';

const { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP } = C;

/**
 * One end of a TCP connection, a listener, or neither yet. System calls answer exactly as on Linux, in
 * odd cases too. Between the ends there are no packets, only what tcp_wire.ts does.
 */
export class Tcp extends SocketFile {
  state: 'closed' | 'listening' | 'connecting' | 'established' = 'closed';
  /**
   * The state on which connect(2) depends, Linux's `sock->state`. An attempt that was ended by shutdown
   * is 'disconnecting'.
   */
  attempt: 'none' | 'connecting' | 'connected' | 'disconnecting' = 'none';
  /** Counts attempts to connect, so that an answer to an earlier one is recognized. */
  attempts = 0;
  /** The bytes that were received and not read, and those that were sent and have not arrived. */
  readonly input = new ByteQueue();
  output = new ByteQueue();
  /**
   * The urgent byte that was received, and the one that was sent with the place where the stream goes on
   * after it.
   */
  readonly urgent = new Urgent(this.input, this.options);
  urgentEnd = 0;
  urgentByte = 0;
  /** The state of its FIN: it follows the output, or has arrived already. */
  fin: 'none' | 'queued' | 'arrived' = 'none';
  /** Whether the other end's FIN was received. */
  atEnd = false;
  /** Whether both FINs have arrived. Then nothing more can come, not even a reset. */
  isOver = false;
  peer: Tcp | null = null;
  /** Whether some of its output is on its way. */
  isMoving = false;
  /** Whether no descriptor refers to it any more. */
  isOrphan = false;
  /** Whether SO_LINGER is set with 0 seconds: then close(2) sends a reset. */
  resetsOnClose = false;
  /** For a listener: the connections that wait to be accepted, and how many may wait. */
  readonly newcomers: Tcp[] = [];
  backlog = 0;
  /** For a connection that waits to be accepted: its listener, and when its last ACK arrives there. */
  listener: Tcp | null = null;
  arrival: Event | null = null;
  /** When output on its way was first lost, because the network has become a black hole. */
  lostSince = -1;

  override get isListening(): boolean {
    return this.state === 'listening';
  }

  override get isConnected(): boolean {
    return this.state === 'established';
  }

  /** The room in the send buffer. */
  get room(): number {
    return this.sendRoom - this.output.length;
  }

  /** Makes the listener's end of a new connection: a socket of the same kind. */
  newEnd(): Tcp {
    return new Tcp(this.kernel, this.family, this.type, this.protocol);
  }

  note(what: string): void {
    this.kernel.world.note?.(this, what);
  }

  override mask(): number {
    if (this.isListening) return this.newcomers.length > 0 ? POLLIN : 0;
    let mask = 0;
    if (this.shut === BOTH || this.state === 'closed') mask |= POLLHUP;
    if (this.shut & RCV) mask |= POLLIN | POLLRDHUP;
    if (this.state !== 'connecting') {
      if (this.input.length > (this.urgent.isNext ? 1 : 0)) mask |= POLLIN;
      if (this.shut & SND) mask |= POLLOUT;
      else if (this.room > 0 && this.room * 2 >= this.output.length) mask |= POLLOUT;
      if (this.urgent.state === 'there') mask |= POLLPRI;
    }
    if (this.error !== 0) mask |= POLLERR;
    return mask;
  }

  override bind(name: Name): number {
    if (this.local !== null) return -E.EINVAL;
    return this.kernel.tcp.bind(this, name);
  }

  override listen(backlog: number): number {
    if (this.attempt !== 'none' || !(this.state === 'closed' || this.isListening)) return -E.EINVAL;
    if (this.local === null) this.kernel.tcp.addFree(this, this.unnamed.host);
    const { local, kernel } = this;
    if (local === null) return -E.EINVAL;
    // Two sockets with SO_REUSEADDR may be bound to one place, but only one may listen there.
    const other = kernel.tcp.at(local, (one) => one !== this && this.#excludes(one));
    if (other !== undefined) return -E.EADDRINUSE;
    this.backlog = Math.max(0, backlog);
    this.state = 'listening';
    this.note(`listens on ${shownName(local)}`);
    return 0;
  }

  #excludes(other: Tcp): boolean {
    if (!other.isListening || !isSame(other.local, this.local)) return false;
    const shares = [this, other].every(({ options }) => options.isOn(C.SOL_SOCKET, C.SO_REUSEPORT));
    return !shares;
  }

  override waiting(): Tcp | number {
    if (!this.isListening) return -E.EINVAL;
    return this.newcomers[0] ?? -E.EAGAIN;
  }

  override accepted(newcomer: Tcp): void {
    this.newcomers.splice(this.newcomers.indexOf(newcomer), 1);
    newcomer.note('is accepted');
  }

  override connect(name: Name): number {
    if (this.isListening || this.attempt === 'connected') return -E.EISCONN;
    if (this.attempt === 'disconnecting') return -E.EINVAL;
    if (this.attempt === 'connecting') {
      if (this.state === 'connecting') return -E.EALREADY;
      if (this.state === 'closed') {
        this.attempt = 'none';
        const error = this.takeError() || E.ECONNABORTED;
        this.#disconnect();
        return -error;
      }
      this.attempt = 'connected';
      return 0;
    }
    const to = reached(name);
    const { tcp } = this.kernel;
    if (this.local === null) {
      tcp.addFree(this, to.host);
    } else if (reached(this.local) !== this.local) {
      const { port } = this.local;
      tcp.remove(this);
      tcp.add(this, { ...to, port });
    }
    this.attempt = 'connecting';
    this.state = 'connecting';
    this.error = 0;
    this.remote = to;
    this.attempts += 1;
    this.note(`connects to ${shownName(to)}`);
    this.changed();
    knock(this);
    return -E.EINPROGRESS;
  }

  /** The attempt to connect has failed. */
  fail(error: number): void {
    this.note(`cannot connect: ${errorName(error)}`);
    this.state = 'closed';
    this.error = error;
    this.shut = BOTH;
    this.changed();
  }

  override send(views: readonly ArrayBufferView[], length: number, flags = 0): number {
    if (this.isListening) return -E.EPIPE;
    if (this.state === 'connecting' && this.error === 0) return -E.EAGAIN;
    if (this.error !== 0 || this.shut & SND || this.state === 'closed') {
      return -(this.takeError() || E.EPIPE);
    }
    if (length === 0) return 0;
    const count = Math.min(length, this.room);
    if (count <= 0) return -E.EAGAIN;
    for (const chunk of copied(views, count)) this.output.push(chunk);
    if (flags & C.MSG_OOB) {
      this.urgentEnd = this.output.end;
      [this.urgentByte] = this.output.last(1);
    }
    move(this);
    return count;
  }

  override receive(into: Uint8Array, length: number, flags: number, _received: Received): number {
    if (this.isListening) return -E.ENOTCONN;
    const { input, urgent } = this;
    if (flags & C.MSG_OOB) {
      if (urgent.state === 'there') this.changed();
      return urgent.receive(into, length, flags, this);
    }
    if (input.length > 0) {
      const from = urgent.isNext ? 1 : 0;
      const most = Math.min(length, urgent.before, input.length - from);
      const count = flags & C.MSG_TRUNC ? most : input.copy(into, most, from);
      if (!(flags & C.MSG_PEEK) && from + count > 0) {
        input.skip(from + count);
        urgent.passed();
        if (this.peer !== null) move(this.peer); // there is room again
        if (input.length === 0 || from > 0) this.changed();
      }
      if (count > 0 || length === 0) return count;
    }
    if (this.atEnd) return 0;
    if (this.error !== 0) return -this.takeError();
    if (this.shut & RCV) return 0;
    if (this.state === 'closed') return -E.ENOTCONN;
    return -E.EAGAIN;
  }

  override unread(): number {
    return this.isListening ? -E.EINVAL : this.urgent.unread;
  }

  override shutdown(how: number): number {
    if (how < 0 || how > 2) return -E.EINVAL;
    const directions = how + 1;
    if (this.attempt === 'connecting') {
      this.attempt = this.state === 'established' ? 'connected' : 'disconnecting';
    }
    if (this.state === 'closed') {
      this.shut |= directions;
      this.changed();
      return -E.ENOTCONN;
    }
    if (this.isListening) {
      if (directions & RCV) this.#listenNoMore();
      return 0;
    }
    if (this.state === 'connecting') {
      this.state = 'closed';
      this.attempts += 1;
      this.attempt = 'none';
      this.#disconnect();
      return 0;
    }
    this.shut |= directions;
    if (directions & SND && this.fin === 'none') {
      this.fin = 'queued';
      move(this);
    }
    this.changed();
    return 0;
  }

  #listenNoMore(): void {
    this.state = 'closed';
    for (const newcomer of this.newcomers.splice(0)) {
      newcomer.isOrphan = true;
      reset(newcomer);
    }
    this.changed();
  }

  /** Makes the socket as new, except for its address: Linux's tcp_disconnect. */
  #disconnect(): void {
    this.shut = 0;
    this.atEnd = false;
    this.isOver = false;
    this.fin = 'none';
    this.input.clear();
    this.output.clear();
    this.urgent.forget();
    this.urgentEnd = 0;
    this.peer = null;
    this.isMoving = false;
    this.changed();
  }

  override released(): void {
    this.kernel.tcp.remove(this);
    if (this.isListening) {
      this.#listenNoMore();
      return;
    }
    this.isOrphan = true;
    this.attempts += 1;
    const { peer } = this;
    if (this.state === 'connecting') {
      this.state = 'closed';
      if (peer !== null) {
        peer.isOrphan = true;
        if (peer.arrival !== null) peer.arrival.cancelled = true;
      }
      return;
    }
    if (peer === null) return;
    if (this.input.length > 0 || this.resetsOnClose) {
      reset(this);
    } else if (this.fin === 'none') {
      this.fin = 'queued';
      move(this);
    }
    if (this.peer !== null) move(this.peer); // output that waits for room there is answered with a reset
  }

  /** Both directions of the connection have ended. */
  endIfOver(): void {
    if (this.fin === 'arrived' && this.peer?.fin === 'arrived' && this.state === 'established') {
      this.state = 'closed';
      this.isOver = true;
      this.changed();
    }
  }
}
