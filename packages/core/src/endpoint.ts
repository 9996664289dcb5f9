import type { channel } from './channel.js';

/** The key of a channel's {@link Endpoint}: `channel[endpoint]`. */
export const endpoint = Symbol('asyncore.endpoint');

/**
 * An event of `interest` that makes the loop serve the channel at once, and call `notice`. No flag of
 * poll(2) has this bit.
 */
export { NOTICE } from '@asyncore/socket';

/** A channel's registration in a map. The channel tells it when something changes. */
export interface Watcher {
  /** `interest` may return something else than before. */
  changed(): void;
  /** Whether only `interest` could tell the loop anything new: `limit` is what it was, and there is nothing special. */
  knows(limit: number): boolean;
  /** The channel is no longer in the map. Another channel may have its descriptor by now. */
  forget(): void;
}

/**
 * A channel as the loop sees it. For events the loop calls the channel's own handlers,
 * `handle_read_event` and its kin; everything else between loop and channel goes through this interface. The
 * endpoint is found under a symbol, so that no name in a user's class can collide with it. The loop
 * serves an object without an endpoint by its methods alone.
 */
export interface Endpoint {
  /** The channel's registration in its own map. */
  watcher: Watcher | null;
  /** Whether handle_close was called for this connection. Then the channel gets nothing more. */
  readonly over: boolean;
  /**
   * The number of the connection. When it changes, what is left of a batch of events belongs to the
   * former connection.
   */
  readonly life: number;
  /**
   * Whether it calls `watcher.changed` whenever its interest may change, so that the loop need not
   * ask on every pass.
   */
  readonly announces: boolean;
  /**
   * The events to wait for: flags of poll(2), and NOTICE. Asks `readable()` and
   * `writable()`, which may throw.
   */
  interest(): number;
  /**
   * Whether `interest` and `wants` would return what they returned last, so that the loop need not ask
   * again after an event. Left out, it asks. Never throws.
   */
  readonly isAsBefore?: boolean;
  /** The events to wait for on the descriptor in place of `events`: see Transport. */
  wants(events: number): number;
  /** What the channel can do when the poller says `events` of its descriptor: see Transport. */
  ready(events: number): number;
  /**
   * Deals with what a handler threw, or its promise was rejected with (`late`), if it is a receive
   * that found nothing or the loss of the channel's own connection. False for any other error,
   * which then goes to handle_error.
   */
  takes(error: unknown, late: boolean): boolean;
  /**
   * Something happened that no descriptor shows. Called because NOTICE was among the events of
   * `interest`.
   */
  notice(): void;
  /** The present descriptor, -1 when it is closed; undefined when the channel cannot say. */
  descriptor(): number | undefined;
  /** The state of the connection as flags of poll(2): see Transport. */
  state(): number;
  /** How many bytes may still be received. */
  unread(): number;
  /**
   * Tells the channel that the connection is over, as `state` says; nothing is unread. False if
   * there is no connection that could be over, or if the channel cannot be told just now.
   * `wasTold`: its handlers for reading or writing were called first.
   */
  end(state: number, wasTold: boolean): boolean;
  /** The seconds without progress after which `impatient` is called; 0 for never. */
  readonly limit: number;
  /** How many milliseconds of `limit` are left at the time `now`, which is in milliseconds too. */
  patience(now: number): number;
  /** There was no progress for `limit` seconds. */
  impatient(): void;
}

/** A channel, or any object in a map, that may have an endpoint. */
export type Served = channel & { [endpoint]?: Endpoint };
