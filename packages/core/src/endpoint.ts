import type { channel } from './channel.js';

/** `channel[endpoint]`: what the loop knows a channel by, beside asyncore's own methods. */
export const endpoint = Symbol('asyncore.endpoint');

/** Among the events of `interest`: serve it at once, and call `notice`. No flag of poll(2) has this bit. */
export { NOTICE } from '@asyncore/socket';

/** Is told when a channel may answer otherwise than before: its registration in a map. */
export interface Watcher {
  changed(): void;
  /** The channel is in the map no more, though another one may be under its descriptor. */
  forget(): void;
}

/**
 * A channel as the loop sees it. The handlers that it calls for events (`handle_read_event` and its
 * kin) are the channel's own; what else it asks and tells stands here. A symbol leads to it, so that
 * no name of a user's class can get in the way. An object without one is served by its methods alone.
 */
export interface Endpoint {
  /** Its registration in its own map; kept here to be found at once. */
  watcher: Watcher | null;
  /** Whether the handle_close of this connection was called: it gets nothing more. */
  readonly over: boolean;
  /**
   * Counts the connections: another number, and what is left of a batch of events is of the former
   * connection's.
   */
  readonly life: number;
  /** Whether it calls `watcher.changed` whenever its interest may change, so need not be asked. */
  readonly announces: boolean;
  /**
   * The events to wait for: flags of poll(2), and NOTICE. Asks `readable()` and
   * `writable()`, which may throw.
   */
  interest(): number;
  /** What to wait for on the descriptor in place of `events`: see Transport. */
  wants(events: number): number;
  /** What the channel can do when the poller says `events` of its descriptor: see Transport. */
  ready(events: number): number;
  /**
   * Whether it deals with an error that a handler threw (`late`: that a promise was rejected with):
   * a receive that found nothing, the loss of its own connection. Anything else goes to handle_error.
   */
  takes(error: unknown, late: boolean): boolean;
  /** Something happened that no descriptor tells: NOTICE was among its interest. */
  notice(): void;
  /** The descriptor that it has now, -1 when that is closed; undefined when it does not say. */
  descriptor(): number | undefined;
  /** How the connection is: poll(2)'s flags (see Transport). */
  state(): number;
  /** How many bytes may still be received. */
  unread(): number;
  /**
   * The connection is over, as `state` says, and nothing is unread. False if it has none that could
   * be over, or cannot be told just now. `wasTold`: its handlers for reading or writing were called.
   */
  end(state: number, wasTold: boolean): boolean;
  /** After so many seconds without progress `impatient` is to be called; 0 for never. */
  readonly limit: number;
  /** The milliseconds that are left of them at `now`, in milliseconds. */
  patience(now: number): number;
  /** They are over. */
  impatient(): void;
}

/** A channel, or any object in a map, that may have an endpoint. */
export type Served = channel & { [endpoint]?: Endpoint };
