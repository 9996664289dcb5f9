import { bytesOf } from './byte_queue.js';
import { C, notSimulated } from './numbers.js';

/** The values of a new socket, by [level, option]. */
const usual = new Map<string, number>();
for (const name of ['REUSEADDR', 'REUSEPORT', 'KEEPALIVE', 'BROADCAST', 'OOBINLINE', 'LINGER']) {
  set(C.SOL_SOCKET, C[`SO_${name}`], 0);
}
for (const name of ['RCVTIMEO', 'SNDTIMEO', 'PRIORITY', 'MARK', 'PASSCRED', 'TIMESTAMP']) {
  set(C.SOL_SOCKET, C[`SO_${name}`], 0);
}
set(C.SOL_SOCKET, C.SO_RCVLOWAT, 1);
for (const name of ['NODELAY', 'CORK', 'DEFER_ACCEPT', 'QUICKACK', 'USER_TIMEOUT', 'FASTOPEN']) {
  set(C.IPPROTO_TCP, C[`TCP_${name}`], 0);
}
set(C.IPPROTO_TCP, C.TCP_KEEPIDLE ?? C.TCP_KEEPALIVE, 7200);
set(C.IPPROTO_TCP, C.TCP_KEEPINTVL, 75);
set(C.IPPROTO_TCP, C.TCP_KEEPCNT, 9);
set(C.IPPROTO_TCP, C.TCP_MAXSEG, 65483);
set(C.IPPROTO_IP, C.IP_TTL, 64);
set(C.IPPROTO_IP, C.IP_TOS, 0);
set(C.IPPROTO_IPV6, C.IPV6_V6ONLY, 0);
set(C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS, 64);

function set(level: number | undefined, option: number | undefined, value: number): void {
  if (level !== undefined && option !== undefined) usual.set(`${level}/${option}`, value);
}

/** The options of a socket. Most are only stored: what they do to a real connection is not simulated. */
export class Options {
  #values: Map<string, Uint8Array> | null = null;

  /** An accepted socket inherits the options of its listener. */
  copyFrom(other: Options): void {
    this.#values = other.#values && new Map(other.#values);
  }

  set(level: number, option: number, value: ArrayBufferView): void {
    if (!usual.has(`${level}/${option}`)) {
      throw notSimulated(`option ${option} of level ${level} is`);
    }
    this.#values ??= new Map();
    this.#values.set(`${level}/${option}`, bytesOf(value).slice());
  }

  /** Writes the option into `value`, and returns its length. */
  get(level: number, option: number, value: Uint8Array): number {
    const key = `${level}/${option}`;
    const set = this.#values?.get(key);
    const number = usual.get(key);
    if (set !== undefined) {
      value.set(set.subarray(0, value.length));
      return Math.min(set.length, value.length);
    }
    if (number === undefined) throw notSimulated(`option ${option} of level ${level} is`);
    return writeInt(value, number);
  }

  isOn(level: number, option: number): boolean {
    return this.#values?.get(`${level}/${option}`)?.some((byte) => byte !== 0) ?? false;
  }
}

/** An int as the kernel writes it into memory, cut to the room that there is. */
export function writeInt(value: Uint8Array, number: number): number {
  const bytes = bytesOf(Int32Array.of(number));
  value.set(bytes.subarray(0, value.length));
  return Math.min(4, value.length);
}

/** The int at the beginning of `value`, or its one byte. */
export function readInt(value: ArrayBufferView, index = 0): number {
  const bytes = bytesOf(value).slice(4 * index);
  return bytes.length >= 4 ? new Int32Array(bytes.buffer, 0, 1)[0] : (bytes[0] ?? 0);
}
