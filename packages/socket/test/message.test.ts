import { openSync } from 'node:fs';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  BlockingIOError,
  CMSG_SPACE,
  close,
  errno,
  IP_PKTINFO,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MSG_CTRUNC,
  MSG_EOR,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  POLLERR,
  POLLIN,
  POLLOUT,
  pipe,
  poll,
  read,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_ERROR,
  SO_PASSCRED,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
  unread,
  write,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { holdBelow } from '@asyncore/test-support/hold_below';
import { describe, expect, it } from 'vitest';
import {
  bound,
  connection,
  descriptors,
  failure,
  flagsOf,
  freePath,
  inet,
  known,
  linkOf,
  linuxOnly,
  onEveryFamily,
  onLinux,
  own,
  ownFd,
  pair,
  recvAll,
  thrown,
  until,
} from './support.js';

const texts = (...list: string[]) => list.map((text) => Buffer.from(text));

onEveryFamily((family) => {
  it('sendmsg gathers buffers', () => {
    const [client, server] = connection(family);
    expect(client.sendmsg(texts('one', '', 'two', 'three'))).toBe(11);
    expect(recvAll(server, 11).toString()).toBe('onetwothree');
  });

  it('sendmsg sends one datagram to an address and recvmsg says where it comes from', () => {
    const [a, b] = [bound(family, SOCK_DGRAM), bound(family, SOCK_DGRAM)];
    expect(a.sendmsg(texts('one', 'two'), [], 0, b.getsockname())).toBe(6);
    until(b, POLLIN);
    const [data, ancdata, flags, from] = b.recvmsg(100);
    expect([data.toString(), ancdata, flags & MSG_TRUNC, from]).toEqual([
      'onetwo',
      [],
      0,
      a.getsockname(),
    ]);
  });

  it('recvmsg tells of a datagram that was cut', () => {
    const [a, b] = [bound(family, SOCK_DGRAM), bound(family, SOCK_DGRAM)];
    a.sendto(Buffer.from('abcdef'), b.getsockname());
    until(b, POLLIN);
    const [peeked] = b.recvmsg(2, 0, MSG_PEEK);
    expect(peeked.toString()).toBe('ab');
    const [data, , flags] = b.recvmsg(4);
    expect(data.toString()).toBe('abcd');
    expect(flags & MSG_TRUNC).toBe(MSG_TRUNC);
  });
});

describe('sendmsg', () => {
  it('takes 1024 buffers of any kind from any iterable, and no more', () => {
    const [a, b] = pair();
    const buffers = Array.from({ length: 1024 }, (_, i) => new Uint16Array([i]));
    expect(a.sendmsg(new Set(buffers))).toBe(2048);
    const received = b.recv(4096);
    expect(new Uint16Array(received.buffer, received.byteOffset, 1024)[1023]).toBe(1023);
    expect(thrown(() => a.sendmsg([...buffers, new Uint8Array(1)]))).toBeInstanceOf(RangeError);
  });

  it('of no buffers sends an empty datagram', () => {
    const [a, b] = pair(SOCK_DGRAM);
    expect(a.sendmsg([])).toBe(0);
    expect(b.recv(10)).toHaveLength(0);
  });

  it('passes its flags on', () => {
    const [a, b] = pair(SOCK_DGRAM);
    a.sendmsg(texts('x'), [], MSG_EOR);
    expect(b.recv(10).toString()).toBe('x');
    expect(failure(() => a.sendmsg(texts('x'), [], 1)).code).toBe('EOPNOTSUPP'); // MSG_OOB
  });

  it('iterates before it asks for the descriptor, which may be closed and reused by then', () => {
    const [a] = pair();
    const fd = a.fileno();
    const others: Socket[] = [];
    const held: Socket[] = [];
    function* closing() {
      yield Buffer.from('x');
      held.push(...holdBelow(fd));
      a.close();
      others.push(...pair());
    }
    expect(failure(() => a.sendmsg(closing())).code).toBe('EBADF');
    for (const each of held) each.close();
    expect(others[0].fileno()).toBe(fd);
    expect(thrown(() => others[1].recv(10))).toBeInstanceOf(BlockingIOError);
  });

  it.each([
    [[[SOL_SOCKET, SCM_RIGHTS]]],
    [[[SOL_SOCKET, SCM_RIGHTS, 'text']]],
    [[[SOL_SOCKET, SCM_RIGHTS, null]]],
    [[null]],
    [['abc']],
    [null],
    [7],
  ])('refuses %j as control messages', (ancdata) => {
    const [a] = pair();
    const error = thrown(() => a.sendmsg([], ancdata as never));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/^sendmsg: ancdata must be /);
  });
});

