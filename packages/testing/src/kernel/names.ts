/** Addresses between the packages, which know them packed, and this kernel. */
import { native, type PackedAddress } from '@asyncore/socket/kernel';
import { C } from './numbers.js';

/** Where a socket is: a numeric host and a port, or for AF_UNIX a path as `host`. */
export interface Name {
  readonly family: number;
  readonly host: string;
  readonly port: number;
}

const numbers = new Int32Array(4);

export function unpack(address: PackedAddress): Name {
  numbers.fill(0);
  const host = native.address_unpack(address, numbers) ?? '';
  return { family: numbers[0], host, port: numbers[1] };
}

/** Writes `name` into `address`; null leaves no address there. */
export function pack(address: PackedAddress, name: Name | null): void {
  if (name === null) address.fill(0);
  else if (name.family === C.AF_UNIX) native.address_pack_unix(address, Buffer.from(name.host));
  else native.address_pack(address, name.family, name.host, name.port, 0, 0);
}

/** '127.0.0.1:80', a path, or what there is to say of a name that is none. */
export function shownName(name: Name): string {
  if (name.family === C.AF_UNIX) return name.host === '' ? 'a socket without a name' : name.host;
  return name.host.includes(':') ? `[${name.host}]:${name.port}` : `${name.host}:${name.port}`;
}

export function isEveryInterface(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** To every interface is to this machine, as Linux takes it. */
export function reached(name: Name): Name {
  if (!isEveryInterface(name.host)) return name;
  return { ...name, host: name.host === '::' ? '::1' : '127.0.0.1' };
}

/** The same place, whatever objects say so. */
export function isSame(a: Name | null, b: Name | null): boolean {
  return a !== null && b !== null && a.host === b.host && a.port === b.port;
}
