/** The system's constants and errors by name, as the addon has them. */
import { native } from '@asyncore/socket/kernel';

export const C = native.constants;
export const E = native.errors;

/** shutdown(2)'s directions as bits, as the kernel keeps them. */
export const RCV = 1;
export const SND = 2;
export const BOTH = RCV | SND;

/** Descriptors begin above what fs.nr_open usually allows, so that none is a real one's number. */
export const FIRST_DESCRIPTOR = 1 << 21;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(E)) {
  if (name !== 'EWOULDBLOCK') names.set(number, name);
}

/** 'ECONNRESET' for its number. */
export function errorName(number: number): string {
  return names.get(number) ?? String(number);
}

/** The error for something that this kernel does not have. */
export function notSimulated(what: string): Error {
  return new Error(`simulated network: ${what} not simulated`);
}
