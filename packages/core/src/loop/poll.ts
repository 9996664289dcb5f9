import { POLLNVAL, type Poller, poll as poll_poller, select } from '@asyncore/socket';
import { type channel_map, socket_map } from '../channel.js';
import { checkEntries, checkMap, checkTimeout } from '../checked.js';
import { NOTICE } from '../endpoint.js';
import { handling } from '../handlers/handling.js';
import { TimerQueue } from '../timer_queue.js';
import { Channels } from './channels.js';
import { ALL, BY_KIND, type Registration } from './registration.js';

/**
 * Blocks the thread for up to `timeout` seconds (null: without limit): makes a single pass over `map`
 * by select(2). Use `loop` if anything else is to go on meanwhile. Throws the errors with which `loop`
 * rejects.
 */
export function poll(timeout: number | null = 0, map: channel_map | null = socket_map): void {
  checkTimeout('poll', timeout);
  checkMap('poll', map);
  checkEntries('poll', map ?? socket_map);
  pass(new select(), timeout, map ?? socket_map, BY_KIND);
}

/**
 * Blocks the thread for up to `timeout` seconds (null: without limit): makes a single pass over `map`
 * by poll(2). Use `loop` if anything else is to go on meanwhile. Throws the errors with which `loop`
 * rejects.
 */
export function poll2(timeout: number | null = 0, map: channel_map | null = socket_map): void {
  checkTimeout('poll2', timeout);
  checkMap('poll2', map);
  checkEntries('poll2', map ?? socket_map);
  pass(new poll_poller(), timeout, map ?? socket_map, [ALL]);
}

/** Another name of `poll2`, for old programs: asyncore has it too. */
export const poll3 = poll2;

function pass(poller: Poller, timeout: number | null, map: channel_map, kinds: number[]): void {
  if (map.size === 0) {
    TimerQueue.known(map)?.run(true); // timers of channels without a socket
    return;
  }
  const channels = Channels.of(map);
  channels.watch();
  try {
    const [asked, events] = waited(poller, (timeout ?? Infinity) * 1000, channels);
    const wait = channels.tick();
    channels.passes += 1;
    const batch = asked.map((registration): [Registration, number] => {
      const state = registration.closed ? POLLNVAL : (events.get(registration.fd) ?? 0);
      return [registration, registration.steps(state)];
    });
    for (const kind of kinds) {
      for (const [registration, steps] of batch) {
        if (steps & kind) registration.deliver(steps & kind, wait);
      }
    }
    channels.timeouts.check();
    TimerQueue.known(map)?.run(true);
  } finally {
    channels.unwatch();
  }
}

/** The channels that may get an event, and the events of their descriptors. */
type Waited = [asked: Registration[], events: Map<number, number>];

/**
 * Asks the channels what to wait for, and waits: at most `timeout` milliseconds, and no longer than
 * until the first channel's own timeout.
 */
function waited(poller: Poller, timeout: number, channels: Channels): Waited {
  const all = channels.all();
  const asked = all.filter((registration) => ask(registration, poller));
  for (const one of all) if (!one.removed) channels.timeouts.watch(one);
  const isDue = asked.some(({ closed, wanted }) => closed || wanted & NOTICE);
  const untilTimer = TimerQueue.known(channels.map)?.untilNext() ?? Infinity;
  const left = isDue ? 0 : Math.min(timeout, channels.timeouts.untilNext(), untilTimer);
  return [asked, new Map(poller.poll(left / 1000))];
}

/** Whether there is anything to wait for. A channel that the poller cannot take gets the error. */
function ask(registration: Registration, poller: Poller): boolean {
  if (registration.closed) return registration.closedUntold;
  const wanted = registration.ask();
  if (registration.removed) return false;
  const events = registration.waitsFor();
  if (events !== 0) {
    handling(registration.channel, () => poller.register(registration.fd, events));
  }
  return (wanted | events) !== 0;
}
