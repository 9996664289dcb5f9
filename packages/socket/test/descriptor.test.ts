import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  AF_INET,
  AF_UNIX,
  BlockingIOError,
  before_release,
  close,
  Descriptor,
  dup,
  epoll,
  get_blocking,
  IPPROTO_TCP,
  is_socket,
  new_wakeup,
  pipe,
  read,
  SOCK_DGRAM,
  SOCK_STREAM,
  Socket,
  set_blocking,
  socketpair,
  unread,
  write,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  connection,
  descriptors,
  failure,
  flagsOf,
  inet,
  linkOf,
  linuxOnly,
  onLinux,
  own,
  ownFd,
  pair,
  thrown,
} from './support.js';

const ends = () => pipe().map(ownFd);

it('bytes written to a pipe are read from its other end', () => {
  const [reading, writing] = ends();
  expect(write(writing, Buffer.from('hello'))).toBe(5);
  expect(write(writing, new Uint16Array([0x2121]))).toBe(2);
  expect(unread(reading)).toBe(7);
  expect(read(reading, 3).toString()).toBe('hel');
  expect(read(reading, 100).toString()).toBe('lo!!');
  expect(unread(reading)).toBe(0);
});

it('before_release tells of what is about to be closed or given away, while it is open', () => {
  const [ours, theirs] = pair();
  const [reading, writing] = ends();
  const told: number[] = [];
  const stop = before_release((fd) => {
    get_blocking(fd); // throws for what is closed
    told.push(fd);
  });
  const numbers = [ours.fileno(), theirs.fileno(), reading, writing];
  ours.close();
  ownFd(theirs.detach());
  close(reading);
  stop();
  close(writing);
  expect(told).toEqual(numbers.slice(0, 3));
});

it('is_socket tells sockets from what else is open, and from what is not', () => {
  const [ours] = pair();
  const fd = ours.fileno();
  expect([is_socket(fd), is_socket(ends()[0])]).toEqual([true, false]);
  ours.close();
  expect(is_socket(fd)).toBe(false);
});

it('read gives an empty buffer at the end of the file', () => {
  const [reading, writing] = ends();
  close(writing);
  expect(read(reading, 10)).toHaveLength(0);
});

it('a pipe waits, unless set_blocking(fd, false)', () => {
  const [reading] = ends();
  expect(get_blocking(reading)).toBe(true);
  set_blocking(reading, false);
  expect(get_blocking(reading)).toBe(false);
  const error = failure(() => read(reading, 1));
  expect(error).toBeInstanceOf(BlockingIOError);
  expect(error.message).toBe('read EAGAIN');
});

it('write takes what there is room for, then throws BlockingIOError', () => {
  const [, writing] = ends();
  set_blocking(writing, false);
  const taken = write(writing, Buffer.alloc(1 << 22));
  expect(taken).toBeLessThan(1 << 22);
  expect(thrown(() => write(writing, Buffer.alloc(1 << 22)))).toBeInstanceOf(BlockingIOError);
});

it('write to a pipe that nobody reads throws EPIPE, not a signal', () => {
  const [reading, writing] = ends();
  close(reading);
  expect(failure(() => write(writing, Buffer.from('x')))).toMatchObject({
    code: 'EPIPE',
    syscall: 'write',
  });
});

it('dup gives another number for the same open file, whose blocking mode it shares', () => {
  const [reading, writing] = ends();
  const copy = ownFd(dup(writing));
  expect(copy).not.toBe(writing);
  set_blocking(copy, false);
  expect(get_blocking(writing)).toBe(false);
  close(writing);
  write(copy, Buffer.from('still open'));
  expect(read(reading, 100).toString()).toBe('still open');
});

