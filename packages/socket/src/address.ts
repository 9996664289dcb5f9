import { Buffer, isUtf8 } from 'node:buffer';
import { isIP } from 'node:net';
import { inspect } from 'node:util';
import { binding, type PackedAddress } from './binding.js';
import { AF_INET, AF_INET6, AF_UNIX } from './constants.js';
import { checked, errno, failure, gaierror } from './os_error.js';
import { wrong } from './wrong.js';

/**
 * The address of a socket: `[host, port]`, for IPv6 also `[host, port, flowinfo, scope_id]`, or a path for
 * AF_UNIX. A path with a leading NUL is a name in Linux's abstract namespace; '' is no name at all. A path
 * that is not UTF-8 comes from the system as a Buffer, and may be given as any Uint8Array.
 */
export type Address = InetAddress | string | Uint8Array;
/** An address of AF_INET or AF_INET6: a numeric host or a name, and a port in the host's byte order. */
export type InetAddress =
  | [host: string, port: number]
  | [host: string, port: number, flowinfo: number, scope_id: number];

export function newPackedAddress(): PackedAddress {
  return new Uint8Array(binding.address_size);
}

// The last address that was unpacked, in both forms. The next one mostly is the same: that of the
// same sender's next datagram, or of the answer to it.
const lastBytes = newPackedAddress();
let last: Address | null = null;
const numbers = new Int32Array(4);

/** The address in the form that users see. It is a copy, which they may change. */
export function unpack(address: PackedAddress): Address | null {
  if (last === null || Buffer.compare(address, lastBytes) !== 0) {
    last = unpacked(address);
    lastBytes.set(address);
  }
  if (Array.isArray(last)) return [...last];
  return last instanceof Uint8Array ? Buffer.from(last) : last;
}

function unpacked(address: PackedAddress): Address | null {
  const host = binding.address_unpack(address, numbers);
  const [family, port, flowinfo, scope_id] = numbers;
  if (host === null) return null;
  if (typeof host !== 'string') return isUtf8(host) ? host.toString() : host;
  return family === AF_INET ? [host, port] : [host, port, flowinfo >>> 0, scope_id >>> 0];
}

/** As `pack`, for a datagram. The bytes are good until the next address is unpacked. */
export function packReceiver(call: string, family: number, address: Address): PackedAddress {
  return isLast(family, address) ? lastBytes : pack(call, family, address);
}

function isLast(family: number, address: Address): boolean {
  if (!Array.isArray(last) || !Array.isArray(address)) return false;
  if (family !== (last.length === 2 ? AF_INET : AF_INET6)) return false;
  return address.length === last.length && last.every((part, i) => part === address[i]);
}

/** The address that a host means without a look-up: '' means every interface, as in Python. */
function wellKnown(family: number, host: string): string {
  const v6 = family === AF_INET6;
  if (host === '') return v6 ? '::' : '0.0.0.0';
  if (host === '<broadcast>' && !v6) return '255.255.255.255';
  if (/^(localhost|.*\.localhost|ip6-localhost|ip6-loopback)\.?$/i.test(host)) {
    return v6 ? '::1' : '127.0.0.1';
  }
  return host;
}

function hostAndPort(call: string, address: unknown): InetAddress {
  if (!Array.isArray(address) || (address.length !== 2 && address.length !== 4)) {
    throw wrong.type(`${call}: address must be [host, port]${instead(address)}`);
  }
  const [host, port, flowinfo = 0, scope_id = 0]: unknown[] = address;
  if (typeof host !== 'string' || host.includes('\0')) {
    throw wrong.type(`${call}: host must be a string without NUL characters`);
  }
  return [
    host,
    within(call, 'port', port, 65535),
    within(call, 'flowinfo', flowinfo, 0xfffff),
    within(call, 'scope_id', scope_id, 0x7fffffff),
  ];
}

function within(call: string, name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') {
    throw wrong.type(`${call}: ${name} must be a number: got ${got(value)}`);
  }
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw wrong.range(`${call}: ${name} must be an integer from 0 to ${most}: got ${value}`);
  }
  return value;
}

/** What to write in place of what other libraries take for an address. */
function instead(address: unknown): string {
  const { host = '127.0.0.1', port } = Object(address) as Record<string, unknown>;
  if (typeof address === 'number') return `, such as ['127.0.0.1', ${address}]: got a number`;
  if (typeof port === 'number') return `: write ['${host}', ${port}]`;
  if (Array.isArray(address)) return `: got ${got(address)}`;
  if (typeof address !== 'string') return `, such as ['127.0.0.1', 8080]: got ${got(address)}`;
  const [, name, digits] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  if (digits !== undefined) return `: write ['${name || '127.0.0.1'}', ${digits}]`;
  return `; a path, such as ${got(address)}, is for a socket of AF_UNIX`;
}

function got(value: unknown): string {
  return inspect(value, {
    depth: 1,
    breakLength: Infinity,
    maxStringLength: 80,
    maxArrayLength: 5,
  });
}

function packUnix(call: string, path: unknown): PackedAddress {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw wrong.type(`${call}: address must be a path (a string or bytes) for AF_UNIX`);
  }
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  if (bytes.indexOf(0, 1) > 0 && bytes[0] !== 0) {
    throw wrong.type(`${call}: a path must not contain NUL characters`);
  }
  const into = newPackedAddress();
  checked(call, binding.address_pack_unix(into, bytes), path);
  return into;
}

