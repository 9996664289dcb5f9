import { inspect } from 'node:util';
import { type Address, SOCK_STREAM, type Transport } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { type channel, type channel_map, socket_map } from '../channel.js';
import { checkMap } from '../checked.js';
import {
  ACCEPTING,
  CONNECTED,
  CONNECTING,
  ENDED,
  LINGERING,
} from '../dispatcher/connection_flags.js';
import type { dispatcher } from '../dispatcher/dispatcher.js';
import { endpoint } from '../endpoint.js';
import { written } from './lines.js';
import { traffic_of } from './traffic.js';

/** What `inspect_map` says of a channel. null means unknown, or not applicable. */
export interface channel_row {
  /** The descriptor under which it is in the map. */
  fd: number;
  /** The name of its class. */
  class: string;
  /**
   * 'listening', 'connecting', 'connected', 'half-closed' (the peer sends no more), 'lingering' (everything
   * is sent, and the channel waits for the peer's end), 'bound' (a datagram socket), 'unconnected', 'closed', or
   * 'other' for an object that is no dispatcher.
   */
  state: string;
  /** Its own address, as text. */
  local: string | null;
  /** The other end's. */
  peer: string | null;
  /** The bytes received. */
  bytes_in: number | null;
  /** The bytes sent. */
  bytes_out: number | null;
  /** The bytes given to `send` or `push` that the kernel has not taken. */
  queued: number | null;
  /** Seconds since anything was received or sent. */
  idle: number | null;
}

/** The channels of a map. As a string, and in console.log, it is a table. */
export class map_report {
  /** The channels, in the map's order. */
  readonly rows: readonly channel_row[];

  /** A report of these channels. */
  constructor(rows: readonly channel_row[]) {
    this.rows = rows;
  }

  /** The table: a line of titles, then a line for each channel. Unknown is `-`. */
  toString(): string {
    if (this.rows.length === 0) return 'no channels';
    const lines = [TITLES, ...this.rows.map(cells)];
    const widths = TITLES.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    return lines
      .map((line) => {
        const padded = line.map((cell, i) =>
          isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
        );
        return padded.join('  ').trimEnd();
      })
      .join('\n');
  }

  /** @hidden */
  [inspect.custom](): string {
    return this.toString();
  }
}

const TITLES = ['fd', 'class', 'state', 'local', 'peer', 'in', 'out', 'queued', 'idle'];

function isText(column: number): boolean {
  return column >= 1 && column <= 4;
}

function cells(row: channel_row): string[] {
  const { fd, class: name, state, local, peer, bytes_in, bytes_out, queued, idle } = row;
  const seconds = idle === null ? null : `${idle.toFixed(1)} s`;
  return [fd, name, state, local, peer, bytes_in, bytes_out, queued, seconds].map((cell) =>
    String(cell ?? '-'),
  );
}

/**
 * The channels of `map` (default `socket_map`): their addresses, state, and how much goes through them.
 * It only looks, and costs nothing until it is called: the bytes of TCP connections are the kernel's own
 * count (Linux), those of others are known only of channels that were made while somebody subscribed to
 * `asyncore:channel:close`, `receive` or `send`. Throws a TypeError if `map` is not a map.
 */
export function inspect_map(map: channel_map | null = null): map_report {
  checkMap('inspect_map', map);
  return new map_report(Array.from(map ?? socket_map, ([fd, one]) => rowOf(fd, one)));
}

function rowOf(fd: number, one: channel): channel_row {
  const known = (one as Partial<dispatcher<Transport>>)[endpoint];
  const { socket } = one as { socket?: Transport | null };
  const isSocket = typeof socket?.fileno === 'function';
  const { bytes_in, bytes_out, idle } = traffic_of(isSocket ? socket : null);
  return {
    fd,
    class: one.constructor?.name ?? 'Object',
    state: known === undefined ? 'other' : stateOf(known),
    local: isSocket ? addressOf(() => (socket as Addressed).getsockname?.()) : null,
    peer: isSocket ? addressOf(() => (socket as Addressed).getpeername?.()) : null,
    bytes_in,
    bytes_out,
    queued: known === undefined || known.is(ACCEPTING) ? null : (known.output?.unsent ?? 0),
    idle: idle ?? (known === undefined ? null : quiet(known)),
  };
}

type Known = dispatcher<Transport>[typeof endpoint];
type Addressed = Transport & { getsockname?(): Address; getpeername?(): Address };

function stateOf(known: Known): string {
  if (known.closed) return 'closed';
  if (known.is(ACCEPTING)) return 'listening';
  if (known.is(CONNECTING)) return 'connecting';
  if (known.is(LINGERING)) return 'lingering';
  if (known.is(CONNECTED)) return known.is(ENDED) ? 'half-closed' : 'connected';
  const { transport } = known;
  if (transport?.type !== undefined && transport.type !== SOCK_STREAM) return 'bound';
  return 'unconnected';
}

function quiet(known: Known): number | null {
  const since = known.quietSince();
  return since === null ? null : Math.max(0, clock.now() - since) / 1000;
}

/** null where it has none, or no longer one. */
function addressOf(ask: () => Address | undefined): string | null {
  try {
    const address = ask();
    return address === undefined || address.length === 0 ? null : written(address);
  } catch {
    return null;
  }
}