describe('control messages', () => {
  it('CMSG_SPACE says how much room one takes', () => {
    expect(CMSG_SPACE(4)).toBeGreaterThanOrEqual(16);
    expect(CMSG_SPACE(5)).toBe(CMSG_SPACE(8));
    expect(CMSG_SPACE(9)).toBeGreaterThan(CMSG_SPACE(8));
  });

  it.skipIf(!onLinux)(linuxOnly('several go in one call'), () => {
    const [a, b] = pair();
    b.setsockopt(SOL_SOCKET, known(SO_PASSCRED), 1);
    const ids = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const credentials = new Int32Array([process.pid, ...ids]);
    a.sendmsg(texts('x'), [
      [SOL_SOCKET, SCM_RIGHTS, new Int32Array([a.fileno()])],
      [SOL_SOCKET, known(SCM_CREDENTIALS), credentials],
    ]);
    const [, ancdata, flags] = b.recvmsg(10, CMSG_SPACE(4) + CMSG_SPACE(12));
    expect(flags & MSG_CTRUNC).toBe(0);
    const byType = new Map(ancdata.map(([, type, data]) => [type, data]));
    expect(byType.get(known(SCM_CREDENTIALS))?.readInt32LE()).toBe(process.pid);
    const fd = ownFd(byType.get(SCM_RIGHTS)?.readInt32LE() ?? -1);
    expect(linkOf(fd)).toBe(linkOf(a.fileno()));
    expect(flagsOf(fd).cloexec).toBe(true);
  });

  it.skipIf(!onLinux)(linuxOnly('come with datagrams of IP'), () => {
    const [a, b] = [bound(inet, SOCK_DGRAM), bound(inet, SOCK_DGRAM)];
    b.setsockopt(IPPROTO_IP, known(IP_PKTINFO), true);
    a.sendto(Buffer.from('x'), b.getsockname());
    until(b, POLLIN);
    const [, [[level, type, data]]] = b.recvmsg(10, 100);
    expect([level, type, data.length]).toEqual([IPPROTO_IP, IP_PKTINFO, 12]);
    expect([...data.subarray(8)]).toEqual([127, 0, 0, 1]);
  });

  it('that find no room are told by MSG_CTRUNC', () => {
    const [a, b] = pair();
    a.send_fds(texts('x'), [a.fileno()]);
    const [data, ancdata, flags] = b.recvmsg(10);
    expect([data.toString(), ancdata, flags & MSG_CTRUNC]).toEqual(['x', [], MSG_CTRUNC]);
  });
});

describe('descriptors', () => {
  it('go over a Unix socket and work on the other side', () => {
    const [a, b] = pair();
    const [reading, writing] = pipe().map(ownFd);
    expect(a.send_fds(texts('take', ' this'), [reading, writing])).toBe(9);
    const [data, fds, flags, from] = b.recv_fds(100, 2);
    fds.forEach(ownFd);
    expect([data.toString(), fds.length, flags & MSG_CTRUNC, from]).toEqual([
      'take this',
      2,
      0,
      null,
    ]);
    close(writing);
    write(fds[1], Buffer.from('through'));
    expect(read(reading, 100).toString()).toBe('through');
  });

  it.skipIf(!onLinux)(linuxOnly('arrive close-on-exec'), () => {
    const [a, b] = pair();
    a.send_fds(texts('x'), [openSync('/dev/null', 'r')].map(ownFd));
    const [, fds] = b.recv_fds(100, 1);
    expect(flagsOf(ownFd(fds[0])).cloexec).toBe(true);
  });

  it.skipIf(!onLinux).each([0, 1, 2, 3])(linuxOnly('beyond maxfds %i are closed'), (maxfds) => {
    const [a, b] = pair();
    const before = descriptors();
    const fd = a.fileno();
    a.send_fds(texts('x'), [fd, fd, fd, fd]);
    const [, fds, flags] = b.recv_fds(100, maxfds);
    fds.forEach(ownFd);
    expect(fds).toHaveLength(maxfds);
    expect(flags & MSG_CTRUNC).toBe(MSG_CTRUNC);
    expect(descriptors()).toEqual([...before, ...fds].sort((a, b) => a - b));
  });

  it.skipIf(!onLinux)(linuxOnly('that fit exactly are all there'), () => {
    const [a, b] = pair();
    a.send_fds(texts('x'), Array(253).fill(a.fileno()));
    const [, fds, flags] = b.recv_fds(100, 253);
    fds.forEach(ownFd);
    expect([fds.length, new Set(fds).size, flags & MSG_CTRUNC]).toEqual([253, 253, 0]);
  });

  it('recv_fds is an ordinary receive when none came', () => {
    const [a, b] = pair();
    a.send(Buffer.from('plain'));
    expect(b.recv_fds(100, 10).slice(0, 2)).toEqual([Buffer.from('plain'), []]);
    expect(failure(() => b.recv_fds(100, 10))).toMatchObject({ code: 'EAGAIN' });
  });

  it('go to an address with a datagram', () => {
    const [a, b] = socketpair(AF_UNIX, SOCK_DGRAM).map(own);
    const receiver = own(new Socket(AF_UNIX, SOCK_DGRAM));
    receiver.bind(freePath());
    const sender = own(new Socket(AF_UNIX, SOCK_DGRAM));
    sender.send_fds(texts('x'), [a.fileno()], 0, receiver.getsockname());
    const [, [fd]] = receiver.recv_fds(10, 1);
    own(Socket.from_fd(fd)).send(Buffer.from('hello'));
    expect(b.recv(10).toString()).toBe('hello');
  });

  it('that are closed throw EBADF', () => {
    const [a] = pair();
    const [b] = pair();
    const fd = b.fileno();
    b.close();
    expect(failure(() => a.send_fds(texts('x'), [fd]))).toMatchObject({
      code: 'EBADF',
      syscall: 'sendmsg',
    });
  });

  it.each([[[2 ** 32]], [[-1]], [[1.5]], [['1']], [[null]], [7], [null], ['12']])(
    'cannot be %j',
    (fds) => {
      const [a] = pair();
      const error = thrown(() => a.send_fds(texts('x'), fds as never));
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/^send_fds: fds must be /);
    },
  );
});

