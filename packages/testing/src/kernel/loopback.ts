import type { Binding } from '@asyncore/socket/kernel';
import type { Kernel } from './kernel.js';

const CALLS = [
  'connect',
  'accept',
  'send',
  'sendto',
  'sendmsg',
  'sendmmsg',
  'recv',
  'recvfrom',
  'recvmsg',
  'recvmmsg',
  'read',
  'write',
  'shutdown',
  'close',
] as const;

/**
 * The same functions, but each returns only when its effect has arrived, as on Linux's loopback
 * interface.
 */
export function loopback(binding: Binding, kernel: Kernel): Binding {
  const immediate = { ...binding };
  for (const name of CALLS) {
    const call = binding[name] as (...args: unknown[]) => number;
    const landing = (...args: unknown[]) => {
      const result = call(...args);
      kernel.land();
      return result;
    };
    Object.assign(immediate, { [name]: landing });
  }
  return immediate;
}
