/**
 * Calls the native functions with anything at all, and ends with code 0 if that is survived:
 * `node fuzz.mjs SEED SECONDS`. ASYNCORE_FUZZ_TRACE=1 prints each call before it is made.
 *
 * It closes only descriptors that it opened, waits for nothing, talks to nobody but itself, and
 * leaves alone the words of memory that a watcher reads (libuv.ts never lets go of them).
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { Random } from '@asyncore/test-support/random';
import { loadBinary } from '../dist/binary.js';
import { binding as sockets_binding } from '../dist/binding.js';

const seed = Number(process.argv[2]);
const end = performance.now() + Number(process.argv[3]) * 1000;
const trace = process.env.ASYNCORE_FUZZ_TRACE === '1';
const binding = { ...sockets_binding, ...loadBinary('wakeup') };
const { constants } = binding;

// ---- chance ----

const random = new Random(seed);
const chance = (share) => random.chance(share);
const below = (n) => random.below(n);
const pick = (list) => random.pick(list);

// ---- descriptors ----

/** Those opened here and open still, and which of them are sockets and queues. */
let fds = [];
let sockets = [];
let queues = [];

function born(fd) {
  if (!(fd >= 0)) return;
  fds.push(fd);
  if (fds.length <= 150) return;
  const old = pick(fds);
  closed(binding.close(old), old);
}

function bornSocket(fd) {
  if (fd >= 0) sockets.push(fd);
  born(fd);
}

function bornQueue(fd) {
  if (fd >= 0) queues.push(fd);
  born(fd);
}

function closed(_, fd) {
  fds = fds.filter((one) => one !== fd);
  sockets = sockets.filter((one) => one !== fd);
  queues = queues.filter((one) => one !== fd);
}

const NOBODY = 1_000_000; // above any limit
const fd = () => (chance(0.95) && fds.length > 0 ? pick(fds) : pick([-1, NOBODY, wrong()]));
const socket = () => (chance(0.9) && sockets.length > 0 ? pick(sockets) : fd());
const queue = () => (chance(0.9) && queues.length > 0 ? pick(queues) : fd());

// ---- memory ----

const arrays = [Uint8Array, Int8Array, Uint16Array, Int32Array, Float64Array, BigInt64Array];
let buffers = [];

function buffer() {
  if (buffers.length > 20 && chance(0.8)) return pick(buffers);
  const size = pick([0, 8, 64, 100, 256, 4096, 70_000]);
  const made = pick([
    () => new ArrayBuffer(size),
    () => new SharedArrayBuffer(size),
    () => new ArrayBuffer(size, { maxByteLength: 100_000 }),
  ])();
  buffers = [...buffers.slice(-40), made];
  return made;
}

function view() {
  const memory = buffer();
  const Type = chance(0.1) ? DataView : pick(arrays);
  const width = Type.BYTES_PER_ELEMENT ?? 1;
  const room = Math.floor(memory.byteLength / width);
  const offset = below(room + 1);
  try {
    return chance(0.5)
      ? new Type(memory, offset * width)
      : new Type(memory, offset * width, below(room - offset + 1));
  } catch {
    return new Uint8Array(below(100)); // of a detached buffer there are no new views
  }
}

/** Takes memory away from views that may be used again. */
function disturb() {
  const memory = pick(buffers);
  if (memory instanceof SharedArrayBuffer || memory === undefined) return;
  try {
    if (memory.resizable) memory.resize(below(100_000));
    else structuredClone(memory, { transfer: [memory] });
  } catch {} // it is gone already
}

const ints = (n) => () => (chance(0.9) ? Int32Array.from({ length: n + below(9) }, int32) : view());
const int32 = () => pick([0, 1, -1, below(100), below(2 ** 16), 2 ** 31 - 1, -(2 ** 31), ...fds]);

// ---- other arguments ----

