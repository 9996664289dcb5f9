/** A dispatcher is a non-blocking socket otherwise: the socket's methods, on the channel. */
import { inspect } from 'node:util';
import { dispatcher } from '@asyncore/core';
import {
  AF_INET,
  AF_UNIX,
  CMSG_SPACE,
  close,
  errno,
  MSG_PEEK,
  SHUT_WR,
  SO_LINGER,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { connection, free, listening, own } from './support.js';

const hello = Buffer.from('hello');

function pair(family = AF_INET): [ours: dispatcher, theirs: Socket] {
  const [ours, theirs] = connection(family);
  return [own(new dispatcher(ours, new Map())), theirs];
}

/** A call of each method that needs a socket. */
const calls: Record<string, (channel: dispatcher) => unknown> = {
  accept: (channel) => channel.accept(),
  bind: (channel) => channel.bind(['127.0.0.1', 0]),
  connect: (channel) => channel.connect(['127.0.0.1', 1]),
  getblocking: (channel) => channel.getblocking(),
  getpeercred: (channel) => channel.getpeercred(),
  getpeername: (channel) => channel.getpeername(),
  getsockname: (channel) => channel.getsockname(),
  getsockopt: (channel) => channel.getsockopt(SOL_SOCKET, SO_TYPE),
  'getsockopt of bytes': (channel) => channel.getsockopt(SOL_SOCKET, SO_LINGER, 8),
  listen: (channel) => channel.listen(5),
  recv_fds: (channel) => channel.recv_fds(1, 1),
  recv_into: (channel) => channel.recv_into(Buffer.alloc(1)),
  recvfrom: (channel) => channel.recvfrom(1),
  recvmmsg: (channel) => channel.recvmmsg(2, 1),
  recvmsg: (channel) => channel.recvmsg(1),
  send_fds: (channel) => channel.send_fds([hello], [0]),
  sendfile: (channel) => channel.sendfile(0, 0, 1),
  sendmmsg: (channel) => channel.sendmmsg([[hello, ['127.0.0.1', 1]]]),
  sendmsg: (channel) => channel.sendmsg([hello]),
  sendto: (channel) => channel.sendto(hello, ['127.0.0.1', 1]),
  'sendto with flags': (channel) => channel.sendto(hello, 0, ['127.0.0.1', 1]),
  setblocking: (channel) => channel.setblocking(true),
  setsockopt: (channel) => channel.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1),
  shutdown: (channel) => channel.shutdown(SHUT_WR),
};
const withoutSocket = { ...calls, recv: (channel: dispatcher) => channel.recv(1) };

