// In a process of its own: it counts descriptors.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { dispatcher, loop } from '@asyncore/core';
import {
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
  TCP_NODELAY,
} from '@asyncore/socket';
import { socket_stream } from '@asyncore/stream';
import { onEveryPoller } from '@asyncore/test-support/stage';
import { describe, expect, it, vi } from 'vitest';
import { all, destroyed, onEveryFamily, own, pair, reset, serving, written } from './support.js';

const MB = 1 << 20;

onEveryFamily((connect) => {
  it('gives what the peer sends, then the end', async () => {
    const { ours, theirs } = connect();
    theirs.send(Buffer.from('hello'));
    theirs.close();
    expect((await all(ours)).toString()).toBe('hello');
  });

  it('sends what is written, then its end', async () => {
    const { ours, theirs } = connect({ allowHalfOpen: true });
    ours.write('hel');
    ours.end('lo');
    await once(ours, 'finish');
    theirs.setblocking(true);
    expect(theirs.recv(100).toString()).toBe('hello');
    expect(theirs.recv(100).length).toBe(0);
  });

  it('allowHalfOpen: goes on writing after the peer’s end', async () => {
    const { ours, theirs } = connect({ allowHalfOpen: true });
    theirs.shutdown(1);
    ours.resume();
    await once(ours, 'end');
    ours.end('answer');
    await once(ours, 'close');
    theirs.setblocking(true);
    expect(theirs.recv(100).toString()).toBe('answer');
  });

  it('goes on reading after its own end', async () => {
    const { ours, theirs } = connect();
    ours.end();
    await once(ours, 'finish');
    theirs.send(Buffer.from('more'));
    theirs.close();
    expect((await all(ours)).toString()).toBe('more');
  });

  it('ends by itself when the peer has ended, unless allowHalfOpen', async () => {
    const { ours, theirs } = connect();
    theirs.shutdown(1);
    ours.resume();
    await once(ours, 'close');
    expect(ours.writableFinished).toBe(true);
    expect(ours.errored).toBe(null);
  });

  it('the peer is not read from while nobody reads the stream', async () => {
    const { ours, theirs } = connect();
    let sent = 0;
    try {
      for (;;) sent += theirs.send(Buffer.alloc(MB));
    } catch {}
    for (let i = 0; i < 20; i++) await turn();
    expect(ours.readableLength).toBeLessThanOrEqual(2 * 65536);
    theirs.close();
    expect((await all(ours)).length).toBe(sent);
  });

  it('write says no when the peer does not read, and drain follows when it does', async () => {
    const { ours, theirs } = connect();
    while (ours.write(Buffer.alloc(65536)));
    const drained = once(ours, 'drain');
    const reading = setInterval(() => {
      try {
        while (theirs.recv(MB).length > 0);
      } catch {}
    }, 1);
    await drained;
    clearInterval(reading);
  });

  it('destroy calls back every write that waits, once and in order', async () => {
    const { ours } = connect();
    const order: number[] = [];
    for (let i = 0; i < 20; i++) ours.write(Buffer.alloc(MB), () => order.push(i));
    ours.on('error', () => {});
    ours.destroy(new Error('enough'));
    await new Promise((closed) => ours.on('close', closed));
    await turn();
    expect(order).toEqual([...order.keys()]);
    expect(order.length).toBe(20);
  });

  it('destroy sends no more, and the descriptor is closed at once', () => {
    const { ours, theirs } = connect();
    ours.write('x');
    ours.destroy();
    expect(ours.channel.fileno()).toBe(-1);
    theirs.setblocking(true);
    expect(theirs.recv(10).toString()).toBe('x');
    expect(theirs.recv(10).length).toBe(0);
  });

  it('50 MB go both ways at once, unharmed', async () => {
    const { ours, theirs } = connect();
    const other = destroyed(new socket_stream(theirs));
    const bytes = Buffer.alloc(50 * MB);
    for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
    const [first, second] = await Promise.all([
      all(ours),
      all(other),
      pipeline(Readable.from([bytes]), ours, { end: true }),
      pipeline(Readable.from([bytes]), other, { end: true }),
    ]);
    expect(first.equals(bytes)).toBe(true);
    expect(second.equals(bytes)).toBe(true);
    expect(ours.bytesRead).toBe(bytes.length);
    expect(ours.bytesWritten).toBe(bytes.length);
  }, 60_000);
});

