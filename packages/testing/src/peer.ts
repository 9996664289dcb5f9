import { isUtf8 } from 'node:buffer';
import type { Address } from '@asyncore/socket';
import { type Name, pathOf, shownName } from './kernel/names.js';
import { C, E, errorName } from './kernel/numbers.js';
import { shownBytes } from './kernel/shown_bytes.js';
import type { SocketFile } from './kernel/socket_file.js';
import { Tcp } from './kernel/tcp.js';
import { UnixSocket } from './kernel/unix_socket.js';
import type { network } from './network.js';

/** What to expect: text (as UTF-8), bytes, or a regular expression. */
export type expected = string | Uint8Array | RegExp;

/**
 * The other end of a connection, played by the test. It does what its methods say, in that order, once it
 * is connected. Each method returns the peer itself. It takes in what the program sends at once, unless it
 * stalls.
 */
export class peer {
  /** Whether the connection was made. */
  connected = false;
  /** How it has ended: 'end' (the program sends no more), an errno's name, or null while it has not. */
  ended: string | null = null;
  readonly #net: network;
  readonly #socket: SocketFile;
  /** Where it connects to, for messages. */
  readonly #to: string;
  #received: Uint8Array[] = [];
  /** The bytes to send, and the actions between them. */
  #todo: (Uint8Array | (() => void))[] = [];
  #isStalled = false;
  #isLooking = false;
  #isBrokenOff = false;

  /** @internal `where`: to connect there; or one that was accepted. */
  constructor(net: network, label: string, where: Name | SocketFile) {
    this.#net = net;
    const { kernel } = net;
    if ('host' in where) {
      const kind = where.family === C.AF_UNIX ? UnixSocket : Tcp;
      this.#socket = new kind(kernel, where.family, C.SOCK_STREAM, 0);
    } else {
      this.#socket = where;
    }
    const path = 'host' in where && where.family === C.AF_UNIX ? 'the path ' : '';
    this.#to = 'host' in where ? `${path}${shownName(where)}` : '';
    this.#socket.descriptors = 1;
    this.#socket.label = label;
    this.#socket.owner = () => this.#look();
    if ('host' in where) {
      const result = this.#socket.connect(where);
      if (result < 0 && result !== -E.EINPROGRESS) this.ended = errorName(-result);
    }
    this.#look();
  }

  /** Receives what has come, and goes on with the actions. */
  #look(): void {
    if (this.#isLooking || this.#socket.descriptors === 0) return;
    this.#isLooking = true;
    try {
      if (this.#socket.isConnected) this.connected = true;
      while (!this.#isStalled && this.#takeIn());
      if (this.connected) this.#goOn();
    } finally {
      this.#isLooking = false;
    }
  }

  #takeIn(): boolean {
    const socket = this.#socket;
    const isConnecting = !this.connected && socket.error === 0;
    if (isConnecting || this.ended !== null) return false;
    const into = Buffer.allocUnsafe(Math.max(1, socket.unread()));
    const count = socket.read(into, into.length);
    if (count > 0) this.#received.push(into.subarray(0, count));
    else if (count === 0) this.ended = 'end';
    else if (count !== -E.EAGAIN) this.ended = errorName(-count);
    return count > 0;
  }

  #goOn(): void {
    for (let next = this.#todo[0]; next !== undefined; next = this.#todo[0]) {
      if (typeof next === 'function') {
        this.#todo.shift();
        next();
        continue;
      }
      const count = this.#socket.write(next);
      if (count === -E.EAGAIN) return;
      if (count < 0) {
        this.#todo = [];
        this.ended ??= errorName(-count);
        return;
      }
      if (count < next.length) this.#todo[0] = next.subarray(count);
      else this.#todo.shift();
    }
  }

