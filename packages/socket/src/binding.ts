/**
 * The native functions: the one door by which the packages reach the world. Each makes one system call
 * and answers with a number: the call's result, or the negative errno. Wrong arguments throw a TypeError
 * or RangeError that names them.
 */
import { promises as dns } from 'node:dns';
import { type BigIntStats, fstatSync } from 'node:fs';
import { loadBinary } from './binary.js';

/** What a socket call takes as an address: bytes that only `address_pack` and its kin look into. */
export type PackedAddress = Uint8Array;

/** Memory to receive into. An ArrayBuffer is quicker to hand over. */
export type Memory = ArrayBufferView | ArrayBuffer;

/** Pairs fd, events, one after the other. */
export type Pairs = Int32Array;

/** An address that a look-up has found. */
export interface Found {
  address: string;
  /** 4 or 6. */
  family: number;
}

/**
 * The seam between the packages and the system. Whatever has these functions can take the system's
 * place (`use_binding`), so they are held to this:
 *
 * - A function answers at once, with a result of 0 or more or the negative of one of `errors`; only a
 *   wrong argument throws. None calls back into JavaScript.
 * - They are called without their object (`this` is not theirs), and the module's `binding` is read at
 *   each call: nobody keeps a function of it.
 * - Memory that they are given is the caller's: they may write into it (`into`, `address`, `out`,
 *   `pair`, `pairs`, `cred`, `value`) or read it until they return, and keep none of it.
 * - Descriptors are integers from 0 to 2^31-1. They come close-on-exec; sockets come non-blocking.
 *   An operation on a number that is not open answers -EBADF.
 * - Only the functions that take a `timeout` (in milliseconds, -1 for ever) wait; a call on a descriptor
 *   made blocking with `set_blocking` may.
 */
export interface Binding {
  /** How many bytes an address takes. */
  readonly address_size: number;
  readonly constants: Constants;
  readonly errors: Readonly<Record<string, number>>;
  /** How many events epoll_wait and kqueue_wait give at most. */
  readonly batch: number;
  /** The lowest descriptor that `select` refuses. */
  readonly fd_setsize: number;

  // ---- addresses, which need no system call ----

  /** Packs a numeric host. 0; -EINVAL for one that is not numeric, -ENODEV for a zone that is none. */
  address_pack(
    into: PackedAddress,
    family: number,
    host: string,
    port: number,
    flowinfo: number,
    scope_id: number,
  ): number;
  /** Packs a path, or a name that begins with NUL. 0, or -ENAMETOOLONG. */
  address_pack_unix(into: PackedAddress, path: Uint8Array): number;
  /** The host, or the path, as bytes where that is no UTF-8; family, port, flowinfo and scope_id into `numbers`. null when there is none. */
  address_unpack(address: PackedAddress, numbers: Int32Array): string | Buffer | null;
  /**
   * Looks a name up: at least one address, of `family` (4, 6, or 0 for both), in the order in which
   * they are to be tried. Rejects as `dns.lookup` does. The only function that answers later.
   */
  lookup(host: string, family: number): Promise<Found[]>;

  // ---- sockets: each the call of section 2 of the manual that has its name ----

  /** A descriptor. */
  socket(family: number, type: number, proto: number): number;
  /** 0, with two descriptors in `pair`. */
  socketpair(family: number, type: number, proto: number, pair: Int32Array): number;
  bind(fd: number, address: PackedAddress): number;
  listen(fd: number, backlog: number): number;
  /** A descriptor, with the other end's address in `address`. -EAGAIN when nobody waits. */
  accept(fd: number, address: PackedAddress): number;
  /** 0; -EINPROGRESS when the attempt goes on: then the socket gets writable, and SO_ERROR says how it went. */
  connect(fd: number, address: PackedAddress): number;
  /** The bytes received, at most `length`; 0 at the end of the stream. */
  /** In this one and in `send` flags of 0 may be left out, which is quicker. */
  recv(fd: number, into: Memory, length: number, flags?: number): number;
  /** The same, with the sender in `address` (of length 0 where the kernel gives none). */
  recvfrom(fd: number, into: Memory, length: number, flags: number, address: PackedAddress): number;
  /** The bytes taken, which are copied before it returns. Never a SIGPIPE. */
  send(fd: number, data: ArrayBufferView, flags?: number): number;
  sendto(fd: number, data: ArrayBufferView, flags: number, address: PackedAddress): number;
  /** At most 1024 buffers. The bytes taken. */
  sendmsg(
    fd: number,
    buffers: readonly ArrayBufferView[],
    flags: number,
    address: PackedAddress | null,
    control: Uint8Array | null,
  ): number;
  /** The bytes received, with [flags, length of the control messages] in `out`. */
  recvmsg(
    fd: number,
    into: Memory,
    length: number,
    flags: number,
    address: PackedAddress,
    control: Uint8Array | null,
    out: Int32Array,
  ): number;
  /**
   * How many messages came, `count` at most (64): each in `size` bytes of `into` and `address_size` of
   * `addresses`, one after the other, with its length in `lengths`. Waits for the first at most. With
   * MSG_TRUNC among the flags a length may be larger than `size`. It is there where the system has it.
   */
  recvmmsg?(
    fd: number,
    into: ArrayBufferView,
    size: number,
    count: number,
    flags: number,
    addresses: Uint8Array,
    lengths: Int32Array,
  ): number;
  /**
   * How many messages were taken, one for each buffer (64 at most), to the addresses that lie one after the
   * other in `addresses`. An error is told only of the first. It is there where the system has it.
   */
  sendmmsg?(
    fd: number,
    buffers: readonly ArrayBufferView[],
    flags: number,
    addresses: Uint8Array | null,
  ): number;
  /** The room that a control message of so many bytes takes: cmsg(3). No system call, as the next two. */
  cmsg_space(length: number): number;
  /** Writes a control message at `offset`, and gives the offset after it. */
  cmsg_pack(
    control: Uint8Array,
    offset: number,
    level: number,
    type: number,
    data: ArrayBufferView,
  ): number;
  /** The offset of the next message, 0 at the end; [level, type, start, length of data] in `out`. */
  cmsg_unpack(control: Uint8Array, end: number, offset: number, out: Int32Array): number;
  shutdown(fd: number, how: number): number;
  /** The length of what was written into `value`. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: ArrayBufferView): number;
  getsockname(fd: number, address: PackedAddress): number;
  getpeername(fd: number, address: PackedAddress): number;
  /** 0, with [pid, uid, gid] in `cred`. */
  getpeercred(fd: number, cred: Int32Array): number;

