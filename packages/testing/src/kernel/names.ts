/** Converts addresses between the packed form that the packages use and this kernel's own form. */
import { native, type PackedAddress } from '@asyncore/socket/kernel';
import { C } from './numbers.js';

/**
 * The place of a socket: a numeric host and a port, or for AF_UNIX a path as `host`, in which each
 * character stands for a byte.
 */
export interface Name {
  readonly family: number;
  readonly host: string;
  readonly port: number;
}

const numbers = new Int32Array(4);

export function unpack(address: PackedAddress): Name {
  numbers.fill(0);
  const host = native.address_unpack(address, numbers) ?? '';
  if (numbers[0] === C.AF_UNIX) return unixName(host);
  return { family: numbers[0], host: String(host), port: numbers[1] };
}

/** A Unix socket's name, by its path. */
export function unixName(path: string | Uint8Array): Name {
  return { family: C.AF_UNIX, host: Buffer.from(path).toString('latin1'), port: 0 };
}

/** The path of a Unix socket's name. */
export function pathOf({ host }: Name): string {
  return Buffer.from(host, 'latin1').toString();
}

/** Writes `name` into `address`; null leaves no address there. */
export function pack(address: PackedAddress, name: Name | null): void {
  if (name === null) address.fill(0);
  else if (name.family === C.AF_UNIX)
    native.address_pack_unix(address, Buffer.from(name.host, 'latin1'));
  else native.address_pack(address, name.family, name.host, name.port, 0, 0);
}

/** A name as text: '127.0.0.1:80', or a path, or a description if it is empty. */
export function shownName(name: Name): string {
  if (name.family === C.AF_UNIX) return name.host === '' ? 'a socket without a name' : pathOf(name);
  return name.host.includes(':') ? `[${name.host}]:${name.port}` : `${name.host}:${name.port}`;
}

export function isEveryInterface(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** The place to connect to: as on Linux, the address of every interface means this machine. */
export function reached(name: Name): Name {
  if (!isEveryInterface(name.host)) return name;
  return { ...name, host: name.host === '::' ? '::1' : '127.0.0.1' };
}

/** Whether both name the same place. */
export function isSame(a: Name | null, b: Name | null): boolean {
  return a !== null && b !== null && a.host === b.host && a.port === b.port;
}
