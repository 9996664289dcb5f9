import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import {
  BlockingIOError,
  close,
  dup,
  epoll,
  errno,
  FD_SETSIZE,
  kqueue,
  MSG_OOB,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  type Poller,
  pipe,
  poll,
  read,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  Socket,
  select,
  set_blocking,
  state_of,
  write,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { binding } from '../dist/binding.js';
import {
  bound,
  connection,
  failure,
  inet,
  known,
  linuxOnly,
  onLinux,
  own,
  ownFd,
  pair,
  pollers,
  run,
  start,
  thrown,
  until,
} from './support.js';

/** What `poller` tells of each descriptor; kqueue tells of reading and writing one by one. */
function told(poller: Poller, timeout: number | null = 0): Map<number, number> {
  const all = new Map<number, number>();
  for (const [fd, events] of poller.poll(timeout)) all.set(fd, (all.get(fd) ?? 0) | events);
  return all;
}

const nothing = new Map();
const real = { ...binding };
const x = Buffer.from('x');
const ends = () => pipe().map(ownFd);

/** Lets one of the next calls that wait fail with `error`: the first, the second and so on. */
function failingCall(which: number, error: number): void {
  let calls = 0;
  for (const name of ['select', 'poll', 'epoll_wait', 'kqueue_wait'] as const) {
    const call = real[name] as (...args: unknown[]) => number;
    const failing = (...args: unknown[]) => (++calls === which ? -error : call(...args));
    Object.assign(binding, { [name]: failing });
  }
  own({ close: () => Object.assign(binding, real) });
}

/** Closes with a reset instead of an orderly end. */
function reset(socket: Socket): void {
  socket.setsockopt(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
  socket.close();
}

/** Sends until there is no room left. */
function fill(socket: Socket): void {
  const data = Buffer.alloc(1 << 16);
  const send = () => {
    for (;;) socket.send(data);
  };
  expect(thrown(send)).toBeInstanceOf(BlockingIOError);
}

describe.each(pollers)('%s', (name, make) => {
  function watching(socket: Socket | number, events: number): [Poller, number] {
    const poller = make();
    const fd = typeof socket === 'number' ? socket : socket.fileno();
    poller.register(fd, events);
    return [poller, fd];
  }

  it('tells nothing when nothing is registered', () => {
    expect(make().poll(0)).toEqual([]);
    expect(make().poll(0.001)).toEqual([]);
  });

  it('tells room for output', () => {
    const [poller, fd] = watching(pair()[0], POLLOUT);
    expect(poller.poll(null)).toEqual([[fd, POLLOUT]]);
  });

  it('tells unread data', () => {
    const [a, b] = pair();
    const [poller, fd] = watching(a, POLLIN);
    expect(told(poller)).toEqual(nothing);
    b.send(x);
    expect(poller.poll(Infinity)).toEqual([[fd, POLLIN]]);
    expect(poller.poll()).toEqual([[fd, POLLIN]]);
    a.recv(1);
    expect(told(poller)).toEqual(nothing);
  });

  it('tells both at once, and only what was asked for', () => {
    const [a, b] = pair();
    b.send(x);
    const [poller, fd] = watching(a, POLLIN | POLLOUT);
    expect(told(poller)).toEqual(new Map([[fd, POLLIN | POLLOUT]]));
    poller.modify(fd, POLLIN);
    expect(told(poller)).toEqual(new Map([[fd, POLLIN]]));
    poller.modify(fd, POLLOUT);
    expect(told(poller)).toEqual(new Map([[fd, POLLOUT]]));
    poller.modify(fd, 0);
    expect(told(poller)).toEqual(nothing);
  });

  it('tells a connection that waits to be accepted', () => {
    const listener = bound(inet);
    listener.listen();
    const [poller, fd] = watching(listener, POLLIN);
    own(new Socket()).connect_ex(listener.getsockname());
    expect(told(poller, 5)).toEqual(new Map([[fd, POLLIN]]));
  });

  it('waits as many seconds as it is told', () => {
    const [poller] = watching(pair()[0], POLLIN);
    for (const seconds of [0.05, 0.0015]) {
      const start = performance.now();
      expect(poller.poll(seconds)).toEqual([]);
      expect(performance.now() - start).toBeGreaterThanOrEqual(seconds * 1000);
    }
  });

  it('wakes when something happens while it waits', () => {
    const [reading, writing] = ends();
    const [poller] = watching(reading, POLLIN);
    spawn('echo', ['hello'], { stdio: ['ignore', writing, 'ignore'] });
    expect(told(poller, 20).get(reading)).toBe(POLLIN);
    expect(read(reading, 10).toString()).toBe('hello\n');
  });

  it('wakes when urgent data comes while it waits', () => {
    const [client, server] = connection(inet);
    const [poller, fd] = watching(client, POLLPRI);
    start(
      `import { MSG_OOB, Socket } from '@asyncore/socket';
      Socket.from_fd(3).send(Buffer.from('!'), MSG_OOB);`,
      server.fileno(),
    );
    expect(told(poller, 20).get(fd)).toBe(POLLPRI);
  });

  it('tells a hang-up together with what is still unread', () => {
    const [a, b] = pair();
    const [poller, fd] = watching(a, POLLIN);
    b.send(x);
    b.close();
    const events = told(poller).get(fd) ?? 0;
    expect(events & POLLIN).toBe(POLLIN);
    if (onLinux) expect(events).toBe(POLLIN | POLLHUP);
    expect(a.recv(10)).toHaveLength(1);
    expect(told(poller).get(fd)).toBe(events);
    expect(a.recv(10)).toHaveLength(0);
    expect(told(poller).get(fd)).toBe(events);
  });

  it('tells the end of the data as readable, until closed', () => {
    const [client, server] = connection(inet);
    const [poller, fd] = watching(client, POLLIN);
    server.shutdown(SHUT_WR);
    for (let i = 0; i < 3; i++) {
      expect((told(poller, 5).get(fd) ?? 0) & (POLLIN | POLLHUP)).toBe(POLLIN);
      expect(client.recv(10)).toHaveLength(0);
    }
  });

  it.skipIf(!onLinux)(linuxOnly('tells the end of the data as POLLRDHUP when asked'), () => {
    const [client, server] = connection(inet);
    const [poller, fd] = watching(client, known(POLLRDHUP));
    server.send(x);
    until(client, POLLIN);
    expect(told(poller)).toEqual(nothing);
    server.shutdown(SHUT_WR);
    until(client, known(POLLRDHUP));
    expect(told(poller)).toEqual(new Map([[fd, POLLRDHUP]]));
  });

  it('tells a reset as an error and a hang-up', () => {
    const [client, server] = connection(inet);
    const [poller, fd] = watching(client, POLLIN);
    reset(server);
    expect((told(poller, 5).get(fd) ?? 0) & (POLLERR | POLLHUP)).toBe(POLLERR | POLLHUP);
    expect(failure(() => client.recv(10)).code).toBe('ECONNRESET');
  });

  it('tells a refused connection as an error', () => {
    const unused = bound(inet);
    const client = own(new Socket());
    client.connect_ex(unused.getsockname());
    const [poller, fd] = watching(client, POLLOUT);
    expect((told(poller, 5).get(fd) ?? 0) & POLLERR).toBe(POLLERR);
  });

  it('tells urgent data', () => {
    const [client, server] = connection(inet);
    const [poller, fd] = watching(client, POLLPRI);
    server.send(x, MSG_OOB);
    expect(told(poller, 5)).toEqual(new Map([[fd, POLLPRI]]));
    client.recv(1, MSG_OOB);
    expect(told(poller)).toEqual(nothing);
    server.send(x);
    until(client, POLLIN);
    expect(told(poller)).toEqual(nothing);
    poller.modify(fd, POLLIN | POLLPRI);
    expect(told(poller)).toEqual(new Map([[fd, POLLIN]]));
  });

  it.skipIf(!onLinux).each([
    ['nothing', 0],
    ['urgent data', POLLPRI],
    ['room that is lacking', POLLOUT],
  ])(linuxOnly('watched for %s it tells a hang-up, but no data'), (_, events) => {
    const [a, b] = pair();
    const [poller, fd] = watching(a, events);
    fill(a);
    b.send(x);
    expect(told(poller)).toEqual(nothing);
    b.close();
    const start = performance.now();
    expect((told(poller, 5).get(fd) ?? 0) & ~POLLOUT & ~POLLERR).toBe(POLLHUP);
    expect(performance.now() - start).toBeLessThan(2500); // it does not wait for what has come
    expect(a.recv(10)).toHaveLength(1);
  });

  it.skipIf(!onLinux)(linuxOnly('tells a hang-up along with what else is ready'), () => {
    const [a, b] = pair();
    const [c] = pair();
    const [poller, fd] = watching(a, 0);
    poller.register(c.fileno(), POLLOUT);
    b.close();
    const expected = new Map([
      [fd, POLLHUP],
      [c.fileno(), POLLOUT],
    ]);
    expect(told(poller)).toEqual(expected);
    expect(told(poller, 5)).toEqual(expected);
  });

  it.skipIf(!onLinux)(linuxOnly('tells a pipe without a writer as hung up'), () => {
    const [reading, writing] = ends();
    const [poller] = watching(reading, POLLIN);
    write(writing, x);
    close(writing);
    expect(told(poller)).toEqual(new Map([[reading, POLLIN | POLLHUP]]));
    read(reading, 10);
    expect(told(poller)).toEqual(new Map([[reading, POLLHUP]]));
  });

  it.skipIf(!onLinux)(linuxOnly('tells a full pipe without a reader as broken'), () => {
    const [reading, writing] = ends();
    set_blocking(writing, false);
    write(writing, Buffer.alloc(1 << 20));
    const [poller] = watching(writing, POLLOUT);
    expect(told(poller)).toEqual(nothing);
    close(reading);
    expect((told(poller).get(writing) ?? 0) & POLLERR).toBe(POLLERR);
  });

  it.skipIf(!onLinux)(linuxOnly('tells an unconnected TCP socket as hung up'), () => {
    const [poller, fd] = watching(own(new Socket()), POLLIN | POLLOUT);
    expect(told(poller)).toEqual(new Map([[fd, POLLOUT | POLLHUP]]));
  });

  it('tells nothing more after unregister', () => {
    const sockets = Array.from({ length: 100 }, () => pair()[0]);
    const poller = make();
    for (const socket of sockets) poller.register(socket.fileno(), POLLOUT);
    const gone = sockets.filter((_, i) => i % 3 === 0 || i > 90);
    for (const socket of gone) poller.unregister(socket.fileno());
    const left = sockets.filter((socket) => !gone.includes(socket));
    expect([...told(poller).keys()].sort()).toEqual(left.map((one) => one.fileno()).sort());
  });

  it('tells the one that is ready among many', () => {
    const pairs = Array.from({ length: 200 }, () => pair());
    const poller = make();
    for (const [a] of pairs) poller.register(a.fileno(), POLLIN);
    pairs[150][1].send(x);
    expect(poller.poll(5)).toEqual([[pairs[150][0].fileno(), POLLIN]]);
  });

  it.skipIf(name === 'kqueue')(
    'a second register, or a modify or unregister of one unknown, throws (not with kqueue)',
    () => {
      const [poller, fd] = watching(pair()[0], POLLIN);
      expect(failure(() => poller.register(fd, POLLOUT)).code).toBe('EEXIST');
      poller.unregister(fd);
      expect(failure(() => poller.modify(fd, POLLIN)).code).toBe('ENOENT');
      expect(failure(() => poller.unregister(fd)).code).toBe('ENOENT');
      poller.register(fd, POLLOUT);
      expect(told(poller)).toEqual(new Map([[fd, POLLOUT]]));
    },
  );

  it('register of a negative descriptor throws EBADF', () => {
    expect(failure(() => make().register(-1, POLLIN)).code).toBe('EBADF');
  });

  it('a descriptor closed behind its back is POLLNVAL, or forgotten by a queue', () => {
    const [a] = pair();
    const [b] = pair();
    const [poller, fd] = watching(a, POLLIN);
    poller.register(b.fileno(), POLLOUT);
    a.close();
    const forgotten = ['epoll', 'kqueue'].includes(name);
    expect(told(poller, 5)).toEqual(
      new Map([...(forgotten ? [] : [[fd, POLLNVAL] as const]), [b.fileno(), POLLOUT]]),
    );
    if (!forgotten) poller.unregister(fd);
    expect(told(poller, 5)).toEqual(new Map([[b.fileno(), POLLOUT]]));
  });

  // A poller makes three system calls at most; whichever of them fails.
  it.each([1, 2, 3])('a signal that ends its call %i makes nothing ready', (which) => {
    const [a, b] = pair();
    const [c, d] = pair();
    fill(c);
    const poller = make();
    poller.register(a.fileno(), POLLIN);
    poller.register(c.fileno(), POLLOUT | POLLPRI);
    failingCall(which, errno.EINTR);
    expect(told(poller)).toEqual(nothing);
    b.send(x);
    failingCall(which, errno.EINTR);
    expect(told(poller)).toEqual(new Map([[a.fileno(), POLLIN]]));
    d.close();
    failingCall(which, errno.EINTR);
    expect(told(poller, null).get(c.fileno()) ?? 0).toSatisfy((events) => (events & POLLHUP) !== 0);
  });

  it('a call that fails throws and says nothing', () => {
    const [a] = pair();
    const poller = make();
    poller.register(a.fileno(), POLLOUT);
    failingCall(1, errno.ENOMEM);
    expect(failure(() => poller.poll(0)).code).toBe('ENOMEM');
    expect(told(poller)).toEqual(new Map([[a.fileno(), POLLOUT]]));
  });

  it('those for which there is no room are told the next time', () => {
    const poller = make();
    const sockets = Array.from({ length: 5 }, () => pair()[0]);
    for (const socket of sockets) poller.register(socket.fileno(), POLLOUT);
    const into = new Int32Array(5); // two and a half
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      expect(poller.wait(into, 0)).toBe(2);
      seen.push(into[0], into[2]);
    }
    expect([...new Set(seen)].sort()).toEqual(sockets.map((socket) => socket.fileno()).sort());
    expect(into[4]).toBe(0);
  });

  it('wait writes pairs into what it is given', () => {
    const [poller, fd] = watching(pair()[0], POLLOUT);
    const into = new Int32Array(8).fill(-1);
    expect(poller.wait(into, null)).toBe(1);
    expect([...into]).toEqual([fd, POLLOUT, -1, -1, -1, -1, -1, -1]);
    poller.unregister(fd);
    expect(poller.wait(into, 0)).toBe(0);
  });

  it.each([
    [new Int32Array(1)],
    [new Int32Array(0)],
    [new Uint32Array(8)],
    [[]],
    [null],
    [undefined],
  ])('wait cannot write into %o', (into) => {
    const error = thrown(() => make().wait(into as never, 0));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/: into must be an Int32Array of 2 or more elements$/);
  });

  it.each([-1, NaN, '1', 1n, {}, -Infinity])('%s is no timeout', (timeout) => {
    const error = thrown(() => make().poll(timeout as never));
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toMatch(
      /: timeout must be a number of seconds from 0, or null$/,
    );
  });

  it.each(['5', null, undefined, 1n, NaN, 1.5, 2 ** 31, Symbol('fd'), {}])(
    '%s is no descriptor and no events',
    (value) => {
      const [a] = pair();
      const poller = make();
      poller.register(a.fileno(), POLLIN);
      const calls = [
        () => poller.register(value as never, POLLIN),
        () => poller.register(pair()[0].fileno(), value as never),
        () => poller.modify(value as never, POLLIN),
        () => poller.modify(a.fileno(), value as never),
        () => poller.unregister(value as never),
      ];
      for (const call of calls) {
        const error = thrown(call);
        expect([TypeError, RangeError]).toContain((error as Error).constructor);
        expect((error as Error).message).toMatch(
          /^\w+: (fd|events|descriptor \d+) (must be|is too)/,
        );
      }
      expect(told(poller)).toEqual(nothing);
    },
  );

  it('forgets what was registered when it is closed', () => {
    const [poller] = watching(pair()[0], POLLOUT);
    poller.close();
    if (['epoll', 'kqueue'].includes(name)) {
      expect(failure(() => poller.poll(0)).code).toBe('EBADF');
      expect(failure(() => poller.register(0, POLLIN)).code).toBe('EBADF');
    } else {
      expect(told(poller)).toEqual(nothing);
    }
    poller.close();
  });
});