  #then(action: () => void): this {
    this.#todo.push(action);
    if (this.connected) this.#look();
    return this;
  }

  /** Where it is: [host, port], a Unix socket's path, or null if it has none. */
  get address(): Address | null {
    const { local } = this.#socket;
    if (local === null) return null;
    return local.family === C.AF_UNIX ? pathOf(local) : [local.host, local.port];
  }

  /** Sends text (as UTF-8) or bytes, as fast as the program takes them. */
  send(data: string | Uint8Array): this {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw new TypeError('send: data must be a string or a Uint8Array');
    }
    this.#todo.push(Buffer.from(data));
    if (this.connected) this.#look();
    return this;
  }

  /** Sends one urgent byte (MSG_OOB), between what was sent before and after. */
  send_urgent(data: string | Uint8Array): this {
    const byte = Buffer.from(data);
    return this.#then(() => this.#socket.send([byte], byte.length, C.MSG_OOB, null, []));
  }

  /** Says that it sends no more (FIN), and goes on receiving. */
  half_close(): this {
    return this.#then(() => this.#socket.shutdown(1));
  }

  /** Closes the connection. What the program sends from then on meets a reset. */
  close(): this {
    return this.#then(() => this.break_off());
  }

  /**
   * Breaks the connection (RST). Bytes that are on their way may get lost. Bytes that wait for the program
   * to receive them are lost.
   */
  reset(): this {
    if (this.connected) return this.#reset();
    this.#todo.push(() => this.#reset());
    return this;
  }

  #reset(): this {
    if (this.#socket instanceof Tcp) this.#socket.resetsOnClose = true;
    this.#todo = [];
    this.break_off();
    return this;
  }

  /** Takes nothing in from now on, so that the program can soon send no more. */
  stall(): this {
    this.#isStalled = true;
    return this;
  }

  /** Takes in again what comes. */
  resume(): this {
    this.#isStalled = false;
    this.#look();
    return this;
  }

  /** @internal Closes its socket at once. */
  break_off(): void {
    if (this.#isBrokenOff) return;
    this.#isBrokenOff = true;
    this.#net.kernel.release(this.#socket);
  }

  /** The bytes that have come and that no `expect` has taken. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** The same as text: UTF-8, or where it is none, one character for each byte. */
  get text(): string {
    return decoded(this.received);
  }

  /**
   * Waits until `what` has come, and takes all up to its end, which it gives as text. Rejects when
   * nothing more can come, or not within so many virtual seconds, and says what had come instead.
   */
  async expect(what: expected, within?: number): Promise<string> {
    if (typeof what !== 'string' && !(what instanceof Uint8Array) && !(what instanceof RegExp)) {
      throw new TypeError('expect: what must be a string, a Uint8Array or a RegExp');
    }
    const shown = what instanceof Uint8Array ? shownBytes(what) : JSON.stringify(what);
    const about = `${this.#socket.label} expects ${what instanceof RegExp ? what : shown}`;
    await this.#until(() => this.#endOf(what) >= 0 || this.ended !== null, about, within);
    const end = this.#endOf(what);
    if (end < 0) throw new Error(`${about}; ${this.#had()}`);
    const all = this.received;
    this.#received = end < all.length ? [all.subarray(end)] : [];
    return decoded(all.subarray(0, end));
  }

  /** Waits for the end of what the program sends, and gives how it ended: 'end', or 'ECONNRESET' and the like. */
  async end(within?: number): Promise<string> {
    await this.#until(() => this.ended !== null, `${this.#socket.label} waits for the end`, within);
    return this.ended ?? '';
  }

  async #until(condition: () => boolean, about: string, within = 600): Promise<void> {
    const message = (why = this.#net.nothing(within)) => `${about}; ${this.#had()}: ${why}`;
    await this.#net.driver.until(condition, within, message);
  }

  #had(): string {
    const { received } = this;
    if (this.ended !== null && !this.connected) {
      return `it could not connect to ${this.#to}: ${this.ended}`;
    }
    const what = received.length === 0 ? 'nothing has come' : `there is ${shownBytes(received)}`;
    return `${what}${this.ended === null ? '' : `, and then ${this.ended}`}`;
  }

  /** Where `what` ends in what was received, -1 if it is not there. */
  #endOf(what: expected): number {
    const { received } = this;
    if (what instanceof RegExp) {
      const text = decoded(received);
      const match = new RegExp(what.source, what.flags.replace(/[gy]/g, '')).exec(text);
      if (match === null) return -1;
      const before = text.slice(0, match.index + match[0].length);
      return Buffer.byteLength(before, encodingOf(received));
    }
    const bytes = Buffer.from(what);
    const at = received.indexOf(bytes);
    return at < 0 ? -1 : at + bytes.length;
  }
}

function encodingOf(bytes: Uint8Array): 'utf8' | 'latin1' {
  return isUtf8(bytes) ? 'utf8' : 'latin1';
}

function decoded(bytes: Buffer): string {
  return bytes.toString(encodingOf(bytes));
}
