import { constants } from 'node:os';
import { inspect } from 'node:util';
import {
  AF_INET6,
  AF_UNIX,
  BlockingIOError,
  Descriptor,
  errno,
  OSError,
  POLLNVAL,
  POLLOUT,
  SO_TYPE,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { rightArguments } from './calls.js';
import { bound, failure, freePath, inet, linuxOnly, onLinux, own, pair, until } from './support.js';

/** What `error` must be: the properties of one of Node's own errors. */
function expectError(error: OSError, message: string, place: object = {}) {
  const [syscall, code] = message.split(' ');
  const number = -constants.errno[code as keyof typeof constants.errno];
  expect(error).toBeInstanceOf(OSError);
  expect({ ...error }).toEqual({ code, errno: number, syscall, ...place });
  expect(error.message).toBe(message);
  expect(error.stack).toMatch(`${error.name}: ${message}`);
}

describe('an OSError', () => {
  it('without a place has code, errno and syscall', () => {
    expectError(
      failure(() => own(new Socket()).getpeername()),
      'getpeername ENOTCONN',
    );
  });

  it('says what is in the way of a path', () => {
    const path = freePath();
    own(new Socket(AF_UNIX)).bind(path);
    expect(failure(() => own(new Socket(AF_UNIX)).bind(path)).message).toBe(
      `bind EADDRINUSE ${path}: a file is there already: remove it if no program uses it`,
    );
  });

  it(linuxOnly('says what is in the way of an abstract name'), (context) => {
    context.skip(!onLinux, 'needs Linux, which alone has abstract names: run it there');
    for (const name of [`\0${freePath()}`, Buffer.from(`\0${freePath()}`)]) {
      own(new Socket(AF_UNIX)).bind(name);
      expect(failure(() => own(new Socket(AF_UNIX)).bind(name)).message).toMatch(
        /: another socket has this name$/,
      );
    }
  });

  it('has address and port', () => {
    const taken = bound(inet);
    taken.listen();
    const [address, port] = taken.getsockname();
    const error = failure(() => own(new Socket()).bind([address as string, port as number]));
    expectError(
      error,
      `bind EADDRINUSE ${address}:${port}: another socket has this port; port 0 takes a free one`,
      { address, port },
    );
  });

  it('has an IPv6 address as Node writes it', () => {
    const socket = own(new Socket(AF_INET6));
    const error = failure(() => socket.bind(['2001:db8::7', 7007, 0, 0]));
    const [address, port] = ['2001:db8::7', 7007];
    expectError(error, 'bind EADDRNOTAVAIL 2001:db8::7:7007', { address, port });
  });

  it('has a path as address', () => {
    const path = freePath();
    const error = failure(() => own(new Socket(AF_UNIX)).connect(path));
    expectError(error, `connect ENOENT ${path}`, { address: path });
  });

  it('of a refused connection names where it was going', () => {
    const unused = bound(inet);
    const [address, port] = unused.getsockname() as [string, number];
    const socket = own(new Socket());
    socket.connect_ex([address, port]);
    until(socket, POLLOUT);
    const error = failure(() => socket.connect([address, port]));
    expectError(error, `connect ECONNREFUSED ${address}:${port}`, { address, port });
  });

  it('is a BlockingIOError when the call would have to wait', () => {
    const [a] = pair();
    const error = failure(() => a.recv(1));
    expect(error).toBeInstanceOf(BlockingIOError);
    expectError(error, 'recv EAGAIN');
    expect(failure(() => own(new Socket()).getpeername())).not.toBeInstanceOf(BlockingIOError);
  });

  it('shows its kind and message first', () => {
    const [a] = pair();
    expect(inspect(failure(() => a.recv(1)))).toMatch(/^BlockingIOError: recv EAGAIN\n/);
    expect(String(failure(() => a.getsockopt(SOL_SOCKET, 9999)))).toBe(
      'OSError: getsockopt ENOPROTOOPT',
    );
  });

  it('can be made from a number of either sign', () => {
    for (const number of [errno.ECONNRESET, -errno.ECONNRESET]) {
      expectError(new OSError('send', number), 'send ECONNRESET');
    }
    expect(new OSError('send', 9999).code).toBe('E9999');
  });
});

describe('every method of a closed Socket', () => {
  // fileno, close, detach and on_release (and using) are for closed sockets too, and what a channel asks.
  const asked = ['pending', 'state', 'unread'];
  const harmless = ['constructor', 'fileno', 'close', 'detach', 'on_release', ...asked];
  const methods = [Socket, Descriptor]
    .flatMap((type) => Object.getOwnPropertyNames(type.prototype))
    .filter((name) => !harmless.includes(name)) as (keyof typeof rightArguments)[];

  it('is known to this test', () => {
    expect([...methods].sort()).toEqual(Object.keys(rightArguments).sort());
  });

  it.each(methods)('%s throws EBADF', (method) => {
    const socket = new Socket();
    socket.close();
    const args = rightArguments[method](socket);
    const error = failure(() => (socket[method] as (...args: unknown[]) => unknown)(...args));
    expect(error).toMatchObject({ code: 'EBADF', errno: -errno.EBADF });
    expect(error.message).toMatch(/^\w+ EBADF/);
  });

  it('but what a channel asks of it has an answer', () => {
    const socket = new Socket();
    socket.close();
    expect([socket.pending(), socket.state(), socket.unread()]).toEqual([0, POLLNVAL, 0]);
  });

  it('of a Unix socket too', () => {
    const socket = new Socket(AF_UNIX, SOCK_DGRAM);
    socket.close();
    expect(failure(() => socket.sendto(Buffer.from('x'), '/a')).message).toBe(
      'sendto EBADF /a: it is closed',
    );
    expect(failure(() => socket.getsockopt(SOL_SOCKET, SO_TYPE, 4)).message).toBe(
      'getsockopt EBADF: it is closed',
    );
  });
});
