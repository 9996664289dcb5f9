import {
  AF_UNIX,
  BlockingIOError,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  POLLIN,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  bound,
  connection,
  type Family,
  failure,
  freePath,
  inet,
  linuxOnly,
  onEveryFamily,
  onLinux,
  own,
  pair,
  thrown,
  until,
} from './support.js';

const both = (family: Family) => [bound(family, SOCK_DGRAM), bound(family, SOCK_DGRAM)];

onEveryFamily((family) => {
  it('sendto goes to an address and recvfrom says where it comes from', () => {
    const [a, b] = both(family);
    expect(a.sendto(Buffer.from('hello'), b.getsockname())).toBe(5);
    until(b, POLLIN);
    const [data, from] = b.recvfrom(100);
    expect(data.toString()).toBe('hello');
    expect(from).toEqual(a.getsockname());
    b.sendto(Buffer.from('you too'), 0, from ?? '');
    until(a, POLLIN);
    expect(a.recv(100).toString()).toBe('you too');
  });

  it('of several senders each gets its own answer', () => {
    const [a, b] = both(family);
    const server = bound(family, SOCK_DGRAM);
    const turns = [a, b, b, a, a];
    const froms = turns.map((client) => {
      client.sendto(Buffer.from('question'), server.getsockname());
      until(server, POLLIN);
      const [, from] = server.recvfrom(100);
      server.sendto(Buffer.from('answer'), from ?? '');
      until(client, POLLIN);
      expect(client.recv(100).toString()).toBe('answer');
      return from;
    });
    expect(froms).toEqual(turns.map((client) => client.getsockname()));
    server.sendto(Buffer.from('later'), froms[1] ?? ''); // not the last one's
    until(b, POLLIN);
    expect(b.recv(100).toString()).toBe('later');
  });

  it("an address is the receiver's to change", () => {
    const [a, b] = both(family);
    const addresses = [1, 2].map(() => {
      a.sendto(Buffer.from('x'), b.getsockname());
      until(b, POLLIN);
      const [, from] = b.recvfrom(100);
      const copy = structuredClone(from);
      if (Array.isArray(from)) from[1] = 1;
      return copy;
    });
    expect(addresses).toEqual([a.getsockname(), a.getsockname()]);
  });

  it('connect makes send do without an address', () => {
    const [a, b] = both(family);
    expect(a.connect_ex(b.getsockname())).toBe(0);
    expect(a.getpeername()).toEqual(b.getsockname());
    a.send(Buffer.from('hello'));
    until(b, POLLIN);
    expect(b.recv(100).toString()).toBe('hello');
  });

  it('send without an address throws', () => {
    const [a] = both(family);
    const { code } = failure(() => a.send(Buffer.from('x')));
    expect(['EDESTADDRREQ', 'ENOTCONN']).toContain(code);
  });

  it('keeps the borders between datagrams, empty ones too', () => {
    const [a, b] = both(family);
    for (const text of ['one', '', 'three']) a.sendto(Buffer.from(text), b.getsockname());
    const received = [1, 2, 3].map(() => {
      until(b, POLLIN);
      const [data, from] = b.recvfrom(100);
      return [data.toString(), from];
    });
    const from = a.getsockname();
    expect(received).toEqual([
      ['one', from],
      ['', from],
      ['three', from],
    ]);
    expect(thrown(() => b.recvfrom(100))).toBeInstanceOf(BlockingIOError);
  });

  it('drops what a datagram has more than asked for', () => {
    const [a, b] = both(family);
    a.sendto(Buffer.from('abcdef'), b.getsockname());
    a.sendto(Buffer.from('next'), b.getsockname());
    until(b, POLLIN);
    expect(b.recv(3).toString()).toBe('abc');
    until(b, POLLIN);
    expect(b.recv(100).toString()).toBe('next');
  });

  it('MSG_PEEK leaves the datagram where it is', () => {
    const [a, b] = both(family);
    a.sendto(Buffer.from('abc'), b.getsockname());
    until(b, POLLIN);
    expect(b.recvfrom(100, MSG_PEEK)).toEqual(b.recvfrom(100, MSG_PEEK));
    expect(b.recv(100).toString()).toBe('abc');
  });

  it.skipIf(!onLinux)(linuxOnly('MSG_TRUNC tells the length of a datagram that was cut'), () => {
    const [a, b] = both(family);
    a.sendto(Buffer.from('abcdef'), b.getsockname());
    until(b, POLLIN);
    const memory = Buffer.alloc(2);
    expect(b.recv_into(memory, 0, MSG_PEEK | MSG_TRUNC)).toBe(6);
    expect(memory.toString()).toBe('ab');
    expect(b.recv(4, MSG_TRUNC).toString()).toBe('abcd');
  });

  it('a datagram that is too large throws EMSGSIZE', () => {
    const [a, b] = both(family);
    a.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536);
    const large = Buffer.alloc(1 << 20);
    const error = failure(() => a.sendto(large, b.getsockname()));
    expect(error).toMatchObject({ code: 'EMSGSIZE', syscall: 'sendto' });
  });
});

