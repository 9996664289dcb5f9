/**
 * Publishes what happens to channels on Node's diagnostics_channel. Each function here is called at one
 * point of a channel's life, never for each byte or event. While nobody has subscribed, it returns
 * after one look.
 */
import { channel as subject } from 'node:diagnostics_channel';
import type { Address, Transport } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { count_bytes, go_on_counting, traffic_of } from './traffic.js';

/** The part of a dispatcher that these messages need. */
export interface living {
  /** The socket that it wraps; null for none. */
  readonly socket: Transport | null;
  /** The peer's address, a listener's own; null for none. */
  readonly addr: Address | null;
}

/** What every message holds. */
export interface channel_message<C = living> {
  /** The channel. */
  channel: C;
  /** Its descriptor, -1 where it has none any more. */
  fd: number;
}

/** Of `asyncore:channel:listen`, `connecting` and `accept`. */
export interface address_message<C = living> extends channel_message<C> {
  /** Where it listens, where it connects to, or whose connection it has accepted. */
  address: Address | null;
}

/** Of `asyncore:channel:connect`. */
export interface connect_message<C = living> extends address_message<C> {
  /** How long the attempt took, in seconds; null where it made none (an accepted connection). */
  seconds: number | null;
}

/** Of `asyncore:channel:receive` and `asyncore:channel:send`. */
export interface bytes_message<C = living> extends channel_message<C> {
  /** How many bytes one call has moved. */
  bytes: number;
}

/** Of `asyncore:channel:error`. */
export interface error_message<C = living> extends channel_message<C> {
  /** What a handler threw, or why an attempt to connect has failed. */
  error: unknown;
}

/** Of `asyncore:channel:close`. */
export interface close_message<C = living> extends channel_message<C> {
  /** The error that ended the connection; null for an ordinary end. */
  reason: unknown;
  /** The same in words, also for an ordinary end. */
  why: string;
  /** How long the channel had its socket, in seconds; null where that began before the subscription. */
  seconds: number | null;
  /** The bytes received; null where they were not counted. */
  bytes_in: number | null;
  /** The bytes sent. */
  bytes_out: number | null;
}

const open = subject('asyncore:channel:open');
const listen = subject('asyncore:channel:listen');
const connecting = subject('asyncore:channel:connecting');
const connect = subject('asyncore:channel:connect');
const accept = subject('asyncore:channel:accept');
const receive = subject('asyncore:channel:receive');
const send = subject('asyncore:channel:send');
const error = subject('asyncore:channel:error');
const close = subject('asyncore:channel:close');

/** When things began, by the clock, and on which socket. Kept only while somebody has subscribed. */
interface Beginning {
  socket: Transport;
  opened: number;
  connecting: number | null;
}
const beginnings = new WeakMap<living, Beginning>();

function fdOf(channel: living): number {
  return channel.socket?.fileno() ?? -1;
}

/** `channel` has a socket, and is in its map. */
export function opened(channel: living): void {
  const isTold =
    close.hasSubscribers ||
    open.hasSubscribers ||
    connect.hasSubscribers ||
    receive.hasSubscribers ||
    send.hasSubscribers;
  if (!isTold) return;
  const socket = channel.socket as Transport; // it has one now
  const former = beginnings.get(channel)?.socket;
  if (former !== undefined && former.fileno() === socket.fileno()) {
    go_on_over(channel, socket, former); // TLS has begun on the connection
    return;
  }
  if (former !== undefined) over(channel, former, null, 'another socket took its place');
  beginnings.set(channel, { socket, opened: clock.now(), connecting: null });
  const { below } = socket;
  count(channel, below ?? socket);
  if (below !== undefined) go_on_counting(socket, below);
  if (open.hasSubscribers) open.publish({ channel, fd: socket.fileno() });
}

/** Another socket takes the place of the one that it opened: its life goes on. */
export function moved(channel: living): void {
  const beginning = beginnings.get(channel);
  if (beginning === undefined) return;
  beginning.socket = channel.socket as Transport; // it has one now
  count(channel, beginning.socket);
}

/** What `socket` moves goes through `below`, where it is counted already: as ciphertext, for TLS. */
function go_on_over(channel: living, socket: Transport, below: Transport): void {
  const beginning = beginnings.get(channel);
  if (beginning !== undefined) beginning.socket = socket;
  go_on_counting(socket, below);
}

function count(channel: living, socket: Transport): void {
  if (!receive.hasSubscribers && !send.hasSubscribers && !close.hasSubscribers) return;
  const beginning = beginnings.get(channel);
  count_bytes(socket, (isIn, bytes) => {
    if (beginnings.get(channel) !== beginning) return; // TLS still sends its close_notify after the end
    const way = isIn ? receive : send;
    if (way.hasSubscribers) way.publish({ channel, fd: socket.fileno(), bytes });
  });
}

/** It waits for connections. */
export function listens(channel: living, address: () => Address): void {
  if (listen.hasSubscribers) {
    listen.publish({ channel, fd: fdOf(channel), address: address() });
  }
}

/** An attempt to connect begins. */
export function connects(channel: living, address: Address): void {
  const beginning = beginnings.get(channel);
  if (beginning !== undefined) beginning.connecting = clock.now();
  if (connecting.hasSubscribers) {
    connecting.publish({ channel, fd: fdOf(channel), address });
  }
}

/** The connection is made. */
export function connected(channel: living): void {
  if (!connect.hasSubscribers) return;
  const began = beginnings.get(channel)?.connecting ?? null;
  const seconds = began === null ? null : (clock.now() - began) / 1000;
  connect.publish({ channel, fd: fdOf(channel), address: channel.addr, seconds });
}

/** A listener has accepted a connection, which belongs to no channel yet. */
export function accepted(channel: living, address: Address): void {
  if (accept.hasSubscribers) accept.publish({ channel, fd: fdOf(channel), address });
}

/** A handler threw `what`, or an attempt to connect has failed with it. */
export function erred(channel: object, what: unknown): void {
  if (!error.hasSubscribers) return;
  const { socket = null } = channel as Partial<living>; // any object may be in a map
  error.publish({ channel, fd: socket?.fileno() ?? -1, error: what });
}

/** Its socket is about to be closed, or was given away. */
export function closed(channel: living, reason: unknown, why: () => string): void {
  if (close.hasSubscribers && channel.socket !== null) over(channel, channel.socket, reason, why());
  beginnings.delete(channel);
}

function over(channel: living, socket: Transport, reason: unknown, why: string): void {
  const began = beginnings.get(channel)?.opened;
  const seconds = began === undefined ? null : (clock.now() - began) / 1000;
  const { bytes_in, bytes_out } = traffic_of(socket);
  const fd = socket.fileno();
  close.publish({ channel, fd, reason, why, seconds, bytes_in, bytes_out });
}
