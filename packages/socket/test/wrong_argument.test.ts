// In a process of its own: it calls every function with every kind of value.
import * as exported from '@asyncore/socket';
import {
  AF_INET,
  AF_UNIX,
  type Descriptor,
  dup,
  POLLIN,
  POLLOUT,
  SO_KEEPALIVE,
  SOCK_STREAM,
  SOL_SOCKET,
  type Socket,
  type Wakeup,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { newPackedAddress, pack } from '../dist/address.js';
import { loadBinary } from '../dist/binary.js';
import { binding } from '../dist/binding.js';
import { rightArguments } from './calls.js';
import { bound, connection, inet, onLinux, own, ownFd, pair, thrown } from './support.js';
import { detached, wrongCalls } from './wrong_values.js';

type Call = (...args: unknown[]) => unknown;

const isFunction = (value: unknown) =>
  typeof value === 'function' && !Function.prototype.toString.call(value).startsWith('class');

/** A wrong call throws one of these, or answers. */
function expectProperError(error: unknown, title: string): void {
  // What iterating over a strange argument throws is not ours.
  if (error instanceof TypeError && !/^[\w.]+: /.test(error.message)) return;
  expect(error, title).toHaveProperty('code', expect.stringMatching(/^E/));
}

/** Calls `call` with wrong arguments of every kind, and gives how many it refused. */
async function misuse(call: Call, args: () => unknown[], undo: (result: never) => void = () => {}) {
  let refused = 0;
  for (const [title, wrong] of wrongCalls(args)) {
    try {
      undo((await call(...wrong)) as never);
    } catch (error) {
      refused += 1;
      expectProperError(error, title);
    }
  }
  return refused;
}

const fd = () => pair()[0].fileno();
const copy = () => ownFd(dup(fd()));
const bytes = () => Buffer.from('data');

describe('a wrong argument of', () => {
  const undoFd = (fd: number) => void ownFd(fd);
  const undoAll = (things: Descriptor[]) => things.forEach(own);

  const functions: Record<string, [() => unknown[], undo?: (result: never) => void]> = {
    CMSG_SPACE: [() => [4]],
    before_release: [() => [() => {}], (stop: () => void) => stop()],
    close: [() => [1_000_000]],
    dup: [() => [fd()], undoFd],
    family_of: [() => ['127.0.0.1']],
    get_blocking: [() => [fd()]],
    getaddrinfo: [() => ['127.0.0.1', 1, { family: 0 }]],
    ip_mreq: [() => ['239.1.2.3', '']],
    ipv6_mreq: [() => ['ff02::1', 0]],
    is_resolved: [() => [AF_INET, ['127.0.0.1', 1]]],
    is_socket: [() => [fd()]],
    new_wakeup: [() => [fd(), () => {}, () => {}], (wakeup: Wakeup) => wakeup.close()],
    open: [() => ['/dev/null'], undoFd],
    pipe: [() => [], (fds: number[]) => fds.forEach(ownFd)],
    pread: [() => [fd(), 10, 0]],
    read: [() => [fd(), 10]],
    resolve: [() => [AF_INET, ['127.0.0.1', 1]]],
    roomForBatch: [() => []],
    set_blocking: [() => [fd(), false]],
    socketpair: [() => [AF_UNIX, SOCK_STREAM, 0], undoAll],
    state_of: [() => [fd(), 0]],
    tcp_traffic: [() => [fd()]],
    unread: [() => [fd()]],
    unread_of: [() => [fd()]],
    use_wakeup: [() => [null], () => exported.use_wakeup(null)],
    write: [() => [fd(), bytes()]],
  };

  it('every function is tried', () => {
    const names = Object.entries(exported).filter(([, value]) => isFunction(value));
    expect(names.map(([name]) => name).sort()).toEqual(Object.keys(functions));
  });

  it.each(Object.entries(functions))('%s throws', async (name, [args, undo]) => {
    const call = Reflect.get(exported, name) as Call;
    const refused = await misuse(call, args, undo);
    if (args().length > 0) expect(refused).toBeGreaterThan(10);
  });

  const constructors: [string, Call, () => unknown[]][] = [
    ['Socket', (...args) => own(construct(exported.Socket, args)), () => [AF_INET, SOCK_STREAM, 0]],
    ['Descriptor', (fd) => construct(exported.Descriptor, [fd]).detach(), () => [fd()]],
    ['Socket.from_fd', (fd) => exported.Socket.from_fd(fd as number).detach(), () => [copy()]],
  ];

  it.each(constructors)('%s throws', async (_, call, args) => {
    const refused = await misuse(call, args);
    expect(refused).toBeGreaterThan(20);
  });

  it.each(Object.entries(rightArguments))('Socket.%s throws', async (name, args) => {
    const one = (): Socket => (name.startsWith('send') ? pair()[0] : connection(inet)[0]);
    const method = Reflect.get(exported.Socket.prototype, name) as Call;
    for (const make of [one, () => bound(inet)]) {
      const call: Call = (...wrong) => {
        const result = method.apply(make(), wrong);
        if (name.startsWith('accept') && Array.isArray(result)) own(result[0] as Socket);
      };
      const refused = await misuse(call, () => args(make()));
      if (args(make()).length > 0 && name !== 'setblocking') expect(refused).toBeGreaterThan(10);
    }
  });

  function construct<T>(Kind: new (...args: never[]) => T, args: unknown[]): T {
    return Reflect.construct(Kind, args);
  }
});

describe('the error of a wrong argument says what to give', () => {
  type Wrong = [call: (socket: Socket) => unknown, Kind: ErrorConstructor, message: string];
  const cases: Record<string, Wrong> = {
    'CMSG_SPACE("x")': [
      () => exported.CMSG_SPACE('x' as never),
      TypeError,
      'CMSG_SPACE: length must be an integer',
    ],
    'CMSG_SPACE(-1)': [
      () => exported.CMSG_SPACE(-1),
      RangeError,
      'CMSG_SPACE: length must be an integer from 0 to 1048576',
    ],
    'is_resolved()': [
      () => (exported.is_resolved as Call)(),
      TypeError,
      'is_resolved: family must be an integer: AF_INET, AF_INET6 or AF_UNIX',
    ],
    'is_resolved(AF_UNIX)': [
      () => (exported.is_resolved as Call)(AF_UNIX),
      TypeError,
      'connect: address must be a path (a string or bytes) for AF_UNIX',
    ],
    'sendto()': [
      (socket) => (socket.sendto as Call).call(socket),
      TypeError,
      'sendto: data must be bytes (of a string: Buffer.from(text))',
    ],
    'sendto(data)': [
      (socket) => (socket.sendto as Call).call(socket, bytes()),
      TypeError,
      "sendto: address must be [host, port], such as ['127.0.0.1', 8080]: got undefined",
    ],
    'listen(1.5)': [
      (socket) => socket.listen(1.5),
      RangeError,
      'listen: backlog must be a 32-bit integer',
    ],
    'listen("5")': [
      (socket) => socket.listen('5' as never),
      TypeError,
      'listen: backlog must be an integer',
    ],
    'shutdown()': [
      (socket) => (socket.shutdown as Call).call(socket),
      TypeError,
      'shutdown: how must be SHUT_RD, SHUT_WR or SHUT_RDWR',
    ],
    'setsockopt()': [
      (socket) => (socket.setsockopt as Call).call(socket),
      TypeError,
      'setsockopt: level must be an integer: got undefined: this system may lack the constant',
    ],
    'setsockopt of "1000"': [
      (socket) => socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, '1000' as never),
      TypeError,
      'setsockopt: value must be an integer or bytes: give the number 1000',
    ],
    'setsockopt of "lo"': [
      (socket) => socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 'lo' as never),
      TypeError,
      'setsockopt: value must be an integer or bytes: give Buffer.from(text)',
    ],
    'setsockopt of undefined': [
      (socket) => socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, undefined as never),
      TypeError,
      'setsockopt: value must be an integer, true, false or bytes',
    ],
    'recv_into of more than there is room for': [
      (socket) => socket.recv_into(Buffer.alloc(4), 5),
      RangeError,
      'recv_into: nbytes must be from 0 to the length of buffer',
    ],
    'send_fds()': [
      (socket) => (socket.send_fds as Call).call(socket),
      TypeError,
      'send_fds: buffers must be an array or other iterable',
    ],
    'sendmsg with a level that is no integer': [
      (socket) => socket.sendmsg([bytes()], [['1' as never, 1, bytes()]]),
      TypeError,
      'sendmsg: level in ancdata must be an integer: the number 1, not a string',
    ],
    'from_fd("3")': [
      () => exported.Socket.from_fd('3' as never),
      TypeError,
      'from_fd: fd must be an integer: the number 3, not a string',
    ],
  };

  it.each(Object.entries(cases))('%s', (_, [call, Kind, message]) => {
    const error = thrown(() => call(bound(inet)));
    expect(error).toBeInstanceOf(Kind);
    expect((error as Error).message).toBe(message);
  });
});

