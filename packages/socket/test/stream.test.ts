import {
  type Address,
  AF_UNIX,
  BlockingIOError,
  errno,
  MSG_OOB,
  MSG_PEEK,
  POLLIN,
  POLLOUT,
  POLLPRI,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_ACCEPTCONN,
  SO_ERROR,
  SO_OOBINLINE,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { binding } from '../dist/binding.js';
import {
  bound,
  connection,
  failure,
  inet,
  onEveryFamily,
  own,
  pair,
  recvAll,
  run,
  thrown,
  until,
} from './support.js';

onEveryFamily((family) => {
  it('carries bytes both ways', () => {
    const [client, server] = connection(family);
    expect(client.send(Buffer.from('question'))).toBe(8);
    expect(recvAll(server, 8).toString()).toBe('question');
    expect(server.send(Buffer.from('answer'))).toBe(6);
    expect(recvAll(client, 6).toString()).toBe('answer');
  });

  it('listen makes a socket that accepts', () => {
    const listener = bound(family);
    expect(listener.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)).toBe(0);
    listener.listen();
    expect(listener.getsockopt(SOL_SOCKET, SO_ACCEPTCONN)).toBe(1);
  });

  it('accept gives a socket of the same kind and where it comes from', () => {
    const [client, , listener] = connection(family);
    const second = own(new Socket(client.family));
    second.bind(family.free());
    second.connect_ex(listener.getsockname());
    until(listener, POLLIN);
    const [accepted, address] = listener.accept();
    own(accepted);
    expect(address).toEqual(second.getsockname());
    expect(accepted).toMatchObject({ family: family.family, type: listener.type, proto: 0 });
    expect(accepted.getblocking()).toBe(false);
  });

  it('accept with nobody waiting throws BlockingIOError', () => {
    const listener = bound(family);
    listener.listen();
    expect(thrown(() => listener.accept())).toBeInstanceOf(BlockingIOError);
  });

  it('accept_ex gives EAGAIN with nobody waiting, else what accept gives', () => {
    const listener = bound(family);
    listener.listen();
    expect(listener.accept_ex()).toBe(errno.EAGAIN);
    own(new Socket(family.family)).connect_ex(listener.getsockname());
    until(listener, POLLIN);
    const answer = listener.accept_ex();
    expect(answer).toEqual([expect.any(Socket), expect.anything()]);
    own((answer as [Socket, Address])[0]);
    expect(own(new Socket(family.family)).accept_ex()).toBe(errno.EINVAL); // it does not listen
  });

  it('listen(1) lets a connection in', () => {
    const listener = bound(family);
    listener.listen(1);
    own(new Socket(family.family)).connect_ex(listener.getsockname());
    until(listener, POLLIN);
    own(listener.accept()[0]);
  });

  it('connect_ex gives 0 or EINPROGRESS, and SO_ERROR 0 when connected', () => {
    const listener = bound(family);
    listener.listen();
    const client = own(new Socket(family.family));
    expect([0, errno.EINPROGRESS]).toContain(client.connect_ex(listener.getsockname()));
    until(client, POLLOUT);
    expect(client.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
    expect([0, errno.EISCONN]).toContain(client.connect_ex(listener.getsockname()));
  });

  it('both ends agree on their names', () => {
    const [client, server, listener] = connection(family);
    expect(client.getpeername()).toEqual(listener.getsockname());
    expect(server.getsockname()).toEqual(listener.getsockname());
    expect(server.getpeername()).toEqual(client.getsockname());
  });

  it('recv throws BlockingIOError when nothing has come', () => {
    const [client] = connection(family);
    const error = failure(() => client.recv(10));
    expect(error).toBeInstanceOf(BlockingIOError);
    expect(error).toMatchObject({ code: 'EAGAIN', message: 'recv EAGAIN', syscall: 'recv' });
  });

  it('recv gives an empty buffer at the end of the stream', () => {
    const [client, server] = connection(family);
    server.send(Buffer.from('last'));
    server.close();
    expect(recvAll(client, 100).toString()).toBe('last');
    expect(client.recv(100)).toHaveLength(0);
    expect(client.recv(100)).toHaveLength(0);
  });

  it('send takes what there is room for, then throws BlockingIOError', () => {
    const [client, server] = connection(family);
    const data = Buffer.alloc(1 << 24, 'x');
    const sent = client.send(data);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(data.length);
    expect(recvAll(server, sent).equals(data.subarray(0, sent))).toBe(true);
  });

  it('send to a peer that is gone throws EPIPE or ECONNRESET, not a signal', () => {
    const [client, server] = connection(family);
    client.send(Buffer.from('unread, so closing resets'));
    until(server, POLLIN);
    server.close();
    until(client, POLLIN);
    const codes = [1, 2].map(() => failure(() => client.send(Buffer.from('x'))).code);
    expect(['EPIPE', 'ECONNRESET']).toContain(codes[0]);
    expect(codes[1]).toBe('EPIPE');
  });

  it('shutdown(SHUT_WR) ends one direction only', () => {
    const [client, server] = connection(family);
    client.shutdown(SHUT_WR);
    until(server, POLLIN);
    expect(server.recv(10)).toHaveLength(0);
    expect(failure(() => client.send(Buffer.from('x'))).code).toBe('EPIPE');
    server.send(Buffer.from('still here'));
    expect(recvAll(client, 10).toString()).toBe('still here');
  });

  it('shutdown(SHUT_RD) ends the receiving', () => {
    const [client] = connection(family);
    client.shutdown(SHUT_RD);
    expect(client.recv(10)).toHaveLength(0);
  });

  it('shutdown(SHUT_RDWR) ends both', () => {
    const [client, server] = connection(family);
    client.shutdown(SHUT_RDWR);
    expect(client.recv(10)).toHaveLength(0);
    expect(failure(() => client.send(Buffer.from('x'))).code).toBe('EPIPE');
    until(server, POLLIN);
    expect(server.recv(10)).toHaveLength(0);
  });

  it('recv_into fills a part of what it is given', () => {
    const [client, server] = connection(family);
    server.send(Buffer.from('abcdef'));
    until(client, POLLIN);
    const memory = Buffer.alloc(10, '.');
    expect(client.recv_into(memory.subarray(2, 8), 3)).toBe(3);
    expect(client.recv_into(memory.subarray(6))).toBe(3);
    expect(memory.toString()).toBe('..abc.def.');
    expect(thrown(() => client.recv_into(memory))).toBeInstanceOf(BlockingIOError);
  });

  it('MSG_PEEK leaves the bytes where they are', () => {
    const [client, server] = connection(family);
    server.send(Buffer.from('abc'));
    until(client, POLLIN);
    expect(client.recv(2, MSG_PEEK).toString()).toBe('ab');
    const memory = Buffer.alloc(3);
    expect(client.recv_into(memory, 0, MSG_PEEK)).toBe(3);
    expect(client.recv(10).toString()).toBe('abc');
  });

  it('recvfrom on a stream gives the bytes and no address', () => {
    const [client, server] = connection(family);
    server.send(Buffer.from('abc'));
    until(client, POLLIN);
    const [data, address] = client.recvfrom(10);
    expect(data.toString()).toBe('abc');
    // A Unix stream tells the name of the other end, if it has one.
    expect(address).toEqual(typeof server.getsockname() === 'string' ? server.getsockname() : null);
  });

  it('getpeername of what is not connected throws ENOTCONN', () => {
    const error = failure(() => bound(family).getpeername());
    expect(error).toMatchObject({ code: 'ENOTCONN', syscall: 'getpeername' });
  });

  it('a second bind of the same address throws EADDRINUSE with the address', () => {
    const first = bound(family);
    first.listen();
    const second = own(new Socket(family.family));
    expect(failure(() => second.bind(first.getsockname())).code).toBe('EADDRINUSE');
  });
});

it('send accepts any view of memory', () => {
  const [a, b] = pair();
  const words = new Uint16Array([0x6161, 0x6262, 0x6363, 0x6464]);
  expect(a.send(words)).toBe(8);
  expect(a.send(words.subarray(1, 2))).toBe(2);
  expect(a.send(new DataView(words.buffer, 1, 4))).toBe(4);
  expect(a.send(new Float64Array(words.buffer))).toBe(8);
  expect(b.recv(100).toString()).toBe('aabbccddbbabbcaabbccdd');
});

it('send takes from shared memory and recv_into writes into it', () => {
  const [a, b] = pair();
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  shared.set([1, 2, 3, 4]);
  a.send(shared);
  shared.fill(0);
  expect(b.recv_into(shared)).toBe(4);
  expect([...shared]).toEqual([1, 2, 3, 4]);
});

it('send and recv_into take memory of more than 2 GiB', () => {
  const [a, b] = pair();
  const huge = new Uint8Array(2 ** 31 + 1);
  const sent = a.send(huge);
  expect(sent).toBeGreaterThan(0);
  expect(b.recv_into(huge)).toBe(sent);
});

it('send, sendto and sendmsg raise no SIGPIPE', () => {
  const { stdout } = run(`
    import { SHUT_WR, Socket } from '@asyncore/socket';
    process.on('SIGPIPE', () => console.log('SIGPIPE'));
    const [listener, one] = [new Socket(), new Socket()];
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    const address = listener.getsockname();
    one.setblocking(true);
    one.connect(address);
    one.shutdown(SHUT_WR);
    const data = Buffer.from('x');
    for (const send of [() => one.send(data), () => one.sendmsg([data]), () => one.sendto(data, address)]) {
      try { send(); } catch ({ code }) { console.log(code); }
    }
    setImmediate(() => setImmediate(() => console.log('done')));`);
  expect(stdout).toBe('EPIPE\nEPIPE\nEPIPE\ndone');
});

it('a zero-length send sends nothing', () => {
  const [a, b] = pair();
  expect(a.send(new Uint8Array(0))).toBe(0);
  expect(thrown(() => b.recv(10))).toBeInstanceOf(BlockingIOError);
});

it('connect throws BlockingIOError while the attempt goes on by itself', () => {
  const listener = bound(inet);
  listener.listen();
  const client = own(new Socket());
  const error = failure(() => client.connect(listener.getsockname()));
  expect(error).toBeInstanceOf(BlockingIOError);
  const [host, port] = listener.getsockname();
  expect(error.message).toBe(`connect EINPROGRESS ${host}:${port}`);
  until(client, POLLOUT);
  expect(client.getpeername()).toEqual([host, port]);
});

it('connect returns when it is done at once', () => {
  const [client] = connection(inet);
  client.close();
  const [, , listener] = connection(inet);
  const blocking = own(new Socket());
  blocking.setblocking(true);
  expect(blocking.connect(listener.getsockname())).toBeUndefined();
  const another = own(new Socket());
  another.setblocking(true);
  expect(another.connect_ex(listener.getsockname())).toBe(0);
});

it('SO_ERROR tells of a refused connection, once', () => {
  const listener = bound(inet);
  const client = own(new Socket());
  client.connect_ex(listener.getsockname());
  until(client, POLLOUT);
  expect(client.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(errno.ECONNREFUSED);
  expect(client.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
});

it('a blocking socket waits, until setblocking(false)', () => {
  const [a, b] = pair();
  expect(a.getblocking()).toBe(false);
  a.setblocking(true);
  expect(a.getblocking()).toBe(true);
  b.send(Buffer.from('x'));
  expect(a.recv(1).toString()).toBe('x');
  a.setblocking(false);
  expect(thrown(() => a.recv(1))).toBeInstanceOf(BlockingIOError);
});

describe('urgent data', () => {
  it('comes by itself with MSG_OOB', () => {
    const [client, server] = connection(inet);
    client.send(Buffer.from('ab'));
    client.send(Buffer.from('!'), MSG_OOB);
    client.send(Buffer.from('cd'));
    until(server, POLLPRI);
    expect(server.recv(1, MSG_OOB).toString()).toBe('!');
    expect(recvAll(server, 2).toString()).toBe('ab');
    expect(recvAll(server, 2).toString()).toBe('cd');
  });

  it('is refused with EINVAL when there is none', () => {
    const [client] = connection(inet);
    expect(failure(() => client.recv(1, MSG_OOB)).code).toBe('EINVAL');
  });

  it('comes among the rest with SO_OOBINLINE', () => {
    const [client, server] = connection(inet);
    server.setsockopt(SOL_SOCKET, SO_OOBINLINE, true);
    client.send(Buffer.from('ab'));
    client.send(Buffer.from('!'), MSG_OOB);
    until(server, POLLPRI);
    expect(recvAll(server, 3).toString()).toBe('ab!');
  });
});

onEveryFamily((family) => {
  it('an attempt to connect that a signal interrupts goes on, and connects', () => {
    const listener = bound(family);
    listener.listen();
    const client = own(new Socket(family.family));
    const { connect } = binding;
    own({ close: () => Object.assign(binding, { connect }) });
    let calls = 0;
    // As the kernel does it: TCP goes on by itself, AF_UNIX has done nothing yet.
    const interrupted: typeof connect = (fd, address) => {
      calls += 1;
      if (calls > 1) return connect(fd, address);
      if (family.family !== AF_UNIX) connect(fd, address);
      return -errno.EINTR;
    };
    Object.assign(binding, { connect: interrupted });
    expect([0, errno.EINPROGRESS]).toContain(client.connect_ex(listener.getsockname()));
    expect(calls).toBe(family.family === AF_UNIX ? 2 : 1);
    until(listener, POLLIN);
    own(listener.accept()[0]).send(Buffer.from('connected'));
    expect(recvAll(client, 9).toString()).toBe('connected');
  });
});