describe('without an open socket', () => {
  it.each(Object.entries(withoutSocket))('%s throws EBADF', (_, call) => {
    expect(() => call(new dispatcher())).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it.each(Object.entries(withoutSocket))('%s says so, and what comes first', (name, call) => {
    const message = `${name.split(' ')[0]} EBADF: call create_socket first`;
    expect(() => call(new dispatcher())).toThrow(expect.objectContaining({ message }));
  });

  it.each(['set_reuse_addr', 'set_keep_alive', 'add_channel'] as const)('so does %s', (name) => {
    const map = new Map();
    const channel = new dispatcher(null, map);
    expect(() => channel[name]()).toThrow(`${name} EBADF: call create_socket first`);
    expect(map.size).toBe(0);
  });

  it('add_channel puts back what del_channel took out, and nothing that is closed', () => {
    const map = new Map();
    const channel = own(new dispatcher(connection()[0], map));
    channel.del_channel();
    channel.add_channel();
    expect(map.get(channel.fileno())).toBe(channel);
    channel.close();
    expect(() => channel.add_channel()).toThrow('add_channel EBADF');
  });

  it.each([undefined, null, 3, {}])('set_socket(%o) is refused, and nothing is changed', (sock) => {
    const map = new Map();
    const channel = own(new dispatcher(connection()[0], map));
    expect(() => channel.set_socket(sock as never)).toThrow('set_socket: sock must be a Socket');
    expect(map.get(channel.fileno())).toBe(channel);
  });

  it('send throws EBADF', () => {
    expect(() => new dispatcher().send(hello)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it.each(Object.entries(calls))('%s throws EBADF after close', (_, call) => {
    const [channel] = pair();
    channel.close();
    expect(() => call(channel)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it('recv and send find the end after close, as in Python', () => {
    const [channel] = pair();
    channel.close();
    expect([channel.recv(1).length, channel.send(hello)]).toEqual([0, 0]);
  });

  it('fileno is -1, and closing again does nothing', () => {
    const channel = new dispatcher();
    expect(channel.fileno()).toBe(-1);
    channel.close();
    channel.close();
    expect(channel.fileno()).toBe(-1);
  });
});

describe('the socket’s methods', () => {
  it('tell what the socket is', () => {
    const [channel, theirs] = pair();
    expect(channel.fileno()).toBe(channel.socket?.fileno());
    expect(channel.getsockname()).toEqual(theirs.getpeername());
    expect(channel.getpeername()).toEqual(theirs.getsockname());
    expect(channel.getsockopt(SOL_SOCKET, SO_TYPE)).toBe(SOCK_STREAM);
  });

  it('set options, to numbers and to bytes', () => {
    const [channel] = pair();
    channel.setsockopt(SOL_SOCKET, SO_REUSEADDR, true);
    expect(channel.getsockopt(SOL_SOCKET, SO_REUSEADDR)).not.toBe(0);
    channel.setsockopt(SOL_SOCKET, SO_LINGER, new Int32Array([1, 7]));
    expect(channel.getsockopt(SOL_SOCKET, SO_LINGER, 8)).toEqual(
      Buffer.from(new Int32Array([1, 7]).buffer),
    );
  });

  it('receive with flags, and into memory that is there', () => {
    const [channel, theirs] = pair();
    theirs.send(hello);
    expect(String(channel.recvfrom(3, MSG_PEEK)[0])).toBe('hel');
    const memory = Buffer.alloc(4, '.');
    expect(channel.recv_into(memory, 3)).toBe(3);
    expect(String(memory)).toBe('hel.');
    expect(String(channel.recvmsg(10)[0])).toBe('lo');
  });

  it('send several buffers at once, and the end of the data', () => {
    const [channel, theirs] = pair();
    expect(channel.sendmsg([hello, hello])).toBe(10);
    channel.shutdown(SHUT_WR);
    expect(theirs.recv(100).length).toBe(10);
    expect(theirs.recv(100).length).toBe(0);
  });

  it('send and receive datagrams', () => {
    const [one, two] = [1, 2].map(() => {
      const channel = own(new dispatcher(null, new Map()));
      channel.create_socket(AF_INET, SOCK_DGRAM);
      channel.bind(free(AF_INET));
      return channel;
    });
    one.sendto(hello, two.getsockname());
    one.sendto(hello, 0, two.getsockname());
    expect(two.recvfrom(100)).toEqual([hello, one.getsockname()]);
    expect(two.recvfrom(100)).toEqual([hello, one.getsockname()]);
  });

  it('pass descriptors', () => {
    const [channel, theirs] = pair(AF_UNIX);
    channel.send_fds([hello], [channel.fileno()]);
    const receiving = own(new dispatcher(theirs, new Map()));
    const [data, fds] = receiving.recv_fds(10, 1);
    fds.forEach(close);
    expect([data, fds.length]).toEqual([hello, 1]);
    expect(CMSG_SPACE(4)).toBeGreaterThan(4);
    expect(channel.getpeercred().pid).toBe(process.pid);
  });
});

describe('a dispatcher shows', () => {
  it('its class, its state, its address and its descriptor', () => {
    const server = own(listening(new dispatcher(null, new Map())));
    const port = Number(server.getsockname()[1]);
    expect(inspect(server)).toBe(`<dispatcher listening 127.0.0.1:0 fd=${server.fileno()}>`);
    class EchoHandler extends dispatcher {}
    const ours = own(new Socket());
    ours.connect_ex(['127.0.0.1', port]);
    const channel = own(new EchoHandler(ours, new Map()));
    expect(`${channel}`).toBe(`<EchoHandler connected 127.0.0.1:${port} fd=${channel.fileno()}>`);
    channel.close();
    expect(inspect(channel)).toBe(`<EchoHandler 127.0.0.1:${port}>`);
  });

  it('the path of a Unix socket, in quotes', () => {
    const server = own(listening(new dispatcher(null, new Map()), AF_UNIX));
    const path = server.getsockname();
    expect(inspect(server)).toBe(`<dispatcher listening '${path}' fd=${server.fileno()}>`);
    server.addr = Buffer.from('\0spam \xff', 'latin1');
    expect(inspect(server)).toBe(`<dispatcher listening '\\x00spam ÿ' fd=${server.fileno()}>`);
  });

  it('itself within other things', () => {
    expect(inspect({ channels: [new dispatcher()] })).toBe('{ channels: [ <dispatcher> ] }');
  });
});

describe('attributes', () => {
  it('are asyncore’s', () => {
    const channel = new dispatcher();
    expect(channel).toMatchObject({
      debug: false,
      connected: false,
      accepting: false,
      connecting: false,
      closing: false,
      addr: null,
      family_and_type: null,
      socket: null,
    });
    expect([...channel.ignore_log_types]).toEqual(['warning']);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    expect(channel.family_and_type).toEqual([AF_INET, SOCK_DGRAM]);
    channel.close();
  });

  it('a connected socket given to a dispatcher is one from the start, and does not block', () => {
    const [ours, theirs] = connection();
    theirs.setblocking(true);
    const channel = own(new dispatcher(theirs, new Map()));
    expect([channel.connected, channel.addr]).toEqual([true, ours.getsockname()]);
    expect(theirs.getblocking()).toBe(false);
  });

  it('a socket that cannot be asked for its peer is taken out of the map again', () => {
    const map = new Map();
    const [ours] = connection();
    ours.getpeername = () => {
      throw new Error('spam');
    };
    expect(() => new dispatcher(ours, map)).toThrow('spam');
    expect(map.size).toBe(0);
  });

  it('add_channel and del_channel move a channel between maps', () => {
    const [one, two] = [new Map(), new Map()];
    const channel = own(new dispatcher(connection()[0], one));
    const fd = channel.fileno();
    channel.add_channel(two);
    expect([one.get(fd), two.get(fd)]).toEqual([channel, channel]);
    channel.del_channel();
    expect([one.size, two.size, channel._fileno]).toEqual([0, 1, null]);
    two.clear();
  });
});

it('detach takes the channel out of its map and leaves the descriptor open', () => {
  const map = new Map();
  const [ours, theirs] = connection(AF_INET);
  const channel = new dispatcher(ours, map);
  const again = own(Socket.from_fd(channel.detach()));
  again.send(hello);
  expect([map.size, channel.fileno(), `${theirs.recv(10)}`]).toEqual([0, -1, 'hello']);
});

it.each([
  ['send', ['text'], 'send: data must be bytes: make them of a string with Buffer.from(text)'],
  ['recv', ['ten'], 'recv: bufsize must be a number of bytes'],
  ['listen', ['ten'], 'listen: backlog must be an integer'],
  ['setsockopt', ['ten', 1, 1], 'setsockopt: level must be an integer'],
] as const)('a wrong argument of %s is named as in its signature', (method, args, message) => {
  const channel = own(new dispatcher(connection()[0], new Map()));
  const call = channel[method] as (...args: unknown[]) => void;
  const expected = expect.objectContaining({ message, code: 'ERR_INVALID_ARG_TYPE' });
  expect(() => call.apply(channel, [...args])).toThrow(expected);
});

describe('create_socket', () => {
  it('closes the socket that it replaces', () => {
    const map = new Map();
    const channel = own(new dispatcher(null, map));
    channel.create_socket();
    const former = channel.socket;
    channel.create_socket();
    expect(former?.fileno()).toBe(-1);
    expect([...map]).toEqual([[channel.fileno(), channel]]);
  });

  it('leaves a socket open that another channel has taken', () => {
    const map = new Map();
    const [ours] = connection();
    const channel = own(new dispatcher(ours, map));
    const heir = own(new dispatcher(ours, map));
    channel.create_socket();
    expect(ours.fileno()).toBe(heir.fileno());
    expect(map.size).toBe(2);
  });
});

it('connect_ex gives the errno', () => {
  const channel = own(new dispatcher(null, new Map()));
  channel.create_socket(AF_UNIX);
  expect(channel.connect_ex('/nowhere/at/all')).toBe(errno.ENOENT);
});