it('unread of a file that is too large to say so is the most there is to say', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  const path = join(folder, 'large');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  try {
    truncateSync(path, 3 * 2 ** 30);
    expect(unread(fd)).toBe(2 ** 31 - 1);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

it.each([
  ['dup', dup],
  ['read', (fd: number) => read(fd, 1)],
  ['write', (fd: number) => write(fd, Buffer.from('x'))],
  ['close', close],
  ['fcntl', get_blocking],
  ['fcntl', (fd: number) => set_blocking(fd, true)],
  ['ioctl', unread],
] as [string, (fd: number) => unknown][])(
  '%s of a closed descriptor throws EBADF',
  (syscall, call) => {
    const [reading] = ends();
    close(reading);
    for (const fd of [reading, -1, 2 ** 31 - 1]) {
      expect(failure(() => call(fd))).toMatchObject({ code: 'EBADF', errno: -9, syscall });
    }
  },
);

describe.skipIf(!onLinux)(linuxOnly('from birth'), () => {
  const born: [string, nonblocking: boolean, () => number[]][] = [
    ['new Socket', true, () => [own(new Socket(AF_INET, SOCK_DGRAM)).fileno()]],
    ['socketpair', true, () => pair().map((socket) => socket.fileno())],
    ['accept', true, () => [connection(inet)[1].fileno()]],
    ['dup', false, () => [ownFd(dup(ends()[0]))]],
    ['pipe', false, ends],
    ['epoll', false, () => [own(new epoll()).fileno()]],
    ['recv_fds', false, () => passed((socket) => socket.recv_fds(1, 1)[1][0])],
    ['recvmsg', false, () => passed((socket) => socket.recvmsg(1, 64)[1][0][2].readInt32LE())],
  ];

  it.each(born)('%s: close-on-exec, non-blocking %j', (_, nonblocking, make) => {
    for (const fd of make()) expect(flagsOf(fd)).toEqual({ cloexec: true, nonblocking });
  });

  it('a wakeup has no descriptor that a child would inherit', () => {
    const queue = own(new epoll());
    const before = descriptors();
    own(
      new_wakeup(
        queue.fileno(),
        () => {},
        () => {},
      ),
    );
    const made = descriptors().filter((fd) => !before.includes(fd));
    for (const fd of made) expect(flagsOf(fd).cloexec).toBe(true);
  });

  function passed(receive: (socket: Socket) => number): number[] {
    const [a, b] = pair();
    a.send_fds([Buffer.from('x')], [ends()[0]]);
    return [ownFd(receive(b))];
  }
});

describe('a Socket', () => {
  it('has the number of its descriptor until it is closed', () => {
    const [a, b] = pair();
    const fd = a.fileno();
    expect(fd).toBeGreaterThan(2);
    a.close();
    expect(a.fileno()).toBe(-1);
    expect(failure(() => close(fd)).code).toBe('EBADF');
    expect(b.recv(1)).toHaveLength(0);
  });

  it('closed a second time does nothing', () => {
    const [a] = pair();
    a.close();
    const [another] = pair();
    a.close();
    expect(another.getblocking()).toBe(false);
  });

  it('closes at the end of a using block', () => {
    const [a, b] = pair();
    a[Symbol.dispose]();
    expect(a.fileno()).toBe(-1);
    expect(b.recv(1)).toHaveLength(0);
    a[Symbol.dispose]();
  });

  it('gives its descriptor away with detach, open', () => {
    const [a, b] = pair();
    const fd = ownFd(a.detach());
    expect([a.fileno(), a.detach()]).toEqual([-1, -1]);
    a.close();
    write(fd, Buffer.from('still open'));
    expect(b.recv(100).toString()).toBe('still open');
  });

  it('close throws EBADF when the descriptor is gone behind its back', () => {
    const [a] = pair();
    close(a.fileno());
    expect(failure(() => a.close())).toMatchObject({ code: 'EBADF', syscall: 'close' });
    a.close();
  });

  it('from_fd finds out what it is, and makes it non-blocking', () => {
    const [client, , listener] = connection(inet);
    const [a] = pair(SOCK_DGRAM);
    a.setblocking(true);
    const tcp = own(Socket.from_fd(dup(client.fileno())));
    const unix = own(Socket.from_fd(a.detach()));
    expect(unix.getblocking()).toBe(false);
    expect(tcp.getpeername()).toEqual(listener.getsockname());
    if (onLinux) {
      expect(tcp).toMatchObject({ family: AF_INET, type: SOCK_STREAM, proto: IPPROTO_TCP });
    }
    expect(unix).toMatchObject({ family: AF_UNIX, type: SOCK_DGRAM, proto: 0 });
  });

  it('from_fd refuses what is no socket', () => {
    const file = ownFd(openSync('/dev/null', 'r'));
    for (const fd of [file, ends()[0]]) {
      expect(failure(() => Socket.from_fd(fd)).code).toBe('ENOTSOCK');
      expect(get_blocking(fd)).toBe(true);
    }
    expect(failure(() => Socket.from_fd(-1)).code).toBe('EBADF');
  });

  it('shows its descriptor to inspect', () => {
    const [a] = pair();
    expect(inspect(a)).toBe(`<Socket fd=${a.fileno()}>`);
    a.close();
    expect(inspect(a)).toBe('<Socket closed>');
  });
});

it.each([-1, 1.5, NaN, 2 ** 31, '5', null, undefined, 5n, {}])(
  'a Descriptor of %s is refused',
  (fd) => {
    const error = thrown(() => new Descriptor(fd as never));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/^Descriptor: fd must be /);
  },
);

it.skipIf(!onLinux)(linuxOnly('a failed call leaves no descriptor behind'), () => {
  const before = descriptors();
  expect(failure(() => new Socket(1234)).code).toBe('EAFNOSUPPORT');
  expect(failure(() => socketpair(AF_INET)).code).toBe('EOPNOTSUPP');
  expect(
    thrown(() =>
      new_wakeup(
        -1,
        () => {},
        () => {},
      ),
    ),
  ).toMatchObject({ code: 'EBADF' });
  const file = openSync('/dev/null', 'r');
  expect(
    thrown(() =>
      new_wakeup(
        file,
        () => {},
        () => {},
      ),
    ),
  ).toMatchObject({ code: 'EPERM' });
  closeSync(file);
  expect(descriptors()).toEqual(before);
  expect(linkOf(before[0])).not.toBeNull();
});
