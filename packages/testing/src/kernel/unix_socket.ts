import { copied } from './byte_queue.js';
import type { Name } from './names.js';
import { BOTH, C, E, RCV, SND } from './numbers.js';
import type { OpenFile } from './open_file.js';
import { type Received, SocketFile } from './socket_file.js';

const { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } = C;
/** The most datagrams that wait at a socket: net.unix.max_dgram_qlen. */
const MOST_MESSAGES = 10;

interface Message {
  data: Uint8Array;
  readonly sender: UnixSocket;
  readonly from: Name;
  readonly files: readonly OpenFile[];
}

/**
 * A Unix socket of any type: unix(7). What is sent is there at once, so that nothing here is left to
 * chance but the size of buffers. A name is free again when its socket is closed, as if it had been
 * unlinked: names are not files here.
 */
export class UnixSocket extends SocketFile {
  state: 'closed' | 'listening' | 'established' = 'closed';
  peer: UnixSocket | null = null;
  #isClosed = false;
  #messages: Message[] = [];
  /** How many of the bytes that it has sent have not been received yet. */
  #waiting = 0;
  #newcomers: UnixSocket[] = [];
  #backlog = 0;

  get #isDatagram(): boolean {
    return this.type === C.SOCK_DGRAM;
  }

  override get isListening(): boolean {
    return this.state === 'listening';
  }

  override get isConnected(): boolean {
    return this.state === 'established';
  }

  /** Connects two sockets to each other, as socketpair(2) does. */
  join(other: UnixSocket): void {
    this.peer = other;
    other.peer = this;
    this.remote = other.local ?? other.unnamed;
    other.remote = this.local ?? this.unnamed;
    this.state = 'established';
    other.state = 'established';
  }

  override mask(): number {
    if (this.isListening) return this.#newcomers.length > 0 ? POLLIN : 0;
    let mask = 0;
    if (this.error !== 0) mask |= POLLERR;
    if (this.shut === BOTH) mask |= POLLHUP;
    if (this.shut & RCV) mask |= POLLRDHUP | POLLIN;
    if (this.#messages.length > 0) mask |= POLLIN;
    if (!this.#isDatagram && this.state === 'closed') mask |= POLLHUP;
    if (this.#isWritable) mask |= POLLOUT;
    return mask;
  }

  get #isWritable(): boolean {
    const { peer } = this;
    if (this.#isDatagram && peer !== null && peer.peer !== this && peer.#isFull) return false;
    return this.#waiting * 4 <= this.sendRoom;
  }

  get #isFull(): boolean {
    return this.#messages.length > MOST_MESSAGES;
  }

  override bind(name: Name): number {
    const { paths } = this.kernel;
    if (this.local !== null) return -E.EINVAL;
    if (name.host === '') return -E.EINVAL;
    if (paths.has(name.host)) return -E.EADDRINUSE;
    paths.set(name.host, this);
    this.local = name;
    return 0;
  }

  override listen(backlog: number): number {
    if (this.#isDatagram) return -E.EOPNOTSUPP;
    if (this.local === null || this.state === 'established') return -E.EINVAL;
    this.state = 'listening';
    this.#backlog = Math.max(0, backlog);
    return 0;
  }

  override waiting(): UnixSocket | number {
    if (this.#isDatagram) return -E.EOPNOTSUPP;
    if (!this.isListening) return -E.EINVAL;
    return this.#newcomers[0] ?? -E.EAGAIN;
  }

  override accepted(newcomer: UnixSocket): void {
    this.#newcomers.splice(this.#newcomers.indexOf(newcomer), 1);
  }

  override connect(name: Name): number {
    if (name.host === '') return -E.EINVAL;
    const other = this.kernel.paths.get(name.host);
    if (other === undefined) return name.host.startsWith('\0') ? -E.ECONNREFUSED : -E.ENOENT;
    if (other.type !== this.type) return -E.EPROTOTYPE;
    if (this.#isDatagram) {
      if (other.peer !== null && other.peer !== this) return -E.EPERM;
      this.peer = other;
      this.remote = name;
      this.state = 'established';
      this.changed();
      return 0;
    }
    if (!other.isListening || other.shut & RCV) return -E.ECONNREFUSED;
    if (this.state === 'established') return -E.EISCONN;
    if (this.isListening) return -E.EINVAL;
    if (other.#newcomers.length > other.#backlog) return -E.EAGAIN;
    const newcomer = new UnixSocket(this.kernel, this.family, this.type, this.protocol);
    newcomer.local = other.local;
    newcomer.join(this);
    other.#newcomers.push(newcomer);
    other.changed();
    this.changed();
    return 0;
  }

  override send(
    views: readonly ArrayBufferView[],
    length: number,
    flags: number,
    to: Name | null,
    files: readonly OpenFile[],
  ): number {
    if (flags & C.MSG_OOB) return -E.EOPNOTSUPP;
    if (this.#isDatagram) return this.#sendMessage(views, length, to, files);
    const isWhole = this.type === C.SOCK_SEQPACKET;
    if (isWhole && this.error !== 0) return -this.takeError();
    if (to !== null) return this.state === 'established' ? -E.EISCONN : -E.EOPNOTSUPP;
    if (this.shut & SND) return -E.EPIPE;
    const { peer } = this;
    if (peer === null) return this.state === 'established' ? -E.EPIPE : -E.ENOTCONN;
    if (peer.shut & RCV) return -E.EPIPE;
    if (isWhole && length > this.sendRoom) return -E.EMSGSIZE;
    const room = this.sendRoom - this.#waiting;
    if (length > 0 && (room <= 0 || (isWhole && room < length))) return -E.EAGAIN;
    const count = Math.min(length, room);
    if (count > 0 || isWhole) peer.#take(this, copied(views, count), files);
    return count;
  }

  #sendMessage(
    views: readonly ArrayBufferView[],
    length: number,
    to: Name | null,
    files: readonly OpenFile[],
  ): number {
    if (this.shut & SND) return -E.EPIPE;
    if (length > this.sendRoom) return -E.EMSGSIZE;
    let other: UnixSocket | null | undefined = this.peer;
    if (to !== null) {
      other = this.kernel.paths.get(to.host);
      if (other === undefined) return to.host.startsWith('\0') ? -E.ECONNREFUSED : -E.ENOENT;
    }
    if (other === null) return -E.ENOTCONN;
    if (other.type !== this.type) return -E.EPROTOTYPE;
    if (other.#isClosed) {
      this.peer = null;
      this.state = 'closed';
      this.#forgetMessages(); // the messages of its former peer
      return -E.ECONNREFUSED;
    }
    if (other.peer !== null && other.peer !== this) return -E.EPERM;
    if (other.shut & RCV) return -E.EPIPE;
    if (other.peer !== this && other.#isFull) return -E.EAGAIN;
    if (this.sendRoom - this.#waiting < length) return -E.EAGAIN;
    other.#take(this, copied(views, length), files);
    return length;
  }

  #take(sender: UnixSocket, chunks: Uint8Array[], files: readonly OpenFile[]): void {
    const data = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    for (const file of files) file.descriptors += 1; // a file stays open while it is on its way
    sender.#waiting += data.length;
    this.#messages.push({ data, sender, from: sender.local ?? sender.unnamed, files });
    this.changed();
    sender.changed();
  }

  override receive(into: Uint8Array, length: number, flags: number, received: Received): number {
    if (flags & C.MSG_OOB) return -E.EOPNOTSUPP;
    const isStream = this.type === C.SOCK_STREAM;
    if (!this.#isDatagram && this.state !== 'established') {
      return isStream ? -E.EINVAL : -E.ENOTCONN;
    }
    if (!isStream && this.error !== 0) return -this.takeError();
    if (this.#messages.length > 0) {
      return isStream
        ? this.#read(into, length, flags, received)
        : this.#receiveMessage(into, length, flags, received);
    }
    if (this.error !== 0) return -this.takeError();
    if (this.shut & RCV && !this.#isDatagram) return 0;
    return -E.EAGAIN;
  }

  /** Reads bytes out of several messages, but not beyond one with descriptors. */
  #read(into: Uint8Array, length: number, flags: number, received: Received): number {
    let at = 0;
    for (const message of [...this.#messages]) {
      if (at === length && length > 0) break;
      const { files } = message;
      const part = message.data.subarray(0, length - at);
      into.set(part, at);
      at += part.length;
      received.files.push(...files);
      if (flags & C.MSG_PEEK) {
        if (files.length > 0) break;
        continue;
      }
      this.#consumed(message, part.length);
      if (files.length > 0 || length === 0) break;
    }
    return at;
  }

  #receiveMessage(into: Uint8Array, length: number, flags: number, received: Received): number {
    const [message] = this.#messages;
    const { data } = message;
    const count = Math.min(length, data.length);
    into.set(data.subarray(0, count));
    if (this.#isDatagram) received.from = message.from;
    received.files.push(...message.files);
    if (count < data.length) received.flags |= C.MSG_TRUNC;
    if (!(flags & C.MSG_PEEK)) this.#consumed(message, data.length);
    return flags & C.MSG_TRUNC ? data.length : count;
  }

  #consumed(message: Message, count: number): void {
    const { sender, files } = message;
    sender.#waiting -= count;
    message.data = message.data.subarray(count);
    if (message.data.length === 0) this.#messages.shift();
    else this.#messages[0] = { ...message, files: [] };
    // The caller refers to the files itself by now.
    this.kernel.in(0, () => {
      for (const file of files) this.kernel.release(file);
    });
    this.changed();
    sender.changed();
  }

  override unread(): number {
    if (this.isListening) return -E.EINVAL;
    const [first] = this.#messages;
    if (this.#isDatagram) return first?.data.length ?? 0;
    return this.#messages.reduce((sum, { data }) => sum + data.length, 0);
  }

  override shutdown(how: number): number {
    if (how < 0 || how > 2) return -E.EINVAL;
    const directions = how + 1;
    this.shut |= directions;
    this.changed();
    const { peer } = this;
    if (peer !== null && !this.#isDatagram) {
      if (directions & RCV) peer.shut |= SND;
      if (directions & SND) peer.shut |= RCV;
      peer.changed();
    }
    return 0;
  }

  override released(): void {
    const { paths } = this.kernel;
    if (this.local !== null && paths.get(this.local.host) === this) paths.delete(this.local.host);
    this.#isClosed = true;
    const { peer } = this;
    const wasUnread = this.#messages.length > 0;
    if (peer !== null && !this.#isDatagram) {
      peer.shut = BOTH;
      if (wasUnread) peer.error = E.ECONNRESET;
      peer.peer = null;
      peer.changed();
    }
    this.state = 'closed';
    this.#forgetMessages();
    for (const newcomer of this.#newcomers.splice(0)) {
      const client = newcomer.peer;
      newcomer.released();
      if (client === null) continue;
      client.error = E.ECONNRESET;
      client.changed();
    }
  }

  #forgetMessages(): void {
    for (const { sender, data, files } of this.#messages.splice(0)) {
      sender.#waiting -= data.length;
      for (const file of files) this.kernel.release(file);
      sender.changed();
    }
    this.changed();
  }
}
