import { isEveryInterface, type Name } from './names.js';
import { C, E } from './numbers.js';
import type { SocketFile } from './socket_file.js';

const FIRST = 40000;
const LAST = 60000;

/** Which socket is bound to which place, for one protocol. */
export class Ports<Kind extends SocketFile> {
  readonly #bound = new Map<number, Set<Kind>>();
  #last = FIRST;

  /** Binds `socket` to `name`, with a free port if the port is 0. Returns 0 or -EADDRINUSE. */
  bind(socket: Kind, { host, port }: Name): number {
    if (port === 0) port = this.#free();
    for (const other of this.#bound.get(port) ?? []) {
      if (this.#conflicts(socket, host, other)) return -E.EADDRINUSE;
    }
    this.add(socket, { family: socket.family, host, port });
    return 0;
  }

  /** Binds a socket to a name without checking whether the name is free. */
  add(socket: Kind, name: Name): void {
    socket.local = name;
    const there = this.#bound.get(name.port) ?? new Set();
    this.#bound.set(name.port, there.add(socket));
  }

  /** Chooses a local name for a socket that sends to `host`. */
  addFree(socket: Kind, host: string): void {
    this.add(socket, { family: socket.family, host, port: this.#free() });
  }

  remove(socket: Kind): void {
    if (socket.local === null) return;
    const there = this.#bound.get(socket.local.port);
    there?.delete(socket);
    if (there?.size === 0) this.#bound.delete(socket.local.port);
  }

  /**
   * The socket, among those for which `fits` is true, that receives what is sent to `name`. One that is
   * bound to exactly this name comes before others.
   */
  at(name: Name, fits: (socket: Kind) => boolean): Kind | undefined {
    let best: Kind | undefined;
    for (const socket of this.#bound.get(name.port) ?? []) {
      const answers = socket.answersTo(name);
      if (answers === 0 || !fits(socket)) continue;
      if (answers === 2) return socket;
      best ??= socket;
    }
    return best;
  }

  #free(): number {
    do {
      this.#last = this.#last >= LAST ? FIRST : this.#last + 1;
    } while (this.#bound.has(this.#last));
    return this.#last;
  }

  #conflicts(socket: Kind, host: string, other: Kind): boolean {
    const theirs = other.local?.host ?? '';
    if (host !== theirs) {
      if (!isEveryInterface(host) && !isEveryInterface(theirs)) return false;
      // The test's ends stand for other machines, so their host differs.
      if (socket.owner !== null || other.owner !== null) return false;
      if (host.includes(':') !== theirs.includes(':') && this.#isSixOnly(socket, other))
        return false;
    }
    const both = (option: number) =>
      socket.options.isOn(C.SOL_SOCKET, option) && other.options.isOn(C.SOL_SOCKET, option);
    if (both(C.SO_REUSEPORT)) return false;
    return !(both(C.SO_REUSEADDR) && !other.isListening);
  }

  #isSixOnly(...sockets: Kind[]): boolean {
    return sockets.some(
      ({ family, options }) => family === C.AF_INET6 && options.isOn(C.IPPROTO_IPV6, C.IPV6_V6ONLY),
    );
  }
}
