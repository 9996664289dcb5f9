/** Arguments that several functions take. A wrong one throws an error that names it. */
import { wrong } from '@asyncore/socket';
import type { channel_map } from './channel.js';

export function checkTimeout(call: string, timeout: number | null): void {
  if (timeout !== null && !(typeof timeout === 'number' && timeout >= 0)) {
    throw wrong.range(`${call}: timeout must be a number of seconds from 0, or null`);
  }
}

export function checkMap(call: string, map: channel_map | null | undefined): void {
  if (map != null && !(map instanceof Map)) throw wrong.type(`${call}: map must be a Map`);
}
