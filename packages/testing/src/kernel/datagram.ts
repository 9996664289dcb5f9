import { copied } from './byte_queue.js';
import { isSame, type Name, reached, shownName } from './names.js';
import { BOTH, C, E, RCV, SND } from './numbers.js';
import { shownBytes } from './shown_bytes.js';
import { type Received, SocketFile } from './socket_file.js';

const { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } = C;
/** The most bytes that a UDP datagram holds, by family. */
const MOST = { 4: 65507, 6: 65527 };

interface Message {
  readonly data: Uint8Array;
  readonly from: Name;
}

/** A UDP socket. A datagram may be lost, come twice, or after a later one. */
export class Datagram extends SocketFile {
  #messages: Message[] = [];
  #size = 0;

  override get isConnected(): boolean {
    return this.remote !== null;
  }

  override mask(): number {
    let mask = 0;
    if (this.error !== 0) mask |= POLLERR;
    if (this.shut & RCV) mask |= POLLRDHUP | POLLIN;
    if (this.shut === BOTH) mask |= POLLHUP;
    if (this.#messages.length > 0) mask |= POLLIN;
    return mask | POLLOUT;
  }

  override bind(name: Name): number {
    if (this.local !== null) return -E.EINVAL;
    return this.kernel.udp.bind(this, name);
  }

  /** The peer that it is connected to: only datagrams from there are received. */
  override connect(name: Name): number {
    const to = reached(name);
    const { udp } = this.kernel;
    if (this.local === null) udp.addFree(this, to.host);
    else if (reached(this.local) !== this.local) {
      const { port } = this.local;
      udp.remove(this);
      udp.add(this, { ...to, port });
    }
    this.remote = to;
    return 0;
  }

  override send(
    views: readonly ArrayBufferView[],
    length: number,
    flags: number,
    to: Name | null,
  ): number {
    if (flags & C.MSG_OOB) return -E.EOPNOTSUPP;
    if (length > (this.family === C.AF_INET6 ? MOST[6] : MOST[4])) return -E.EMSGSIZE;
    const receiver = to === null ? this.remote : reached(to);
    if (receiver === null) return -E.EDESTADDRREQ;
    if (receiver.port === 0) return -E.EINVAL;
    if (this.error !== 0) return -this.takeError();
    if (this.shut & SND) return -E.EPIPE;
    const { kernel } = this;
    if (receiver.host === '255.255.255.255' && !this.options.isOn(C.SOL_SOCKET, C.SO_BROADCAST)) {
      return -E.EACCES;
    }
    if (this.local === null) kernel.udp.addFree(this, this.unnamed.host);
    const local = this.local ?? this.unnamed;
    const from = reached(local) === local ? local : { ...local, host: receiver.host };
    const message = { data: Buffer.concat(copied(views, length)), from };
    const { world } = kernel;
    const isLost = world.choose(4, 'datagram lost') === 1; // of the alternatives to the plain choice only this one is a loss
    const copies = isLost ? 0 : world.choose(4, 'datagram twice') === 1 ? 2 : 1;
    if (isLost) world.note?.(this, `datagram to ${shownName(receiver)} is lost`);
    for (let i = 0; i < copies; i++) {
      kernel.in(world.latency('datagram'), () => this.#arrive(receiver, message));
    }
    return length;
  }

  #arrive(to: Name, message: Message): void {
    const { kernel } = this;
    const { world } = kernel;
    if (world.isBlackHole(to.host, to.port)) return;
    const receiver = kernel.udp.at(
      to,
      (one) => one.remote === null || isSame(one.remote, message.from),
    );
    if (receiver !== undefined && !world.isRefused(to.host, to.port)) receiver.#take(message);
    else if (isSame(this.remote, to)) {
      // Nobody receives there. A connected sender learns that by ICMP.
      kernel.in(world.latency('RST'), () => {
        if (!isSame(this.remote, to) || this.descriptors === 0) return;
        this.error = E.ECONNREFUSED;
        this.changed();
      });
    }
  }

  #take(message: Message): void {
    // Every message also takes room for the system's own data, which shows in Linux's smallest buffer.
    if (this.#messages.length > 0 && this.#size + message.data.length > this.receiveRoom) return;
    this.#messages.push(message);
    this.#size += message.data.length;
    this.kernel.world.note?.(
      this,
      `gets ${shownBytes(message.data)} from ${shownName(message.from)}`,
    );
    this.changed();
  }

  override receive(into: Uint8Array, length: number, flags: number, received: Received): number {
    if (flags & C.MSG_OOB) return -E.EOPNOTSUPP;
    if (this.error !== 0) return -this.takeError();
    const message = this.#messages[0];
    if (message === undefined) return -E.EAGAIN; // also when receiving is shut down, for a call that does not wait
    const count = Math.min(length, message.data.length);
    into.set(message.data.subarray(0, count));
    received.from = message.from;
    if (count < message.data.length) received.flags |= C.MSG_TRUNC;
    if (!(flags & C.MSG_PEEK)) {
      this.#messages.shift();
      this.#size -= message.data.length;
      this.changed();
    }
    return flags & C.MSG_TRUNC ? message.data.length : count;
  }

  override unread(): number {
    return this.#messages[0]?.data.length ?? 0;
  }

  override shutdown(how: number): number {
    if (how < 0 || how > 2) return -E.EINVAL;
    this.shut |= how + 1;
    this.changed();
    return this.remote === null ? -E.ENOTCONN : 0;
  }

  override released(): void {
    this.kernel.udp.remove(this);
    this.#messages = [];
  }
}