const wrong = () =>
  pick([
    undefined,
    null,
    true,
    NaN,
    1.5,
    -1,
    2 ** 31,
    2 ** 53,
    -(2 ** 31) - 1,
    Infinity,
    1n,
    Symbol('wrong'),
    'text',
    '',
    {},
    [],
    () => {},
    new Date(0),
    new Proxy({}, {}),
    new ArrayBuffer(64),
  ]);

const int = () => pick([0, 1, 2, 3, 4, 8, 16, below(100), below(2 ** 20), int32()]);
const size = () => pick([0, 1, below(10), below(100), below(70_000), 2 ** 31, 2 ** 53 - 1]);
const timeout = () => pick([0, 0, 0, 1, NaN, 1.5, 'x', undefined, null, 2 ** 31]);
const flags = () =>
  pick([0, 0, constants.MSG_PEEK, constants.MSG_OOB, constants.MSG_TRUNC, int32()]);
const family = () => pick([constants.AF_UNIX, constants.AF_INET, constants.AF_INET6]);
const { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET } = constants;
const type = () => pick([SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET]);
const events = () => pick([0, 1, 2, 4, 5, 7, below(64), constants.POLLRDHUP ?? 0]);
const level = () => pick([constants.SOL_SOCKET, constants.IPPROTO_TCP, constants.IPPROTO_IP, 41]);
const host = () =>
  pick(['127.0.0.1', '::1', '', '%', 'fe80::1%lo', '::1%1', 'x'.repeat(below(99))]);
const orNull = (make) => () => (chance(0.5) ? null : make());
const list = () => Array.from({ length: below(8) }, () => (chance(0.97) ? view() : wrong()));
const room = [view, size];

// SO_LINGER makes close wait.
const options = Object.entries(constants)
  .filter(([name]) => /^(SO|TCP|IP|IPV6)_/.test(name) && name !== 'SO_LINGER')
  .map(([, value]) => value);
const option = () => pick(options);

/** Buffers whose elements are made by functions that take memory away. */
function treacherous() {
  const buffers = list();
  const place = below(buffers.length + 1);
  Object.defineProperty(buffers, place, {
    get() {
      disturb();
      if (chance(0.1)) throw new TypeError('mine');
      return view();
    },
  });
  return buffers;
}

const gathered = () => pick([list, list, list, treacherous, () => Array(below(2000)), wrong])();

/** An address of one of our own sockets, of nobody, or nonsense that leads nowhere. */
function address() {
  const bytes = new Uint8Array(binding.address_size);
  const kind = below(4);
  if (kind < 2 && sockets.length > 0) {
    binding.getsockname(pick(sockets), bytes);
  } else if (kind === 2) {
    binding.address_pack_unix(bytes, Buffer.from(`\0asyncore fuzz ${process.pid} ${below(9)}`));
  } else {
    for (let i = 0; i < bytes.length; i++) bytes[i] = below(256);
    new Uint32Array(bytes.buffer)[0] = pick([0, 1, 2, 16, 28, 110, 128, 129, 2 ** 31]);
    new Uint16Array(bytes.buffer)[4] = pick([0, constants.AF_UNIX, 999]);
    bytes[10] = 0; // an abstract name, not a file
  }
  return bytes;
}

const newAddress = () => (chance(0.9) ? new Uint8Array(binding.address_size + below(9)) : view());

/** Room for up to four addresses, some of which are there. */
function addresses() {
  if (chance(0.1)) return view();
  const one = address();
  const bytes = new Uint8Array(below(5) * binding.address_size);
  for (let at = 0; at < bytes.length; at += binding.address_size) {
    bytes.set(one.subarray?.(0, binding.address_size) ?? [], at);
  }
  return bytes;
}

/** Control messages: descriptors of ours, or nonsense. */
function control() {
  if (chance(0.5)) return view();
  const data = Int32Array.from({ length: 1 + below(3) }, () => pick([...fds, -1]));
  const bytes = new Uint8Array(binding.cmsg_space(data.byteLength));
  binding.cmsg_pack(bytes, 0, constants.SOL_SOCKET, constants.SCM_RIGHTS, data);
  return bytes;
}