describe('a reset', () => {
  it('what arrived before it is read, then the error comes with its code', async () => {
    const [client, stream] = await pair();
    const raw = (stream.channel.socket as Socket).detach();
    const theirs = Socket.from_fd(raw);
    stream.channel.del_channel();
    theirs.send(Buffer.alloc(300_000, 'x'));
    await turn();
    client.write('unread by the peer, so that its close is a reset');
    reset(theirs);
    let received = 0;
    const reading = (async () => {
      for await (const chunk of client) received += chunk.length;
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(received).toBeGreaterThan(0);
  });

  it('reaches a stream that only writes', async () => {
    const { next, port } = serving();
    const theirs = own(new Socket());
    theirs.connect_ex(['127.0.0.1', port]);
    const ours = await next();
    const error = once(ours, 'error');
    reset(theirs);
    const writing = setInterval(() => ours.write(Buffer.alloc(65536)), 1);
    const [{ code }] = (await error) as [NodeJS.ErrnoException];
    clearInterval(writing);
    expect(['ECONNRESET', 'EPIPE']).toContain(code);
    expect(ours.destroyed).toBe(true);
  });

  it('resetAndDestroy gives the peer one', async () => {
    const [client, stream] = await pair();
    client.resume();
    const error = once(client, 'error');
    stream.resetAndDestroy();
    expect(await error).toMatchObject([{ code: 'ECONNRESET' }]);
  });
});

describe('connecting', () => {
  it('tells of it, and has the addresses', async () => {
    const { port } = serving();
    const stream = destroyed(new socket_stream());
    expect([stream.pending, stream.connecting]).toEqual([true, false]);
    const ready = once(stream, 'ready');
    stream.connect(['127.0.0.1', port]);
    expect([stream.pending, stream.connecting, stream.readyState]).toEqual([true, true, 'opening']);
    await ready;
    expect([stream.pending, stream.connecting, stream.readyState]).toEqual([false, false, 'open']);
    expect(stream.remoteAddress).toBe('127.0.0.1');
    expect(stream.remotePort).toBe(port);
    expect(stream.remoteFamily).toBe('IPv4');
    expect(stream.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
  });

  it('what is written before goes out, and end waits for it', async () => {
    const { next, port } = serving();
    const stream = destroyed(new socket_stream());
    stream.write('be');
    stream.end('fore');
    stream.connect(port, '127.0.0.1');
    expect((await all(await next())).toString()).toBe('before');
  });

  it('an end without anything written waits for the connection', async () => {
    const { next, port } = serving();
    const stream = destroyed(new socket_stream().end());
    stream.connect(['127.0.0.1', port]);
    expect((await all(await next())).length).toBe(0);
  });

  it('a failure is an error with its code', async () => {
    const { server, port } = serving();
    server.close();
    const stream = destroyed(new socket_stream().connect(['127.0.0.1', port]));
    const results = written(stream, [Buffer.from('a'), Buffer.from('b')]);
    const [error] = await once(stream, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED', port });
    expect((await results).every((code) => code !== null)).toBe(true);
  });

  it('destroy before the connection calls back what waits, and leaves nothing', async () => {
    const { port } = serving();
    const stream = new socket_stream().connect(['127.0.0.1', port]);
    const results = written(stream, [Buffer.from('a'), Buffer.from('b')]);
    stream.destroy();
    expect(await results).toEqual(['ERR_STREAM_DESTROYED', 'ERR_STREAM_DESTROYED']);
    await turn();
    expect(stream.channel.fileno()).toBe(-1);
  });

  it('wrong arguments throw at the call', () => {
    const stream = new socket_stream();
    expect(() => stream.connect(['127.0.0.1', -1])).toThrow(RangeError);
    expect(() => stream.connect('x\0' as never)).toThrow(TypeError);
    const datagrams = own(new Socket(undefined, SOCK_DGRAM));
    expect(() => new socket_stream(datagrams)).toThrow(TypeError);
  });
});

describe('what a net.Socket has', () => {
  const quiet = (stream: socket_stream) => {
    stream.setNoDelay(false).setNoDelay().setKeepAlive(true, 10_000).setKeepAlive(false);
    stream.setTimeout(1000).setTimeout(0).ref().unref().ref();
    stream.address();
    return [stream.remoteAddress, stream.localPort, stream.bytesRead, stream.bytesWritten];
  };

  it('throws nothing before the connection, nor after the end', async () => {
    const stream = new socket_stream();
    expect(quiet(stream)).toEqual([undefined, undefined, 0, 0]);
    stream.destroy();
    quiet(stream);
    const [client, other] = await pair();
    client.destroy();
    quiet(client);
    expect(client.remoteAddress).toBe('127.0.0.1');
    other.destroy();
  });

  it('options asked for before the connection are set when it is there', async () => {
    const { port } = serving();
    const stream = destroyed(new socket_stream().setNoDelay(false).setKeepAlive(true, 5000));
    stream.connect(['127.0.0.1', port]);
    await once(stream, 'connect');
    expect(stream.channel.getsockopt(IPPROTO_TCP, TCP_NODELAY)).toBe(0);
    expect(stream.channel.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).not.toBe(0);
  });

  it('timeout comes once, and again after something happened', async () => {
    const [client, stream] = await pair();
    stream.resume();
    const heard = vi.fn();
    stream.setTimeout(20).on('timeout', heard);
    await once(stream, 'timeout');
    // Three timeouts long: a second event would have come by then.
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(heard).toHaveBeenCalledTimes(1);
    client.write('x');
    await once(stream, 'timeout');
    expect(stream.destroyed).toBe(false);
  });

  it('destroySoon writes what waits first', async () => {
    const [client, stream] = await pair();
    client.write(Buffer.alloc(3 * MB));
    client.destroySoon();
    expect((await all(stream)).length).toBe(3 * MB);
  });
});

describe('streams of Node', () => {
  it('pipeline through a transform', async () => {
    const [client, stream] = await pair({ allowHalfOpen: true });
    const upper = new Transform({
      transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()),
    });
    const serving = pipeline(stream, upper, stream);
    client.end('hello');
    expect((await all(client)).toString()).toBe('HELLO');
    await serving;
  });

  it('pipeline destroys it when the other side fails', async () => {
    const [client] = await pair();
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('x');
        throw new Error('broken');
      })(),
    );
    await expect(pipeline(broken, client)).rejects.toThrow('broken');
    expect(client.destroyed).toBe(true);
  });

  it('leaving a for await destroys it', async () => {
    const [client, stream] = await pair();
    client.write('x');
    for await (const _ of stream) break;
    expect(stream.destroyed).toBe(true);
    client.resume();
    await finished(client);
  });
});

