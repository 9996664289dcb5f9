import { print_lines } from './diagnostics/lines.js';
import { warnOfAnotherCopy } from './only_copy.js';

/**
 * What the loop needs of an object in its map. A `dispatcher` is one; so is any object with these
 * methods. Handlers may be async: a rejection is treated as a thrown error is.
 */
export interface channel {
  /**
   * Whether the loop should wait for something to read. Asked on every pass, unless its changes are
   * announced (`announce_changes`).
   */
  readable(): unknown;
  /** Whether the loop should wait for room to write. Asked as `readable` is. */
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
  /** For close_all. */
  close?(): void;
  /** A listening socket is never waited for to be writable. */
  readonly accepting?: boolean;
}

/** Channels by their descriptors. */
export type channel_map = Map<number, channel>;

/**
 * The map of the channels that are given no other. Each worker thread has its own. Like all maps of
 * channels it may be changed at any time, also by handlers.
 */
export const socket_map: channel_map = new Map();

warnOfAnotherCopy();
print_lines();