/** Takes over the descriptors that came with a message. */
function arrived(result, [, , , , , bytes, out]) {
  if (result < 0 || bytes == null) return;
  const ints = new Int32Array(4);
  const length = Math.min(out[1], bytes.byteLength);
  for (let at = 0; ; ) {
    at = binding.cmsg_unpack(bytes, length, at, ints);
    if (at === 0) return;
    if (ints[0] !== constants.SOL_SOCKET || ints[1] !== constants.SCM_RIGHTS) continue;
    for (let i = 0; i + 4 <= ints[3]; i += 4) {
      born(new DataView(bytes.buffer, bytes.byteOffset + ints[2] + i).getInt32(0, true));
    }
  }
}

// ---- watchers ----

const watchers = [];
const allWords = [];

/** What a watcher shares with its callbacks: whether to prepare, whether at once, how often it was. */
function words() {
  const made = new Int32Array([pick([0, 1]), pick([0, 1]), 0, 0]);
  allWords.push(made);
  return made;
}

function callback() {
  // One that always asks for more would hold up the program for ever.
  for (const each of allWords.splice(0, allWords.length - 30)) each.fill(0);
  for (const each of allWords) each.set([pick([0, 1]), chance(0.1) ? 1 : 0]);
  if (chance(0.05)) throw new TypeError('mine');
  if (chance(0.3)) step();
  if (chance(0.2) && watchers.length > 0) binding.watcher_stop(watchers.pop());
  return chance(0.2);
}

process.on('uncaughtException', (error) => {
  if (error.message !== 'mine') fail('uncaught', [], error);
});

function watched(id) {
  if (id > 0) watchers.push(id);
  if (watchers.length > 20) binding.watcher_stop(watchers.shift());
}

// ---- calls ----

const pairOf = ([pair]) => pair.subarray(0, 2);

/** For each function the kinds of its arguments, and what is to be done after. */
const calls = {
  address_pack: [[newAddress, family, host, int, int, int]],
  address_pack_unix: [[newAddress, view]],
  address_unpack: [[address], [ints]],
  socket: [[family, type, () => pick([0, 0, 0, 6, 17])], bornSocket],
  socketpair: [
    [() => constants.AF_UNIX, type, () => 0, ints(2)],
    (result, args) => result === 0 && pairOf(args.slice(3)).forEach(bornSocket),
  ],
  bind: [[socket, address]],
  listen: [[socket, int]],
  accept: [[socket, newAddress], bornSocket],
  connect: [[socket, address]],
  recv: [[socket, ...room, flags]],
  recvfrom: [[socket, ...room, flags, newAddress]],
  send: [[socket, view, flags]],
  sendto: [[socket, view, flags, address]],
  sendmsg: [[socket, gathered, flags, orNull(address), orNull(control)]],
  recvmsg: [[socket, ...room, flags, newAddress, orNull(view), ints(2)], arrived],
  recvmmsg: [[socket, view, int, int, flags, addresses, ints(4)]],
  sendmmsg: [[socket, gathered, flags, orNull(addresses)]],
  cmsg_space: [[int]],
  cmsg_pack: [[view, int, int32, int32, view]],
  cmsg_unpack: [[view, int, int, ints(4)]],
  shutdown: [[socket, int]],
  getsockopt: [[socket, level, option, view]],
  setsockopt: [[socket, level, option, view]],
  getsockname: [[socket, newAddress]],
  getpeername: [[socket, newAddress]],
  getpeercred: [[socket, ints(3)]],
  dup: [[fd], born],
  read: [[fd, ...room]],
  write: [[fd, view]],
  open: [
    [
      () => pick([Buffer.from('/dev/null'), Buffer.alloc(5000, 'x'), view()]),
      () => pick([0, 'x', null]),
    ],
    born,
  ],
  pread: [[fd, ...room, int]],
  sendfile: [[socket, fd, int, int]],
  pipe: [
    [ints(2)],
    (result, args) => {
      if (result !== 0) return;
      for (const end of pairOf(args)) {
        binding.set_blocking(end, 0);
        born(end);
      }
    },
  ],
  close: [[fd], (result, [fd]) => closed(result, fd)],
  own: [[fd]],
  disown: [[fd]],
  get_blocking: [[fd]],
  set_blocking: [[fd, () => pick([0, 'x', 2, -1, null])]],
  unread: [[fd]],
  select: [[ints(0), int, timeout]],
  poll: [[ints(0), int, timeout]],
  epoll_create: [[], bornQueue],
  epoll_ctl: [[queue, () => pick([1, 2, 3, int32()]), fd, events]],
  epoll_wait: [[queue, ints(2), timeout]],
  kqueue_create: [[], bornQueue],
  kqueue_ctl: [[queue, fd, events]],
  kqueue_wait: [[queue, ints(2), timeout]],
  watcher_start: [[queue, words, () => callback, () => callback], watched],
  watcher_keep_alive: [[() => pick([...watchers, int32()]), () => pick([0, 1, int32()])]],
  watcher_stop: [[() => pick([...watchers, int32()])]],
};

