/**
 * The native functions. Each makes one system call and answers with a number: the call's result,
 * or the negative errno. Wrong arguments throw a TypeError or RangeError that names them.
 */
import { loadBinary } from './binary.js';

/** What a socket call takes as an address: bytes that only the C side looks into. */
export type PackedAddress = Uint8Array;

/** Pairs fd, events, one after the other. */
export type Pairs = Int32Array;

export interface Binding {
  readonly address_size: number;
  readonly constants: Constants;
  readonly errors: Readonly<Record<string, number>>;
  /** How many events epoll_wait and kqueue_wait give at most. */
  readonly batch: number;
  address_pack(
    into: PackedAddress,
    family: number,
    host: string,
    port: number,
    flowinfo: number,
    scope_id: number,
  ): number;
  address_pack_unix(into: PackedAddress, path: Uint8Array): number;
  address_unpack(address: PackedAddress, numbers: Int32Array): string | Buffer | null;

  socket(family: number, type: number, proto: number): number;
  socketpair(family: number, type: number, proto: number, pair: Int32Array): number;
  bind(fd: number, address: PackedAddress): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number, address: PackedAddress): number;
  connect(fd: number, address: PackedAddress): number;
  recv(fd: number, into: ArrayBufferView, length: number, flags: number): number;
  recvfrom(
    fd: number,
    into: ArrayBufferView,
    length: number,
    flags: number,
    address: PackedAddress,
  ): number;
  send(fd: number, data: ArrayBufferView, flags: number): number;
  sendto(fd: number, data: ArrayBufferView, flags: number, address: PackedAddress): number;
  sendmsg(
    fd: number,
    buffers: readonly ArrayBufferView[],
    flags: number,
    address: PackedAddress | null,
    control: Uint8Array | null,
  ): number;
  recvmsg(
    fd: number,
    into: ArrayBufferView,
    length: number,
    flags: number,
    address: PackedAddress,
    control: Uint8Array | null,
    out: Int32Array,
  ): number;
  cmsg_space(length: number): number;
  cmsg_pack(
    control: Uint8Array,
    offset: number,
    level: number,
    type: number,
    data: ArrayBufferView,
  ): number;
  cmsg_unpack(control: Uint8Array, end: number, offset: number, out: Int32Array): number;
  shutdown(fd: number, how: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: ArrayBufferView): number;
  getsockname(fd: number, address: PackedAddress): number;
  getpeername(fd: number, address: PackedAddress): number;
  getpeercred(fd: number, cred: Int32Array): number;

  dup(fd: number): number;
  read(fd: number, into: ArrayBufferView, length: number): number;
  write(fd: number, data: ArrayBufferView): number;
  pipe(pair: Int32Array): number;
  close(fd: number): number;
  own(fd: number): number;
  disown(fd: number): number;
  get_blocking(fd: number): number;
  set_blocking(fd: number, blocking: number): number;
  unread(fd: number): number;

  select(pairs: Pairs, count: number, timeout: number): number;
  poll(pairs: Pairs, count: number, timeout: number): number;
  epoll_create?(): number;
  epoll_ctl(queue: number, op: number, fd: number, events: number): number;
  epoll_wait(queue: number, pairs: Pairs, timeout: number): number;
  kqueue_create?(): number;
  kqueue_ctl(queue: number, fd: number, events: number): number;
  kqueue_wait(queue: number, pairs: Pairs, timeout: number): number;
}

/** The names in constants.ts, and those that only this package uses. */
export type Constants = Readonly<Record<string, number>>;

export const binding = loadBinary<Binding>('socket');
