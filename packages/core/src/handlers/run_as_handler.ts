import type { channel, channel_map } from '../channel.js';
import { Channels } from '../loop/channels.js';
import { escapingTo } from './escaping.js';
import { handling } from './handling.js';

/**
 * Runs `body`, which a timer or a promise has called, as a handler of `channel`: what it throws goes
 * to `handle_error`, what it sends goes out when it returns, and what leaves `handle_error`, or an
 * ExitNow, ends the loop that serves the channel. Without such a loop it is thrown here.
 */
export function run_as_handler(
  channel: Pick<channel, 'handle_error'> & { readonly _map: channel_map },
  body: () => void,
): void {
  const loop = Channels.of(channel._map).listener;
  try {
    escapingTo(loop, () => handling(channel, body));
  } catch (error) {
    if (!loop?.fail(error)) throw error;
  }
}
