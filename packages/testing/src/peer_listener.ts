import type { Address } from '@asyncore/socket';
import { type Name, pathOf } from './kernel/names.js';
import { C, errorName } from './kernel/numbers.js';
import type { SocketFile } from './kernel/socket_file.js';
import { Tcp } from './kernel/tcp.js';
import { UnixSocket } from './kernel/unix_socket.js';
import type { network } from './network.js';
import { peer } from './peer.js';

/** A server that the test plays. It accepts whoever comes. */
export class peer_listener {
  readonly #net: network;
  readonly #socket: SocketFile;
  readonly #newcomers: peer[] = [];
  #accepted = 0;

  /** @internal */
  constructor(net: network, label: string, where: Name, added: (one: peer) => void) {
    this.#net = net;
    const { kernel } = net;
    const kind = where.family === C.AF_UNIX ? UnixSocket : Tcp;
    this.#socket = new kind(kernel, where.family, C.SOCK_STREAM, 0);
    this.#socket.descriptors = 1;
    this.#socket.label = label;
    this.#socket.owner = () => {
      for (
        let one = this.#socket.waiting();
        typeof one !== 'number';
        one = this.#socket.waiting()
      ) {
        this.#socket.accepted(one);
        this.#accepted += 1;
        const newcomer = new peer(net, `${label}.${this.#accepted}`, one);
        added(newcomer);
        this.#newcomers.push(newcomer);
      }
    };
    const result = this.#socket.bind(where) || this.#socket.listen(4096);
    if (result < 0) throw new Error(`listen: ${errorName(-result)} ${where.host} ${where.port}`);
  }

  /** Where it listens: the port too if that was 0. */
  get address(): Address {
    const { local } = this.#socket;
    if (local === null) return '';
    return local.family === C.AF_UNIX ? pathOf(local) : [local.host, local.port];
  }

  /** Waits for the next one who connects. Rejects when nobody comes. */
  async accept(within?: number): Promise<peer> {
    const { label } = this.#socket;
    await this.#net.until(
      () => this.#newcomers.length > 0,
      `somebody connects to ${label}`,
      within,
    );
    return this.#newcomers.shift() as peer; // there is one: it was waited for
  }

  /** Listens no more. */
  close(): void {
    this.break_off();
  }

  /** @internal */
  break_off(): void {
    if (this.#socket.descriptors > 0) this.#net.kernel.release(this.#socket);
  }
}