describe('a wrong argument of the native', () => {
  const out = () => new Int32Array(4);
  const to = () => pack('connect', AF_UNIX, '\0asyncore nobody');
  const writable = () => new Int32Array([fd(), POLLOUT]);
  const room = () => [Buffer.alloc(100), 50];
  const queue = () => {
    const queue = own(onLinux ? new exported.epoll() : new exported.kqueue());
    queue.register(fd(), POLLOUT);
    return queue.fileno();
  };

  const functions: Record<string, () => unknown[]> = {
    address_pack: () => [newPackedAddress(), AF_INET, '127.0.0.1', 1, 0, 0],
    address_pack_unix: () => [newPackedAddress(), bytes()],
    address_unpack: () => [to(), out()],
    socket: () => [AF_UNIX, SOCK_STREAM, 0],
    socketpair: () => [AF_UNIX, SOCK_STREAM, 0, out()],
    bind: () => [fd(), to()],
    listen: () => [fd(), 1],
    accept: () => [fd(), newPackedAddress()],
    connect: () => [fd(), to()],
    recv: () => [fd(), ...room(), 0],
    recvfrom: () => [fd(), ...room(), 0, newPackedAddress()],
    send: () => [fd(), bytes(), 0],
    sendto: () => [fd(), bytes(), 0, to()],
    sendmsg: () => [fd(), [bytes()], 0, to(), new Uint8Array(32)],
    recvmsg: () => [fd(), ...room(), 0, newPackedAddress(), new Uint8Array(32), out()],
    recvmmsg: () => [
      fd(),
      Buffer.alloc(100),
      50,
      2,
      0,
      new Uint8Array(2 * binding.address_size),
      new Int32Array(2),
    ],
    sendmmsg: () => [fd(), [bytes()], 0, to()],
    cmsg_space: () => [4],
    cmsg_pack: () => [new Uint8Array(100), 0, 1, 1, bytes()],
    cmsg_unpack: () => [new Uint8Array(100), 100, 0, out()],
    shutdown: () => [fd(), 1],
    getsockopt: () => [fd(), SOL_SOCKET, SO_KEEPALIVE, new Uint8Array(4)],
    setsockopt: () => [fd(), SOL_SOCKET, SO_KEEPALIVE, new Uint8Array(4)],
    getsockname: () => [fd(), newPackedAddress()],
    getpeername: () => [fd(), newPackedAddress()],
    getpeercred: () => [fd(), out()],
    dup: () => [fd()],
    read: () => [fd(), ...room()],
    write: () => [fd(), bytes()],
    open: () => [Buffer.from('/dev/null'), 0],
    pread: () => [fd(), ...room(), 0],
    sendfile: () => [fd(), fd(), 0, 5],
    pipe: () => [out()],
    close: () => [1_000_000],
    own: () => [copy()],
    disown: () => [copy()],
    get_blocking: () => [fd()],
    set_blocking: () => [fd(), 0],
    unread: () => [fd()],
    select: () => [writable(), 1, 0],
    poll: () => [writable(), 1, 0],
    epoll_create: () => [],
    epoll_ctl: () => [queue(), 1, fd(), POLLIN],
    epoll_wait: () => [queue(), out(), 0],
    kqueue_create: () => [],
    kqueue_ctl: () => [queue(), fd(), POLLIN],
    kqueue_wait: () => [queue(), out(), 0],
    watcher_start: () => [queue(), new Int32Array(4), () => {}, () => {}],
    watcher_keep_alive: () => [12345, 0],
    watcher_stop: () => [12345],
  };

  /** Those whose answer is a new descriptor. */
  const giving = ['socket', 'accept', 'dup', 'open', 'epoll_create', 'kqueue_create'];

  const all = { ...binding, ...loadBinary<{ watcher_stop: Call }>('wakeup') };
  const isNative = (value: unknown) =>
    isFunction(value) && /\[native code\]/.test(Function.prototype.toString.call(value));
  const native = Object.entries(all).filter(([, value]) => isNative(value));

  it('every function is tried', () => {
    expect(Object.keys(functions)).toEqual(expect.arrayContaining(native.map(([name]) => name)));
  });

  it.each(native)('%s throws or answers', async (name, call) => {
    const checked: Call = (...args) => {
      const result: unknown = (call as Call)(...args);
      if (name === 'watcher_start') all.watcher_stop(result);
      if (giving.includes(name) && (result as number) >= 0) ownFd(result as number);
      if (['pipe', 'socketpair'].includes(name) && result === 0) {
        for (const fd of (args[args.length - 1] as Int32Array).subarray(0, 2)) ownFd(fd);
      }
      if (name !== 'address_unpack') expect(result).toSatisfy(Number.isInteger);
    };
    const refused = await misuse(checked, functions[name]);
    if (functions[name]().length > 0) expect(refused).toBeGreaterThan(10);
  });

  it.each([
    ['holes', () => Array(5)],
    ['a getter that throws', () => getting(() => Object.assign(new TypeError('mine')))],
    ['too many', () => Array(1025).fill(bytes())],
    ['a length that grew', () => Object.assign([], { length: 2 ** 32 - 1 })],
    ['a detached one', () => [bytes(), detached(new Uint8Array(10))]],
    ['numbers', () => [1, 2, 3]],
    ['a proxy for an array', () => new Proxy([bytes()], {})],
  ])('sendmsg: buffers with %s throw', (_, buffers) => {
    const error = thrown(() => binding.sendmsg(fd(), buffers() as never, 0, null, null));
    expectProperError(error, '');
  });

  it('sendmsg: a getter among the buffers cannot take the memory of another away', () => {
    const first = new Uint8Array(1 << 16).fill(1);
    const buffers = [first, null, new Uint8Array(1)];
    Object.defineProperty(buffers, 1, {
      get() {
        detached(first);
        return new Uint8Array(1);
      },
    });
    const error = thrown(() => binding.sendmsg(fd(), buffers as never, 0, null, null));
    expect((error as Error).message).toContain('not detached');
  });

  function getting(get: () => unknown): unknown[] {
    const list = [bytes(), bytes()];
    Object.defineProperty(list, 1, {
      get() {
        throw get();
      },
    });
    return list;
  }
});

