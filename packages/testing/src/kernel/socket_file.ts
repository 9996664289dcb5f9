import type { Kernel } from './kernel.js';
import { isEveryInterface, type Name } from './names.js';
import { C, E } from './numbers.js';
import { OpenFile } from './open_file.js';
import { Options } from './options.js';

/** What a receiving call returns beside the bytes. */
export interface Received {
  from: Name | null;
  /** MSG_TRUNC and the like. */
  flags: number;
  /** The files of the descriptors that came with the bytes. */
  files: OpenFile[];
}

/**
 * A socket of any kind. Each method is the system call of its name, and returns the result or the
 * negative errno.
 */
export abstract class SocketFile extends OpenFile {
  local: Name | null = null;
  remote: Name | null = null;
  /** SO_ERROR. */
  error = 0;
  /** Which directions are shut down, by this socket or by the other end. */
  shut = 0;
  readonly options = new Options();
  sendRoom: number;
  receiveRoom: number;

  constructor(
    readonly kernel: Kernel,
    readonly family: number,
    readonly type: number,
    readonly protocol: number,
  ) {
    super();
    this.sendRoom = kernel.sendRoom;
    this.receiveRoom = kernel.receiveRoom;
  }

  abstract bind(name: Name): number;
  abstract connect(name: Name): number;
  abstract send(
    views: readonly ArrayBufferView[],
    length: number,
    flags: number,
    to: Name | null,
    files: readonly OpenFile[],
  ): number;
  abstract receive(into: Uint8Array, length: number, flags: number, received: Received): number;
  abstract shutdown(how: number): number;
  abstract get isConnected(): boolean;

  listen(_backlog: number): number {
    return -E.EOPNOTSUPP;
  }

  /** The connection that may be accepted next, or the negative errno. */
  waiting(): SocketFile | number {
    return -E.EOPNOTSUPP;
  }

  /** Takes out the connection that `waiting` has returned. */
  accepted(_newcomer: SocketFile): void {}

  get isListening(): boolean {
    return false;
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    if (error !== 0) this.changed();
    return error;
  }

  override read(into: Uint8Array, length: number): number {
    return this.receive(into, length, 0, { from: null, flags: 0, files: [] });
  }

  override write(data: ArrayBufferView): number {
    return this.send([data], data.byteLength, 0, null, []);
  }

  /** `name` as a socket of this family shows it: an IPv4 host to IPv6 as ::ffff:1.2.3.4. */
  seen(name: Name): Name {
    if (this.family === C.AF_UNIX) return name;
    const { host, port } = name;
    const isMapped = this.family === C.AF_INET6 && !host.includes(':');
    return { family: this.family, host: isMapped ? `::ffff:${host}` : host, port };
  }

  /** The name that a socket without one shows. */
  get unnamed(): Name {
    const { family } = this;
    const host = family === C.AF_UNIX ? '' : family === C.AF_INET6 ? '::' : '0.0.0.0';
    return { family, host, port: 0 };
  }

  /** Whether it receives what is sent to `name`; 2 if it is bound to exactly this name. */
  answersTo(name: Name): 0 | 1 | 2 {
    if (this.local === null || this.local.port !== name.port) return 0;
    if (this.local.host === name.host) return 2;
    if (!isEveryInterface(this.local.host)) return 0;
    const isSix = name.host.includes(':');
    if (this.local.host === '0.0.0.0') return isSix ? 0 : 1;
    return isSix || !this.options.isOn(C.IPPROTO_IPV6, C.IPV6_V6ONLY) ? 1 : 0;
  }
}
