import { print_lines } from './diagnostics/lines.js';
import { warnOfAnotherCopy } from './only_copy.js';

/**
 * What the loop needs of an object in its map: a `dispatcher`, or any object with these methods.
 * Handlers may be async; a rejection counts as a thrown error.
 */
export interface channel {
  /**
   * Whether the loop should wait for something to read. The loop asks on every pass, unless the class
   * announces its changes (`announce_changes`).
   */
  readable(): unknown;
  /** Whether the loop should wait for room to write. The loop asks when it asks `readable`. */
  writable(): unknown;
  /** Something can be read, or a connection accepted. */
  handle_read_event(): void;
  /** There is room to write. */
  handle_write_event(): void;
  /** Urgent data has come. */
  handle_expt_event(): void;
  /** The connection is over. */
  handle_close(): void;
  /** One of the other methods threw `error`. What this method throws ends the loop. */
  handle_error(error: unknown): void;
  /** Closes the channel; `close_all` calls it. */
  close?(): void;
  /** Whether the channel listens. The loop never waits for a listening socket to be writable. */
  readonly accepting?: boolean;
}

/** A map from descriptor to channel. */
export type channel_map = Map<number, channel>;

/**
 * The map of all channels that were given no other. Each worker thread has its own. A program may change
 * it, like any map of channels, at any time, also in a handler.
 */
export const socket_map: channel_map = new Map();

warnOfAnotherCopy();
print_lines();
