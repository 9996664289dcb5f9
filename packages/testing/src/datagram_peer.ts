import type { InetAddress } from '@asyncore/socket';
import { Datagram } from './kernel/datagram.js';
import type { Name } from './kernel/names.js';
import { C, E, errorName } from './kernel/numbers.js';
import type { Received } from './kernel/socket_file.js';
import type { network } from './network.js';

/** A datagram that was received. */
export interface datagram {
  /** Its bytes. */
  data: Buffer;
  /** Who sent it. */
  from: InetAddress;
}

/** A UDP socket that the test plays. */
export class datagram_peer {
  readonly #net: network;
  readonly #socket: Datagram;
  /** The datagrams that have come and that nobody has received. */
  readonly received: datagram[] = [];

  /** @internal */
  constructor(net: network, label: string, where: Name) {
    this.#net = net;
    this.#socket = new Datagram(net.kernel, where.family, C.SOCK_DGRAM, 0);
    this.#socket.descriptors = 1;
    this.#socket.label = label;
    this.#socket.owner = () => this.#look();
    const result = this.#socket.bind(where);
    if (result < 0) throw new Error(`datagrams: ${errorName(-result)} ${where.host} ${where.port}`);
  }

  #look(): void {
    for (;;) {
      const about: Received = { from: null, flags: 0, files: [] };
      const into = Buffer.alloc(this.#socket.unread());
      const count = this.#socket.receive(into, into.length, 0, about);
      if (count < 0 || about.from === null) return;
      this.received.push({ data: into, from: [about.from.host, about.from.port] });
    }
  }

  /** Its address. */
  get address(): InetAddress {
    const { host = '', port = 0 } = this.#socket.local ?? {};
    return [host, port];
  }

  /** Sends a datagram, text as UTF-8. It may get lost in a wild network. */
  send(data: string | Uint8Array, to: InetAddress | readonly [host: string, port: number]): this {
    const bytes = Buffer.from(data);
    const name = { family: this.#socket.family, host: to[0], port: to[1] };
    const result = this.#socket.send([bytes], bytes.length, 0, name);
    if (result < 0 && result !== -E.ECONNREFUSED) {
      throw new Error(`send: ${errorName(-result)} ${to[0]} ${to[1]}`);
    }
    return this;
  }

  /** Waits for the next datagram. Rejects when none comes. */
  async receive(within?: number): Promise<datagram> {
    const { label } = this.#socket;
    await this.#net.until(() => this.received.length > 0, `a datagram comes to ${label}`, within);
    return this.received.shift() as datagram; // there is one: it was waited for
  }

  /** @internal */
  break_off(): void {
    if (this.#socket.descriptors > 0) this.#net.kernel.release(this.#socket);
  }
}
