import { Channels } from './channels.js';
import type { dispatcher, socket_like } from './dispatcher.js';
import { escapingTo, handling } from './handling.js';

/**
 * Runs `body`, which a timer or a promise has called, as a handler of `channel`: what it throws goes
 * to `handle_error`, and what leaves that, or an ExitNow, ends the loop that serves the channel.
 * Without such a loop it is thrown here.
 */
export function outside(channel: dispatcher<socket_like>, body: () => void): void {
  const loop = Channels.of(channel._map).listener;
  try {
    escapingTo(loop, () => handling(channel, body));
  } catch (error) {
    if (!loop?.fail(error)) throw error;
  }
}
