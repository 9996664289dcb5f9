import { checkedBody, checkedOptions } from './checked.js';
import { network } from './network.js';
import type { simulate_options } from './options.js';
import { indented } from './trace.js';

/**
 * Runs `body` in a network in memory, under a virtual clock. The sockets, channels and loops that the
 * program makes meanwhile are in that network, not in the system. Returns what `body` returns. At the end
 * everything is closed and the real system is back.
 *
 * Rejects with what `body` throws, or what leaves a loop; at once when a network is being simulated
 * already, or channels are open.
 */
export async function simulate<T>(
  options: simulate_options,
  body: (net: network) => Promise<T> | T,
): Promise<T> {
  checkedOptions('simulate', options, ['seed', 'decisions', 'trace']);
  checkedBody('simulate', body);
  const net = new network(options);
  try {
    return await closing(net, body);
  } catch (error) {
    const lines = net.trace();
    if (lines.length > 0 && error instanceof Error) error.message += indented(lines);
    throw error;
  }
}

/** Runs `body`, and closes the network. What goes wrong first is thrown. */
async function closing<T>(net: network, body: (net: network) => Promise<T> | T): Promise<T> {
  let result: T;
  try {
    result = await body(net);
  } catch (error) {
    await net.close().catch(() => {});
    throw error;
  }
  await net.close();
  return result;
}