const isNative = (value) => /\[native code\]/.test(Function.prototype.toString.call(value));
const names = Object.keys(binding).filter(
  (name) => typeof binding[name] === 'function' && isNative(binding[name]),
);
for (const name of names) if (!(name in calls)) fail(name, [], 'is unknown to this program');

/** Where a wrong value would be a wait without end, or a watcher's word that may go away. */
const keepsTo = new Set([timeout, words]);
const often = ['socketpair', 'socket', 'bind', 'listen', 'connect', 'accept', 'send', 'sendmsg'];

let count = 0;

function step() {
  count += 1;
  const name = chance(0.4) ? pick(often) : pick(names);
  const [kinds, after] = calls[name];
  let args = kinds.map((make) => (chance(0.03) && !keepsTo.has(make) ? wrong() : make()));
  if (chance(0.02)) args = args.slice(0, below(args.length + 1));
  if (trace)
    writeSync(2, `${count} ${name} ${inspect(args, { breakLength: Infinity, depth: 1 })}\n`);
  let result;
  try {
    result = binding[name](...args);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) fail(name, args, error);
    return;
  }
  if (name !== 'address_unpack' && !Number.isInteger(result)) fail(name, args, result);
  after?.(result, args);
}

/** A connection that waits to be accepted, with data, and a queue that watches it. */
function setTheScene() {
  const address = new Uint8Array(binding.address_size);
  const kind = family();
  const [listener, client] = [0, 0].map(() => binding.socket(kind, constants.SOCK_STREAM, 0));
  const host = kind === constants.AF_INET ? '127.0.0.1' : '::1';
  if (kind === constants.AF_UNIX) binding.address_pack_unix(address, Buffer.from(`\0f ${count}`));
  else binding.address_pack(address, kind, host, 0, 0, 0);
  binding.bind(listener, address);
  binding.listen(listener, 5);
  binding.getsockname(listener, address);
  binding.connect(client, address);
  binding.send(client, Buffer.from('data'), 0);
  [listener, client].forEach(bornSocket);
  const queue = binding.epoll_create?.() ?? binding.kqueue_create();
  if (binding.epoll_ctl) binding.epoll_ctl(queue, constants.EPOLL_CTL_ADD, listener, 1);
  else binding.kqueue_ctl(queue, listener, 1);
  bornQueue(queue);
}

function fail(name, args, why) {
  writeSync(2, `${name} ${inspect(args)}: ${inspect(why)}\n`);
  process.exit(1);
}

while (performance.now() < end) {
  for (let i = 0; i < 200; i++) {
    if (i % 20 === 0) setTheScene();
    step();
    if (chance(0.05)) disturb();
  }
  await new Promise((resolve) => setImmediate(resolve));
}
// Nothing but these keeps the process alive.
for (const id of watchers.splice(0)) binding.watcher_stop(id);
for (const fd of fds.splice(0)) binding.close(fd);
console.log(count);
