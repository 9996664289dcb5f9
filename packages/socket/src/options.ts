/** The values of socket options. */
import { newPackedAddress, unpack } from './address.js';
import { binding } from './binding.js';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_TYPE,
  SOL_SOCKET,
} from './constants.js';
import { checked, checkedOf } from './os_error.js';
import { wrong } from './wrong.js';

// Memory for what is passed to the system, and for its answers, which are read before other code can run.
const int = new Int32Array(1);
const intBytes = new Uint8Array(int.buffer);

/** Reads an option as a number; `source` is whose error it is. */
export function intOption(fd: number, level: number, option: number, source: unknown = fd): number {
  int[0] = 0; // an option without a value leaves it
  const length = checkedOf(source, 'getsockopt', binding.getsockopt(fd, level, option, intBytes));
  return length === 1 ? intBytes[0] : int[0]; // IP_MULTICAST_LOOP is one byte
}

/** The bytes of a value as setsockopt(2) takes it. Throws a TypeError or RangeError for what is none. */
export function optionValue(value: unknown): ArrayBufferView {
  if (ArrayBuffer.isView(value)) return value;
  if (typeof value === 'string') {
    const instead = /^-?\d+$/.test(value) ? `the number ${value}` : 'Buffer.from(text)';
    throw wrong.type(`setsockopt: value must be an integer or bytes: give ${instead}`);
  }
  if (typeof value !== 'number' && typeof value !== 'boolean') {
    throw wrong.type('setsockopt: value must be an integer, true, false or bytes');
  }
  if (!Number.isInteger(+value) || +value < -0x80000000 || +value > 0xffffffff) {
    throw wrong.range('setsockopt: value must be a 32-bit integer');
  }
  int[0] = +value;
  return int;
}

/** What a socket of elsewhere is. Throws ENOTSOCK for what is none. */
export function kindOf(fd: number): [family: number, type: number, proto: number] {
  const type = intOption(fd, SOL_SOCKET, SO_TYPE);
  const family = SO_DOMAIN === undefined ? familyOf(fd) : intOption(fd, SOL_SOCKET, SO_DOMAIN);
  const proto = SO_PROTOCOL === undefined ? 0 : intOption(fd, SOL_SOCKET, SO_PROTOCOL);
  return [family, type, proto];
}

function familyOf(fd: number): number {
  const name = newPackedAddress();
  checked('getsockname', binding.getsockname(fd, name));
  const address = unpack(name);
  if (address === null) throw wrong.type(`from_fd: socket ${fd} is of an unknown family`);
  if (!Array.isArray(address)) return AF_UNIX;
  return address.length === 2 ? AF_INET : AF_INET6;
}
