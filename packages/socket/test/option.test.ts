import {
  IP_MULTICAST_LOOP,
  IPPROTO_IP,
  IPPROTO_TCP,
  SO_BINDTODEVICE,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MARK,
  SO_PRIORITY,
  SO_RCVBUF,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_CONGESTION,
  TCP_NODELAY,
} from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  bound,
  failure,
  inet,
  known,
  linuxOnly,
  onEveryFamily,
  onLinux,
  pair,
  thrown,
} from './support.js';

onEveryFamily((family) => {
  it('an option set to a number or a boolean reads back as a number', () => {
    const socket = bound(family);
    for (const value of [1, 0, true, false]) {
      socket.setsockopt(SOL_SOCKET, SO_KEEPALIVE, value);
      expect(socket.getsockopt(SOL_SOCKET, SO_KEEPALIVE) !== 0).toBe(Boolean(value));
    }
  });

  it('SO_TYPE is the type, SO_ERROR is 0', () => {
    expect(bound(family).getsockopt(SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM);
    expect(bound(family, SOCK_DGRAM).getsockopt(SOL_SOCKET, SO_TYPE)).toBe(SOCK_DGRAM);
    expect(bound(family).getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
  });

  it('SO_LINGER goes in and out as raw bytes', () => {
    const socket = bound(family);
    const linger = new Int32Array([1, 7]);
    socket.setsockopt(SOL_SOCKET, SO_LINGER, linger);
    const value = socket.getsockopt(SOL_SOCKET, SO_LINGER, 8);
    expect(value).toEqual(Buffer.from(linger.buffer));
    expect(socket.getsockopt(SOL_SOCKET, SO_LINGER, 100)).toHaveLength(8);
  });
});

it('TCP_NODELAY is an option of another level', () => {
  const socket = bound(inet);
  expect(socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)).toBe(0);
  socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, true);
  expect(socket.getsockopt(IPPROTO_TCP, TCP_NODELAY)).not.toBe(0);
});

it('SO_RCVBUF takes the size asked for', () => {
  const socket = bound(inet);
  socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 20000);
  expect(socket.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBe(onLinux ? 40000 : 20000); // socket(7)
});

it('raw bytes come from where a view says', () => {
  const [a] = pair();
  const memory = new Int32Array([9, 0, 0, 9]);
  a.setsockopt(SOL_SOCKET, SO_KEEPALIVE, true);
  a.setsockopt(SOL_SOCKET, SO_KEEPALIVE, memory.subarray(1, 2));
  expect(a.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).toBe(0);
  a.setsockopt(SOL_SOCKET, SO_KEEPALIVE, new DataView(memory.buffer, 0, 4));
  expect(a.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).not.toBe(0);
});

it('a struct timeval sets a time', () => {
  const [a] = pair();
  a.setsockopt(SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([3n, 0n]));
  expect(a.getsockopt(SOL_SOCKET, SO_RCVTIMEO, 16).readBigInt64LE()).toBe(3n);
});

it.skipIf(!onLinux)(linuxOnly('a name goes in and out as raw bytes'), () => {
  const socket = bound(inet);
  socket.setsockopt(IPPROTO_TCP, known(TCP_CONGESTION), Buffer.from('reno'));
  const name = socket.getsockopt(IPPROTO_TCP, known(TCP_CONGESTION), 16).toString();
  expect(name.replace(/\0+$/, '')).toBe('reno');
});

it('an option of one byte is a number', () => {
  const socket = bound(inet, SOCK_DGRAM);
  for (const value of [0, 1]) {
    socket.setsockopt(IPPROTO_IP, IP_MULTICAST_LOOP, value);
    expect(socket.getsockopt(IPPROTO_IP, IP_MULTICAST_LOOP)).toBe(value);
  }
});

it.skipIf(!onLinux)(linuxOnly('an option without a value is 0, whatever was asked before'), () => {
  const socket = bound(inet);
  expect(socket.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBeGreaterThan(0);
  expect(socket.getsockopt(SOL_SOCKET, known(SO_BINDTODEVICE))).toBe(0);
  expect(socket.getsockopt(SOL_SOCKET, known(SO_BINDTODEVICE), 16)).toHaveLength(0);
});

it('a buflen of 0 gives no bytes', () => {
  expect(bound(inet).getsockopt(SOL_SOCKET, SO_REUSEADDR, 0)).toHaveLength(0);
});

it('too few bytes throw EINVAL', () => {
  const set = () => bound(inet).setsockopt(SOL_SOCKET, SO_KEEPALIVE, Buffer.from([1]));
  expect(failure(set)).toMatchObject({ code: 'EINVAL', syscall: 'setsockopt' });
});

it('an unknown option throws ENOPROTOOPT', () => {
  const socket = bound(inet);
  const set = failure(() => socket.setsockopt(SOL_SOCKET, 9999, 1));
  expect(set.message).toBe('setsockopt ENOPROTOOPT');
  const get = failure(() => socket.getsockopt(SOL_SOCKET, 9999));
  expect(get.message).toBe('getsockopt ENOPROTOOPT');
});

it.each([NaN, 1.5, 2 ** 32, -(2 ** 31) - 1, Infinity])('%d is no option value', (value) => {
  const error = thrown(() => bound(inet).setsockopt(SOL_SOCKET, SO_KEEPALIVE, value));
  expect(error).toBeInstanceOf(RangeError);
  expect((error as Error).message).toBe('setsockopt: value must be a 32-bit integer');
});

it.each(['1', null, undefined, 1n, {}, [1]])('%s is no option value either', (value) => {
  const error = thrown(() => bound(inet).setsockopt(SOL_SOCKET, SO_KEEPALIVE, value as never));
  expect(error).toBeInstanceOf(TypeError);
  expect((error as Error).message).toMatch(/^setsockopt: value must be /);
});

it.skipIf(!onLinux || process.getuid?.() !== 0)(
  'values fill 32 bits, signed or unsigned (runs on Linux, as root)',
  () => {
    const socket = bound(inet);
    socket.setsockopt(SOL_SOCKET, known(SO_MARK), 0xffffffff);
    expect(socket.getsockopt(SOL_SOCKET, known(SO_MARK))).toBe(-1);
    socket.setsockopt(SOL_SOCKET, known(SO_PRIORITY), -(2 ** 31));
    expect(socket.getsockopt(SOL_SOCKET, known(SO_PRIORITY))).toBe(-(2 ** 31));
  },
);
