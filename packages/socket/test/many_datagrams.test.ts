/** recvmmsg and sendmmsg: many datagrams in one system call. */
import {
  AF_INET,
  AF_UNIX,
  BlockingIOError,
  type Datagram,
  MSG_PEEK,
  MSG_TRUNC,
  POLLIN,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { type Binding, native, use_binding } from '@asyncore/socket/kernel';
import { afterEach, describe, expect, it } from 'vitest';
import {
  bound,
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

afterEach(() => {
  use_binding(native);
});

const { recvmmsg: _recvmmsg, sendmmsg: _sendmmsg, ...without } = native;
const noSuchCall = { recvmmsg: () => -native.errors.ENOSYS, sendmmsg: () => -native.errors.ENOSYS };

/** The system, and what stands for one that lacks the two calls. */
const systems: [name: string, system: Binding][] = [
  ['the system', native],
  ['a system without the calls', without],
  ['a kernel without the calls', { ...native, ...noSuchCall }],
];

const two = (family: Family) => [bound(family, SOCK_DGRAM), bound(family, SOCK_DGRAM)];
const bytes = (text: string) => Buffer.from(text);

/** All that waits, by as many calls as it takes. */
function all(socket: Socket, bufsize = 100): [string, unknown][] {
  const found: [string, unknown][] = [];
  try {
    for (;;) {
      until(socket, POLLIN);
      for (const [data, from] of socket.recvmmsg(100, bufsize)) found.push([`${data}`, from]);
      if (socket.unread() === 0) socket.recv(0, MSG_PEEK); // an empty one counts as no bytes
    }
  } catch (error) {
    if (!(error instanceof BlockingIOError)) throw error;
  }
  return found;
}

describe.each(systems)('on %s', (_, system) => {
  onEveryFamily((family) => {
    it('datagrams go out and come in in order, with their borders and addresses', () => {
      use_binding(system);
      const [a, b] = two(family);
      const to = b.getsockname();
      const texts = ['one', '', 'three', 'x'.repeat(5000)];
      expect(a.sendmmsg(texts.map((text): Datagram => [bytes(text), to]))).toBe(4);
      const from = a.getsockname();
      expect(all(b, 8192)).toEqual(texts.map((text) => [text, from]));
    });

    it('each of several senders has its own address, to which its answer goes', () => {
      use_binding(system);
      const clients = two(family);
      const server = bound(family, SOCK_DGRAM);
      const turns = [0, 1, 1, 0];
      for (const i of turns) clients[i].sendto(bytes(`${i}`), server.getsockname());
      const got: [string, unknown][] = [];
      while (got.length < turns.length) {
        until(server, POLLIN);
        const some = server.recvmmsg(10, 10);
        got.push(...some.map(([data, from]): [string, unknown] => [`${data}`, from]));
        expect(server.sendmmsg(some)).toBe(some.length);
      }
      expect(got).toEqual(turns.map((i) => [`${i}`, clients[i].getsockname()]));
      for (const [i, client] of clients.entries()) {
        expect(all(client).map(([text]) => text)).toEqual([`${i}`, `${i}`]);
      }
    });

    it('to the peer of a connected socket they need no address', () => {
      use_binding(system);
      const [a, b] = two(family);
      a.connect(b.getsockname());
      expect(a.sendmmsg([[bytes('one')], [bytes('two'), null]])).toBe(2);
      expect(all(b).map(([text]) => text)).toEqual(['one', 'two']);
    });

    it('what is longer than bufsize is cut, and the next one is whole', () => {
      use_binding(system);
      const [a, b] = two(family);
      for (const text of ['abcdef', 'next']) a.sendto(bytes(text), b.getsockname());
      expect(all(b, 4).map(([text]) => text)).toEqual(['abcd', 'next']);
    });

    it('only the first error is thrown, and a call with the rest tells of the others', () => {
      use_binding(system);
      const [a, b] = two(family);
      a.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536);
      const to = b.getsockname();
      const list: Datagram[] = [bytes('one'), Buffer.alloc(1 << 20), bytes('three')].map((data) => [
        data,
        to,
      ]);
      expect(a.sendmmsg(list)).toBe(1);
      const error = failure(() => a.sendmmsg(list.slice(1)));
      expect(error).toMatchObject({ code: 'EMSGSIZE', syscall: 'sendmmsg' });
      expect(a.sendmmsg(list.slice(2))).toBe(1);
      expect(all(b).map(([text]) => text)).toEqual(['one', 'three']);
    });

    it('MSG_PEEK gives the first one and leaves it there', () => {
      use_binding(system);
      const [a, b] = two(family);
      for (const text of ['one', 'two']) a.sendto(bytes(text), b.getsockname());
      until(b, POLLIN);
      expect(b.recvmmsg(10, 100, MSG_PEEK)).toEqual([[bytes('one'), a.getsockname()]]);
      expect(all(b).map(([text]) => text)).toEqual(['one', 'two']);
    });

    it('a blocking socket waits for the first one only', () => {
      use_binding(system);
      const [a, b] = two(family);
      b.setblocking(true);
      a.sendto(bytes('one'), b.getsockname());
      expect(b.recvmmsg(10, 100)).toEqual([[bytes('one'), a.getsockname()]]);
    });
  });

  it('nothing to receive throws a BlockingIOError', () => {
    use_binding(system);
    expect(thrown(() => bound(inet, SOCK_DGRAM).recvmmsg(10, 100))).toBeInstanceOf(BlockingIOError);
  });

  it('an empty list sends nothing', () => {
    use_binding(system);
    expect(bound(inet, SOCK_DGRAM).sendmmsg([])).toBe(0);
  });

  it('when there is no room for more it says how many were taken, then throws', () => {
    use_binding(system);
    const [a] = pair(SOCK_DGRAM);
    const list = Array.from({ length: 5000 }, (): Datagram => [bytes('x')]);
    const sent = a.sendmmsg(list);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(5000);
    const error = failure(() => a.sendmmsg(list.slice(sent)));
    expect(error).toMatchObject({ code: 'EAGAIN', syscall: 'sendmmsg' });
  });

  it('a datagram of any size comes whole if bufsize has room for it', () => {
    use_binding(system);
    const [a, b] = pair(SOCK_DGRAM);
    for (const letter of 'ab') a.send(Buffer.alloc(60_000, letter));
    for (const bufsize of [65_536, 1 << 30]) {
      const [[data]] = b.recvmmsg(1, bufsize);
      expect(data.length).toBe(60_000);
    }
  });

  it('more than one call takes go out in order', () => {
    use_binding(system);
    const [a, b] = two(inet);
    const texts = Array.from({ length: 150 }, (_, i) => `${i}`);
    const to = b.getsockname();
    expect(a.sendmmsg(texts.map((text): Datagram => [bytes(text), to]))).toBe(150);
    expect(all(b).map(([text]) => text)).toEqual(texts);
  });

  it.each([
    ['a stream', SOCK_STREAM],
    ...(onLinux ? [['SEQPACKET', SOCK_SEQPACKET] as const] : []),
  ] as const)('%s is refused: it has no datagrams', (_, type) => {
    use_binding(system);
    const [a] = pair(type);
    expect(failure(() => a.recvmmsg(10, 10))).toMatchObject({
      code: 'EOPNOTSUPP',
      message: 'recvmmsg EOPNOTSUPP: it is for datagrams',
    });
    expect(failure(() => a.sendmmsg([[bytes('x')]])).code).toBe('EOPNOTSUPP');
  });

  it('an error that came with datagrams comes after them', () => {
    use_binding(system);
    const [a, b] = two(inet);
    a.connect(b.getsockname());
    b.sendto(bytes('before'), a.getsockname());
    b.close();
    until(a, POLLIN);
    expect(`${a.recvmmsg(10, 100)[0][0]}`).toBe('before');
    a.send(bytes('x'));
    until(a, POLLIN);
    expect(failure(() => a.recvmmsg(10, 100)).code).toBe('ECONNREFUSED');
  });
});

it.skipIf(!onLinux)(linuxOnly('all that wait come in one call'), () => {
  const [a, b] = two(inet);
  for (const text of ['one', 'two', 'three']) a.sendto(bytes(text), b.getsockname());
  until(b, POLLIN);
  expect(b.recvmmsg(2, 100)).toHaveLength(2);
  expect(b.recvmmsg(2, 100)).toHaveLength(1);
});

it.skipIf(!onLinux)(linuxOnly('one call gives 64 at most, and as many as fit into 1 MiB'), () => {
  const [a, b] = two(inet);
  for (let i = 0; i < 100; i++) a.sendto(bytes('x'), b.getsockname());
  until(b, POLLIN);
  expect(b.recvmmsg(1000, 100)).toHaveLength(64);
  expect(b.recvmmsg(1000, 1 << 17)).toHaveLength(8);
});

it('what was received is the caller’s: no later call changes it', () => {
  const [a, b] = two(inet);
  const received: Buffer[] = [];
  for (const letter of 'abcd') {
    a.sendto(Buffer.alloc(3000, letter), b.getsockname());
    until(b, POLLIN);
    received.push(b.recvmmsg(10, 4000)[0][0]);
  }
  expect(received.map((data) => `${data[0]}${data[2999]}`)).toEqual(
    [...'abcd'].map((letter) => `${letter.charCodeAt(0)}`.repeat(2)),
  );
});

it.skipIf(!onLinux)(linuxOnly('with MSG_TRUNC nothing of another datagram shows'), () => {
  const [a, b] = two(inet);
  for (const text of ['abcdef', 'ghijkl']) a.sendto(bytes(text), b.getsockname());
  until(b, POLLIN);
  const texts = b.recvmmsg(10, 2, MSG_TRUNC).map(([data]) => `${data}`);
  expect(texts).toEqual(['ab', 'gh']);
});

it('a Unix datagram without a sender has no address', () => {
  const receiver = own(new Socket(AF_UNIX, SOCK_DGRAM));
  receiver.bind(freePath());
  own(new Socket(AF_UNIX, SOCK_DGRAM)).sendto(bytes('x'), receiver.getsockname());
  expect(receiver.recvmmsg(5, 10)).toEqual([[bytes('x'), null]]);
});

it('messages may come of an iterator, which may close the socket', () => {
  const [a, b] = two(inet);
  const to = b.getsockname();
  function* messages(): Generator<Datagram> {
    yield [bytes('one'), to];
    a.close();
  }
  expect(failure(() => a.sendmmsg(messages())).code).toBe('EBADF');
});

it.each<[string, (socket: Socket) => unknown, string]>([
  ['vlen of 0', (s) => s.recvmmsg(0, 1), 'recvmmsg: vlen must be an integer from 1'],
  ['no bufsize', (s) => s.recvmmsg(1, undefined as never), 'recvmmsg: bufsize must be an integer'],
  ['a negative bufsize', (s) => s.recvmmsg(2, -1), 'recvmmsg: bufsize must be an integer from 0'],
  ['bytes alone', (s) => s.sendmmsg(bytes('x') as never), 'sendmmsg: messages must be [bytes'],
  ['a text', (s) => s.sendmmsg([['x' as never]]), 'sendmmsg: messages must be [bytes, address]'],
  ['nothing', (s) => s.sendmmsg(undefined as never), 'sendmmsg: messages must be an array'],
  [
    'only some addresses',
    (s) => s.sendmmsg([[bytes('x'), ['127.0.0.1', 1]], [bytes('x')]]),
    'sendmmsg: messages must all have an address, or none',
  ],
  [
    'a host name',
    (s) => s.sendmmsg([[bytes('x'), ['example.org', 1]]]),
    'sendmmsg ENOTFOUND example.org:1',
  ],
])('%s is refused before anything is sent', (_, call, message) => {
  const socket = own(new Socket(AF_INET, SOCK_DGRAM));
  expect(() => call(socket)).toThrow(message);
});