describe('regular files', () => {
  const file = () => ownFd(openSync(import.meta.filename, 'r'));

  it.each(pollers.filter(([name]) => ['select', 'poll'].includes(name)))(
    '%s calls them always ready',
    (_, make) => {
      const poller = make();
      const fd = file();
      poller.register(fd, POLLIN | POLLOUT);
      expect(told(poller)).toEqual(new Map([[fd, POLLIN | POLLOUT]]));
    },
  );

  it.skipIf(!onLinux)(linuxOnly('epoll refuses them with EPERM'), () => {
    const error = failure(() => own(new epoll()).register(file(), POLLIN));
    expect(error).toMatchObject({ code: 'EPERM', syscall: 'epoll_ctl' });
  });
});

it(`descriptors from FD_SETSIZE on are refused by select alone`, ({ skip }) => {
  const [a] = pair();
  const copies: number[] = [];
  try {
    while ((copies.at(-1) ?? 0) < FD_SETSIZE) copies.push(ownFd(dup(a.fileno())));
  } catch {
    skip(`needs more than ${FD_SETSIZE} descriptors: ulimit -n 4096`);
  }
  const high = copies[copies.length - 1];
  const error = thrown(() => new select().register(high, POLLOUT));
  expect(error).toBeInstanceOf(RangeError);
  expect((error as Error).message).toBe(
    `select: descriptor ${high} is too high, select(2) takes those below ${FD_SETSIZE} (FD_SETSIZE)`,
  );
  for (const [, make] of pollers.slice(1)) {
    const poller = make();
    poller.register(high, POLLOUT);
    expect(told(poller)).toEqual(new Map([[high, POLLOUT]]));
  }
  new select().register(copies[0], POLLOUT);
});