it('send, sendto and recv pass their flags on', () => {
  const [a, b] = both(inet);
  const to = b.getsockname();
  expect(failure(() => a.sendto(Buffer.from('x'), MSG_OOB, to)).code).toBe('EOPNOTSUPP');
  a.connect(to);
  expect(failure(() => a.send(Buffer.from('x'), MSG_OOB)).code).toBe('EOPNOTSUPP');
  a.send(Buffer.from('x'));
  until(b, POLLIN);
  const memory = new Uint8Array(1);
  for (const flags of [MSG_PEEK, MSG_PEEK, 0]) expect(b.recv_into(memory, 1, flags)).toBe(1);
});

it('a datagram to a port where nobody listens makes the next call throw ECONNREFUSED', () => {
  const [a, b] = both(inet);
  a.connect(b.getsockname());
  b.close();
  a.send(Buffer.from('x'));
  until(a, POLLIN);
  expect(failure(() => a.recv(10))).toMatchObject({ code: 'ECONNREFUSED', syscall: 'recv' });
});

it('a Unix datagram without a sender has no address', () => {
  const receiver = own(new Socket(AF_UNIX, SOCK_DGRAM));
  receiver.bind(freePath());
  own(new Socket(AF_UNIX, SOCK_DGRAM)).sendto(Buffer.from('x'), receiver.getsockname());
  expect(receiver.recvfrom(10)).toEqual([Buffer.from('x'), null]);
});

it('sendto to a path where nobody listens throws ENOENT with the path', () => {
  const path = freePath();
  const socket = own(new Socket(AF_UNIX, SOCK_DGRAM));
  const error = failure(() => socket.sendto(Buffer.from('x'), path));
  expect(error).toMatchObject({ code: 'ENOENT', address: path, message: `sendto ENOENT ${path}` });
});

describe.skipIf(!onLinux)(linuxOnly('seqpacket'), () => {
  const unix: Family = { title: '', family: AF_UNIX, free: freePath, works: true };

  it('is connected and keeps the borders', () => {
    const [client, server] = connection(unix, SOCK_SEQPACKET);
    expect(server.type).toBe(SOCK_SEQPACKET);
    client.send(Buffer.from('one'));
    client.send(Buffer.from('three'));
    expect(server.recv(2).toString()).toBe('on');
    expect(server.recv(100).toString()).toBe('three');
    client.close();
    expect(server.recv(100)).toHaveLength(0);
  });

  it('comes as a socketpair too', () => {
    const [a, b] = pair(SOCK_SEQPACKET);
    a.send(Buffer.from('one'));
    a.send(Buffer.from('two'));
    expect([b.recv(10).toString(), b.recv(10).toString()]).toEqual(['one', 'two']);
  });
});

it('socketpair(AF_UNIX, SOCK_DGRAM) is a pair of datagram sockets', () => {
  const [a, b] = pair(SOCK_DGRAM);
  expect(a).toMatchObject({ family: AF_UNIX, type: SOCK_DGRAM, proto: 0 });
  b.send(Buffer.alloc(0));
  b.send(Buffer.from('x'));
  expect([a.recv(10).length, a.recv(10).length]).toEqual([0, 1]);
});
