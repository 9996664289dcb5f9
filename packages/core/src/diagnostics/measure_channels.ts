import { subscribe, unsubscribe } from 'node:diagnostics_channel';
// biome-ignore lint/plugin: entries belong on the timeline, whose clock this is
import { performance } from 'node:perf_hooks';
import type { close_message, connect_message } from './life.js';

/**
 * Gives each attempt to connect and each connection an entry of `node:perf_hooks`, for a
 * PerformanceObserver of the type 'measure': `asyncore:connect` and `asyncore:channel`. Times are in
 * milliseconds as always there; `detail` has `class`, `fd` and `address`, and for a channel
 * `bytes_in`, `bytes_out` and `why`. The entries are not kept in the process's timeline. Channels count from
 * the call on; what it returns ends it.
 */
export function measure_channels(): () => void {
  const connected = (message: unknown) => {
    const { channel, fd, address, seconds } = message as connect_message;
    measure('asyncore:connect', seconds, { class: channel.constructor.name, fd, address });
  };
  const closed = (message: unknown) => {
    const { channel, fd, seconds, bytes_in, bytes_out, why } = message as close_message;
    const { addr: address } = channel;
    const detail = { class: channel.constructor.name, fd, address, bytes_in, bytes_out, why };
    measure('asyncore:channel', seconds, detail);
  };
  subscribe('asyncore:channel:connect', connected);
  subscribe('asyncore:channel:close', closed);
  return () => {
    unsubscribe('asyncore:channel:connect', connected);
    unsubscribe('asyncore:channel:close', closed);
  };
}

function measure(name: string, seconds: number | null, detail: object): void {
  if (seconds === null) return;
  const end = performance.now();
  performance.measure(name, { start: Math.max(0, end - seconds * 1000), end, detail });
  performance.clearMeasures(name); // observers have it; the timeline would grow with every connection
}