it('a poller of another system throws ENOSYS', () => {
  const Other = onLinux ? kqueue : epoll;
  expect(failure(() => new Other()).code).toBe('ENOSYS');
});

it('one descriptor may be in several pollers', () => {
  const [a] = pair();
  for (const poller of [new select(), new poll(), ...pollers.map(([, make]) => make())]) {
    poller.register(a.fileno(), POLLOUT);
    expect(told(poller)).toEqual(new Map([[a.fileno(), POLLOUT]]));
  }
});

it('a signal does not end the look at a single descriptor, any other error does', () => {
  const [a, b] = pair();
  b.send(x);
  failingCall(1, errno.EINTR);
  expect(state_of(a.fileno(), POLLIN)).toBe(POLLIN);
  failingCall(1, errno.ENOMEM);
  expect(failure(() => state_of(a.fileno(), POLLIN)).code).toBe('ENOMEM');
});

it('signals neither end the wait nor make it longer', () => {
  const { stdout, stderr } = run(`
    import { spawn } from 'node:child_process';
    import { epoll, kqueue, poll, select } from '@asyncore/socket';
    process.on('SIGUSR2', () => {});
    const kinds = [select, poll, process.platform === 'linux' ? epoll : kqueue];
    for (const Kind of kinds) {
      const poller = new Kind();
      const signals = spawn('sh', ['-c', 'while sleep 0.05 && kill -USR2 $PPID; do :; done']);
      const start = performance.now();
      poller.poll(0.3);
      console.log(performance.now() - start);
      signals.kill('SIGKILL');
      poller.close();
    }`);
  expect(stderr).toBe('');
  const times = stdout.split('\n').map(Number);
  expect(times).toHaveLength(3);
  // Beginning anew with each, it would not end while they come.
  for (const time of times) expect(time).toBeGreaterThanOrEqual(300);
});