  // ---- descriptors of any kind ----

  dup(fd: number): number;
  read(fd: number, into: Memory, length: number): number;
  write(fd: number, data: ArrayBufferView): number;
  /** 0, with [for reading, for writing] in `pair`. The ends are blocking, as pipe(2) makes them. */
  pipe(pair: Int32Array): number;
  close(fd: number): number;
  /**
   * The end of this thread is to close it, or not. What `socket`, `socketpair` and `accept` make is
   * owned from the start.
   */
  own(fd: number): number;
  disown(fd: number): number;
  /** 1 or 0. */
  get_blocking(fd: number): number;
  /** For all duplicates of it. */
  set_blocking(fd: number, blocking: number): number;
  /** The bytes that can be read without waiting (FIONREAD). */
  unread(fd: number): number;
  /** What kind of file it is, which, and how long: fstat(2). Throws as `fs.fstatSync` does. */
  fstat(fd: number): Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'isFile' | 'isDirectory'>;

  // ---- files ----

  /** A descriptor, the caller's to close. `path` is without a NUL, `flags` are those of `node:fs`. */
  open(path: Uint8Array, flags: number): number;
  /** The bytes read from `offset` on; 0 at the end. */
  pread(fd: number, into: Memory, length: number, offset: number): number;
  /**
   * Sends at most `count` bytes of `file`, from `offset` on. The bytes that the socket took; 0 at the end of
   * the file. -ENOSYS where the system has no such call, -EINVAL (or -ESPIPE, -EOPNOTSUPP) where it cannot
   * send from this file or to this socket.
   */
  sendfile(fd: number, file: number, offset: number, count: number): number;

  // ---- pollers ----

  /**
   * How many of the first `count` pairs are ready, each pair's events replaced by those that are, in
   * poll(2)'s flags; 0 after `timeout`; -EINTR after a signal.
   */
  select(pairs: Pairs, count: number, timeout: number): number;
  poll(pairs: Pairs, count: number, timeout: number): number;
  /** There where the system has it. With it, a loop's queue is an epoll, without it a kqueue. */
  epoll_create?(): number;
  epoll_ctl(queue: number, op: number, fd: number, events: number): number;
  /** The number of pairs written: as many as there is room for, the others the next time. */
  epoll_wait(queue: number, pairs: Pairs, timeout: number): number;
  kqueue_create?(): number;
  /** `events` 0 takes it out. */
  kqueue_ctl(queue: number, fd: number, events: number): number;
  kqueue_wait(queue: number, pairs: Pairs, timeout: number): number;
}

/** The names in constants.ts, and those that only this package uses. */
export type Constants = Readonly<Record<string, number>>;

/** What C gives; the rest is Node's. */
type Addon = Omit<Binding, 'fd_setsize' | 'lookup' | 'fstat'>;

function load(): Binding {
  const addon = loadBinary<Addon>('socket');
  return {
    ...addon,
    fd_setsize: addon.constants.FD_SETSIZE,
    lookup: (host, family) => dns.lookup(host, { family, all: true, order: 'verbatim' }),
    fstat: (fd) => fstatSync(fd, { bigint: true }),
  };
}

/** The system itself. */
export const native: Binding = load();

/** What the packages call: the system, or what has taken its place. Import it as it is: it changes. */
export let binding = native;

const listeners: (() => void)[] = [];

/** Calls `listener` whenever another binding has taken the place of the one before. */
export function on_change(listener: () => void): void {
  listeners.push(listener);
}

/**
 * Puts `other` in the place of the system, for this thread, and gives the one before. What was made by
 * one binding is meaningless to another: close it first.
 */
export function use_binding(other: Binding): Binding {
  const before = binding;
  binding = other;
  for (const listener of listeners) listener();
  return before;
}