describe('getpeercred', () => {
  it('says who is at the other end', () => {
    const [a] = pair();
    const { pid, uid, gid } = a.getpeercred();
    expect([uid, gid]).toEqual([process.getuid?.(), process.getgid?.()]);
    expect([process.pid, 0]).toContain(pid);
  });

  it.skipIf(!onLinux)(linuxOnly('has no negative ids'), () => {
    // Nobody is at the other end.
    const { pid, uid, gid } = own(new Socket(AF_UNIX)).getpeercred();
    expect([pid, uid, gid]).toEqual([0, 0xffffffff, 0xffffffff]);
  });
});

describe.each([
  ['inet', AF_INET, IPPROTO_IP, IP_RECVERR],
  ['inet6', AF_INET6, IPPROTO_IPV6, IPV6_RECVERR],
])('%s: the queue of errors', (name, family, level, option) => {
  const works = onLinux && (family === AF_INET || hasInet6());
  const why = works ? '' : ` (runs on Linux, for inet6 where ::1 is up)`;
  const host = name === 'inet' ? '127.0.0.1' : '::1';
  const here = (): Address => [host, 0];

  /** A socket that has sent `texts` to as many ports at which nobody is. */
  function refused(...texts: string[]): [Socket, Address[]] {
    const socket = own(new Socket(family, SOCK_DGRAM));
    socket.bind(here());
    socket.setsockopt(level, known(option), 1);
    const gone = texts.map((text) => {
      const one = new Socket(family, SOCK_DGRAM);
      one.bind(here());
      const address = one.getsockname();
      one.close();
      socket.sendmsg([Buffer.from(text)], [], 0, address);
      return address;
    });
    return [socket, gone];
  }

  it.skipIf(!works)(`gives one datagram after the other, and where it went${why}`, () => {
    const [socket, gone] = refused('one');
    for (const text of ['one', 'two']) {
      expect(told(socket) & POLLERR).toBe(POLLERR);
      const [data, ancdata, flags, address] = socket.recvmsg(2000, 512, MSG_ERRQUEUE);
      expect(data.toString()).toBe(text);
      expect(flags & known(MSG_ERRQUEUE)).toBe(MSG_ERRQUEUE);
      expect(address).toEqual(gone[0]);
      const [[fromLevel, type, error]] = ancdata;
      expect([fromLevel, type]).toEqual([level, option]);
      expect(new Uint32Array(new Uint8Array(error).buffer)[0]).toBe(errno.ECONNREFUSED);
      expect(socket.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
      if (text === 'one') socket.sendto(Buffer.from('two'), gone[0]);
    }
    expect(failure(() => socket.recvmsg(1, 512, MSG_ERRQUEUE))).toBeInstanceOf(BlockingIOError);
  });

  it.skipIf(!works)(`and its SO_ERROR are left to the program${why}`, () => {
    const [socket] = refused('one');
    expect(told(socket)).toBe(POLLERR | POLLOUT);
    socket.getsockname();
    socket.getblocking();
    unread(socket.fileno());
    expect(told(socket)).toBe(POLLERR | POLLOUT);
    expect(socket.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(errno.ECONNREFUSED);
    expect(socket.recvmsg(100, 512, MSG_ERRQUEUE)[0].toString()).toBe('one');
    expect(told(socket)).toBe(POLLOUT);
  });
});

function told(socket: Socket): number {
  const poller = new poll();
  poller.register(socket.fileno(), POLLIN | POLLOUT);
  return poller.poll(0)[0][1];
}