describe('native bounds', () => {
  const view = () => new Uint8Array(new ArrayBuffer(100), 20, 50);

  it.each([51, 2 ** 53 - 1])('length %i is out of 50 bytes', (length) => {
    for (const call of [binding.recv, binding.read] as Call[]) {
      const error = thrown(() => call(fd(), view(), length, 0));
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toMatch(/^\w+: length must be within the buffer$/);
    }
  });

  it('what is received stays within the view and length', () => {
    const [a, b] = pair();
    b.send(Buffer.alloc(100, 255));
    const memory = new Uint8Array(100);
    expect(binding.recv(a.fileno(), memory.subarray(20, 70), 5, 0)).toBe(5);
    expect([...memory.keys()].filter((i) => memory[i] !== 0)).toEqual([20, 21, 22, 23, 24]);
  });

  it('poll and select look at no more pairs than there are', () => {
    for (const call of [binding.poll, binding.select]) {
      expect(thrown(() => call(new Int32Array(7), 4, 0))).toBeInstanceOf(RangeError);
      expect(thrown(() => call(new Int32Array(7), -1, 0))).toBeInstanceOf(RangeError);
      expect(call(new Int32Array(0), 0, 0)).toBe(0);
    }
  });

  it.each([-1, 1024, 2 ** 31 - 1, -(2 ** 31)])('select touches no set for descriptor %i', (fd) => {
    const pairs = new Int32Array([fd, POLLIN]);
    expect(binding.select(pairs, 1, 0)).toBe(-exported.errno.EINVAL);
    expect([...pairs]).toEqual([fd, POLLIN]);
  });

  it('a control message is packed and unpacked within its memory', () => {
    const control = new Uint8Array(64).fill(255);
    const end = binding.cmsg_pack(control, 16, 1, 2, bytes());
    expect(end).toBe(16 + binding.cmsg_space(4));
    expect([control[15], control[end]]).toEqual([255, 255]);
    const out = new Int32Array(4);
    expect(binding.cmsg_unpack(control, 64, 16, out)).toBe(end);
    const [level, type, start, length] = out;
    expect([level, type, length]).toEqual([1, 2, 4]);
    expect(Buffer.from(control.subarray(start, start + length)).toString()).toBe('data');
    // There is no message where the length is less than a header's, or more than there is.
    expect(binding.cmsg_unpack(new Uint8Array(64), 64, 0, out)).toBe(0);
    expect(binding.cmsg_unpack(new Uint8Array(64), 64, 16, out)).toBe(0);
    expect(binding.cmsg_unpack(control, 64, end, out)).toBe(0);
    expect(binding.cmsg_unpack(control, 64, 60, out)).toBe(0);
    expect(binding.cmsg_unpack(control, 64, 1000, out)).toBe(0);
  });

  it('a control message may lie in the memory it is packed into', () => {
    const control = new Uint8Array(64);
    expect(binding.cmsg_pack(control, 0, 1, 2, control.subarray(10, 30))).toBeGreaterThan(30);
  });

  it('a forged address is refused or harmless', () => {
    const address = newPackedAddress();
    new Uint32Array(address.buffer)[0] = 2 ** 31;
    expect(thrown(() => binding.bind(fd(), address))).toBeInstanceOf(RangeError);
    expect(thrown(() => binding.bind(fd(), address.subarray(1)))).toBeInstanceOf(RangeError);
    for (let length = 0; length <= address.length - 8; length++) {
      address.fill(255);
      new Uint32Array(address.buffer)[0] = length;
      for (const family of [0, 1, 2, 10, 65535]) {
        new Uint16Array(address.buffer)[4] = family;
        binding.address_unpack(address, new Int32Array(4));
      }
    }
  });

  it('a host name of any length is handled', () => {
    for (const length of [62, 63, 64, 65, 1000, 100_000]) {
      const call = () =>
        binding.address_pack(newPackedAddress(), AF_INET, '1'.repeat(length), 1, 0, 0);
      if (length < 64) expect(call()).toBe(-exported.errno.EINVAL);
      else expect(thrown(call)).toBeInstanceOf(RangeError);
    }
  });

  it.skipIf(!('Float16Array' in globalThis))(
    'a Float16Array is refused, not misread (runs on Node 24 and later)',
    () => {
      const Float16 = Reflect.get(globalThis, 'Float16Array') as Uint16ArrayConstructor;
      for (let i = 0; i < 100; i++) {
        const call = () => binding.send(fd(), new Float16(10), 0);
        expect(thrown(call)).toBeInstanceOf(TypeError);
      }
    },
  );
});
