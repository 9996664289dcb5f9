import { type Poller, poll as poll_poller, select } from '@asyncore/socket';
import { type channel_map, socket_map } from './channel.js';
import { Channels } from './channels.js';
import { checkMap, checkTimeout } from './checked.js';
import { NOTICE as DUE } from './endpoint.js';
import { handling } from './handlers/handling.js';
import { ALL, BY_KIND, type Registration } from './registration.js';

/**
 * Blocks the thread for up to `timeout` seconds (null: for as long as it takes): a single pass
 * over `map` by select(2). Use `loop` where anything else is to go on. Throws as `loop` rejects.
 */
export function poll(timeout: number | null = 0, map: channel_map | null = socket_map): void {
  checkTimeout('poll', timeout);
  checkMap('poll', map);
  pass(new select(), timeout, map ?? socket_map, BY_KIND);
}

/**
 * Blocks the thread for up to `timeout` seconds (null: for as long as it takes): a single pass
 * over `map` by poll(2). Use `loop` where anything else is to go on. Throws as `loop` rejects.
 */
export function poll2(timeout: number | null = 0, map: channel_map | null = socket_map): void {
  checkTimeout('poll2', timeout);
  checkMap('poll2', map);
  pass(new poll_poller(), timeout, map ?? socket_map, [ALL]);
}

/** Another name of `poll2`, for old programs: asyncore has it too. */
export const poll3 = poll2;

function pass(poller: Poller, timeout: number | null, map: channel_map, kinds: number[]): void {
  if (map.size === 0) return;
  const channels = Channels.of(map);
  channels.watch();
  try {
    const asked = channels.all().filter((registration) => ask(registration, poller));
    const notices = asked.some(({ wanted }) => wanted & DUE);
    const soonest = channels.timeouts.untilNext() / 1000;
    const events = new Map(poller.poll(notices ? 0 : Math.min(timeout ?? Infinity, soonest)));
    const wait = channels.tick();
    channels.passes += 1;
    const batch = asked.map((registration): [Registration, number] => {
      return [registration, registration.steps(events.get(registration.fd) ?? 0)];
    });
    for (const kind of kinds) {
      for (const [registration, steps] of batch) {
        if (steps & kind) registration.deliver(steps & kind, wait);
      }
    }
    channels.timeouts.check();
  } finally {
    channels.unwatch();
  }
}

/** Whether there is anything to wait for. A channel that the poller cannot take is told so. */
function ask(registration: Registration, poller: Poller): boolean {
  const wanted = registration.ask();
  if (wanted === 0 || registration.gone) return false;
  handling(registration.channel, () => {
    if (wanted !== DUE) poller.register(registration.fd, wanted & ~DUE);
  });
  return true;
}
