import type { Transport } from '@asyncore/socket';
import { condensed } from '../compact_traceback.js';
import { endpoint } from '../endpoint.js';
import type { dispatcher } from './dispatcher.js';

type Channel = Pick<dispatcher<Transport>, typeof endpoint | 'log_info'>;

/** Logs an error of a handler in one line. */
export function log_error(channel: Channel, error: unknown): void {
  const isOfNewcomer = channel[endpoint].listening?.spares(error);
  const what = isOfNewcomer ? 'closing the new connection of' : 'closing channel';
  const who = described(channel);
  channel.log_info(`uncaptured exception, ${what} ${who} (${condensed(error)})`, 'error');
}

/** The channel as text. A class may have a toString of its own that fails. */
export function described(channel: Channel): string {
  try {
    return String(channel);
  } catch {
    return `<toString() failed for a ${channel.constructor.name}>`;
  }
}
