/** Arguments that several functions take. A wrong one throws an error that names it. */
import { inspect } from 'node:util';
import { wrong } from '@asyncore/socket';
import type { channel_map } from './channel.js';
import { endpoint } from './endpoint.js';

export function checkTimeout(call: string, timeout: number | null): void {
  if (timeout !== null && !(typeof timeout === 'number' && timeout >= 0)) {
    throw wrong.range(`${call}: timeout must be a number of seconds from 0, or null`);
  }
}

export function checkMap(call: string, map: channel_map | null | undefined): void {
  if (map != null && !(map instanceof Map)) throw wrong.type(`${call}: map must be a Map`);
}

/** `map[fd] = channel`, which is how Python's dict is filled, puts nothing into a Map. */
export function checkEntries(call: string, map: channel_map): void {
  for (const name in map) {
    if (!/^\d+$/.test(name)) continue;
    throw wrong.type(`${call}: map[${name}] = … puts nothing into a Map: map.set(${name}, …) does`);
  }
}

/** Checks a limit, which a mistake must not switch off: comparisons with NaN are always false. */
export function checkLimit(name: string, unit: string, value: unknown): void {
  if (value === null || value === undefined) return; // as a Python program has it
  if (typeof value === 'number' && value >= 0) return;
  throw wrong.range(
    `${name} must be a number of ${unit}, 0 or more (0 is no limit): got ${inspect(value)}`,
  );
}

const METHODS = [
  'readable',
  'writable',
  'handle_read_event',
  'handle_write_event',
  'handle_expt_event',
  'handle_close',
  'handle_error',
] as const;

/** What a map has under `fd` must be a channel: a dispatcher, or an object with these methods. */
export function checkChannel(fd: number, channel: unknown): void {
  if (channel instanceof Object && endpoint in channel) return;
  const methods = Object(channel) as Record<string, unknown>;
  const lacking = METHODS.filter((name) => typeof methods[name] !== 'function');
  if (lacking.length === 0) return;
  const what = inspect(channel, { depth: 0, breakLength: Infinity });
  throw wrong.type(
    `map: the value under ${fd} must be a channel, but ${what} has no ${lacking.join(', ')}`,
  );
}
