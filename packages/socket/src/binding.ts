/**
 * The native functions. Each makes one system call and answers with a number: the call's result,
 * or the negative errno. Wrong arguments throw a TypeError or RangeError that names them.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a socket call takes as an address: bytes that only the C side looks into. */
export type PackedAddress = Uint8Array;

/** Numbers in and out by pairs [fd, events]. */
export type Pairs = Int32Array;

export interface Binding {
  readonly address_size: number;
  readonly constants: Constants;
  readonly errors: Readonly<Record<string, number>>;
  /** A digest of the C sources it was made of. */
  readonly sources: string;
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

  watcher_start(queue: number, word: Int32Array, ready: () => unknown, prepare: () => void): number;
  watcher_stop(id: number): number;
}

/** The names in constants.ts, and those that only this package uses. */
export type Constants = Readonly<Record<string, number>>;

/** Why nothing was loaded: there is no binary, or there is one and the system refuses it. */
function unloadable(folder: string, compile: string, cause: unknown): Error {
  const { message } = cause as Error;
  try {
    readdirSync(folder); // node-gyp-build takes a folder that it cannot read for an empty one
    if (message.startsWith('No native build was found')) {
      const { platform, arch } = process;
      return new Error(`@asyncore/socket has no binary for this ${platform} ${arch}: ${compile}`, {
        cause,
      });
    }
  } catch (error) {
    return unloadedFor(error);
  }
  return unloadedFor(cause);
}

function unloadedFor(cause: unknown): Error {
  const { message } = cause as Error;
  return new Error(`@asyncore/socket could not load its binary: ${message}`, { cause });
}

function load(): Binding {
  if (process.platform === 'win32') {
    throw new Error(
      '@asyncore/socket does not run on Windows: it is made of BSD sockets, poll and epoll or ' +
        'kqueue. Use it on Linux or macOS, or in WSL.',
    );
  }
  const require = createRequire(import.meta.url);
  const folder = fileURLToPath(new URL('..', import.meta.url));
  // Only a checkout has this file. What is published was compared when it was packed.
  const digest = join(folder, 'native/digest.cjs');
  const compile = existsSync(digest)
    ? 'npm run setup'
    : `npx node-gyp rebuild --directory=${JSON.stringify(folder)}`;
  let exports: Binding;
  try {
    // What binding.c exports is what the interface above says; nothing checks that but the tests.
    exports = require('node-gyp-build')(folder);
  } catch (cause) {
    throw unloadable(folder, compile, cause);
  }
  if (existsSync(digest) && require(digest).digest() !== exports.sources) {
    throw new Error(
      `The binary of @asyncore/socket is not made of the C sources in ${folder}: ${compile}`,
    );
  }
  return { ...exports }; // V8 finds a property of an object that C made only by searching
}

export const binding = load();