describe('from a channel', () => {
  it('takes its socket, with the bytes that are still unread', async () => {
    const [sock, theirs] = socketpair();
    const map = new Map();
    const channel = new dispatcher(sock, map);
    theirs.send(Buffer.from('line'));
    const stream = destroyed(new socket_stream(channel));
    expect(map.size).toBe(0);
    expect(channel.socket).toBe(null);
    theirs.close();
    expect((await all(stream)).toString()).toBe('line');
  });

  it('what a listener throws goes to the process, and the stream goes on', async () => {
    const [client, stream] = await pair();
    const caught = once(process, 'uncaughtException');
    const before = process.listeners('uncaughtException');
    stream.once('data', () => {
      throw new Error('of a listener');
    });
    client.write('x');
    expect(String(await caught)).toBe('Error: of a listener,uncaughtException');
    expect(before.length).toBeGreaterThan(0);
    const data = once(stream, 'data');
    client.write('y');
    expect(String(await data)).toBe('y');
  });
});

onEveryPoller((use_poll) => {
  it('runs on a map and a loop of the program’s own', async () => {
    const map = new Map();
    const [ours, theirs] = socketpair();
    const first = new socket_stream(ours, { map });
    const second = new socket_stream(theirs, { map });
    expect(map.size).toBe(2);
    first.end(Buffer.alloc(MB));
    second.end();
    first.resume();
    const [received] = await Promise.all([all(second), loop({ map, use_poll })]);
    expect(received.length).toBe(MB);
  });
});

it('10,000 opened and closed leave nothing', async () => {
  const { server, port } = serving();
  server.handle_accepted = (sock) => new socket_stream(sock).resume().end('bye');
  const open = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
  const some = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const stream = new socket_stream().connect(['127.0.0.1', port]);
        expect((await all(stream)).toString()).toBe('bye');
      }),
    );
  await some(100);
  const before = open();
  for (let i = 0; i < 100; i++) await some(100);
  await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(before), 5000);
}, 120_000);