/** What is wrong with a numeric host that does not fit the family, by its IP version. */
const OTHER_FAMILY: Record<number, string> = {
  4: 'an IPv4 address needs a socket of AF_INET (or, for AF_INET6, the form ::ffff:192.0.2.1)',
  6: 'an IPv6 address needs a socket of AF_INET6',
};

/** The packed form, or null when the host is a name that has to be looked up first. */
function packInet(call: string, family: number, address: InetAddress): PackedAddress | null {
  const [host, port, flowinfo = 0, scope_id = 0] = address;
  const into = newPackedAddress();
  const numeric = wellKnown(family, host);
  // Longer than any numeric address, with or without a zone.
  if (Buffer.byteLength(numeric) > 60) return null;
  const result = binding.address_pack(into, family, numeric, port, flowinfo, scope_id);
  if (result === 0) return into;
  if (result === -errno.ENODEV) throw failure(call, result, address);
  const version = isIP(numeric);
  if (version !== 0) throw failure(call, -errno.EAFNOSUPPORT, address, OTHER_FAMILY[version]);
  return null;
}

const BY_NAME = 'a name that has to be looked up first: see resolve() and create_connection()';

/**
 * An address as the system calls take it. Throws for a wrong one, and for a host name: this
 * function never waits.
 */
export function pack(call: string, family: number, address: Address): PackedAddress {
  if (family === AF_UNIX) return packUnix(call, address);
  if (family !== AF_INET && family !== AF_INET6) throw failure(call, -errno.EAFNOSUPPORT);
  const tuple = hostAndPort(call, address);
  const packed = packInet(call, family, tuple);
  if (packed === null) {
    throw new gaierror(call, undefined, tuple, BY_NAME);
  }
  return packed;
}

/**
 * Whether a socket of `family` can use `address` as it is. False for a host name, which `resolve` looks up.
 * Throws a TypeError or RangeError for what is no address, an OSError for one that cannot be used. Messages
 * begin with `call`, the system call that the address is for.
 */
export function is_resolved(family: number, address: Address, call = 'connect'): boolean {
  return isResolved('is_resolved', family, address, call);
}

/** `asker` is the function that was given the family, `call` the one that the address is for. */
function isResolved(asker: string, family: number, address: Address, call: string): boolean {
  if (!Number.isInteger(family)) {
    throw wrong.type(`${asker}: family must be an integer: AF_INET, AF_INET6 or AF_UNIX`);
  }
  if (family === AF_UNIX) return packUnix(call, address) !== null;
  if (family !== AF_INET && family !== AF_INET6) return true;
  return packInet(call, family, hostAndPort(call, address)) !== null;
}

/**
 * Looks a host name up in the background, by getaddrinfo(3), and resolves with the first address of that
 * family. Rejects with a gaierror, whose `code` is 'ENOTFOUND' or another code of `dns.lookup`.
 */
export async function resolve(family: number, address: Address): Promise<Address> {
  if (isResolved('resolve', family, address, 'connect')) return address;
  const [host, port] = hostAndPort('connect', address);
  try {
    const [{ address: found }] = await binding.lookup(host, family === AF_INET6 ? 6 : 4);
    return [found, port, ...address.slice(2)] as InetAddress;
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException; // dns.lookup rejects with nothing else
    throw new gaierror('connect', errno, [host, port]);
  }
}

/**
 * The addresses of a host, in the order in which they are to be tried: that of getaddrinfo(3), which the
 * system's administrator decides. `family` is AF_INET or AF_INET6; 0, the default, is both. The host '' is
 * every interface. Numeric hosts are not looked up, names in the background.
 *
 * Rejects with a gaierror: `code` is 'ENOTFOUND' or as `dns.lookup` has it. Throws a TypeError or
 * RangeError for wrong arguments.
 */
export function getaddrinfo(
  host: string,
  port: number,
  { family = 0 }: { family?: number } = {},
): Promise<[family: number, address: InetAddress][]> {
  const address = hostAndPort('getaddrinfo', [host, port]);
  if (family !== 0 && family !== AF_INET && family !== AF_INET6) {
    throw wrong.range('getaddrinfo: family must be AF_INET, AF_INET6, or 0 for both');
  }
  return lookedUp(family, address);
}

async function lookedUp(family: number, [host, port]: InetAddress) {
  const versions = { [AF_INET]: 4, [AF_INET6]: 6 };
  if (host === '') {
    const every: [number, InetAddress][] = [
      [AF_INET6, ['::', port]],
      [AF_INET, ['0.0.0.0', port]],
    ];
    return every.filter(([each]) => family === 0 || each === family);
  }
  try {
    const found = await binding.lookup(host, versions[family] ?? 0);
    return found.map(({ address, family }): [number, InetAddress] => {
      return [family === 6 ? AF_INET6 : AF_INET, [address, port]];
    });
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException; // dns.lookup rejects with nothing else
    throw new gaierror('getaddrinfo', errno, [host, port]);
  }
}

/** The family of a numeric host: AF_INET or AF_INET6; null for a name. */
export function family_of(host: string): number | null {
  if (typeof host !== 'string') throw wrong.type('family_of: host must be a string');
  const version = isIP(host);
  if (version === 0) return null;
  return version === 6 ? AF_INET6 : AF_INET;
}
