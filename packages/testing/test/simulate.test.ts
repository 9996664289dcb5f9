import { dispatcher, dispatcher_with_send, ExitNow, loop, poll, socket_map } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import {
  AF_INET6,
  AF_UNIX,
  close,
  get_blocking,
  type InetAddress,
  pipe,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
  write,
} from '@asyncore/socket';
import { binding, clock, native } from '@asyncore/socket/kernel';
import { type network, simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';
import { CalculatorServer } from './lines.js';

const HERE: [string, number] = ['127.0.0.1', 7000];
const realClock = clock;

/** Connects, and notes what it is told. */
class Client extends dispatcher_with_send {
  readonly told: string[] = [];
  constructor(address: InetAddress) {
    super();
    this.create_socket(address[0].includes('::') ? AF_INET6 : undefined);
    this.connect(address);
  }
  override handle_connect() {
    this.told.push('connect');
  }
  override handle_connect_error(error: unknown) {
    this.told.push((error as NodeJS.ErrnoException).code ?? String(error));
    this.close();
  }
  override handle_read() {
    const data = this.recv(8192).toString();
    if (data !== '') this.told.push(data);
  }
  override handle_close() {
    this.told.push('close');
    this.close();
  }
}

it('gives what the body gives, and puts the system back', async () => {
  const result = await simulate({}, () => {
    expect(binding).not.toBe(native);
    expect(clock).not.toBe(realClock);
    return 5;
  });
  expect(result).toBe(5);
  expect(binding).toBe(native);
  expect(clock).toBe(realClock);
});

it('closes what the body has left open', async () => {
  let server: dispatcher | undefined;
  await simulate({}, async (net) => {
    server = new CalculatorServer();
    net.connect(HERE);
    await net.settle();
    expect(net.open()).toEqual(['CalculatorServer :7000', 'queue', 'Calculator :7000→40001']);
  });
  expect(socket_map.size).toBe(0);
  expect(server?.socket?.fileno()).toBe(-1);
});

it('rejects with what the body throws, and what leaves a loop', async () => {
  await expect(
    simulate({}, () => {
      throw new Error('in the body');
    }),
  ).rejects.toThrow('in the body');
  class Leaves extends Client {
    override handle_connect() {
      throw new ExitNow('enough');
    }
  }
  const leaving = simulate({}, async (net) => {
    net.listen(HERE);
    new Leaves(HERE);
    await net.settle();
  });
  await expect(leaving).rejects.toBeInstanceOf(ExitNow);
  await simulate({}, () => {}); // and the next one is none the worse
});

it('there is one network at a time, and none beside open channels', async () => {
  await simulate({}, async () => {
    await expect(simulate({}, () => {})).rejects.toThrow('a network is being simulated already');
  });
  const channel = new dispatcher();
  channel.create_socket();
  try {
    await expect(simulate({}, () => {})).rejects.toThrow('socket_map is not empty');
  } finally {
    channel.close();
  }
});

it('300 seconds take no time, and a wait that cannot succeed fails at once', async () => {
  let start = performance.now();
  await simulate({}, (net) => net.advance(300));
  await simulate({}, async (net) => {
    new CalculatorServer();
    const peer = net.connect(HERE);
    await peer.expect('ready');
    start = performance.now();
    await net.advance(300);
    expect(peer.ended).toBe('end');
    expect(performance.now() - start).toBeLessThan(500); // some 2 ms when nothing else runs
    const other = net.connect(HERE);
    start = performance.now();
    await expect(other.expect('more')).rejects.toThrow(
      /^peer2 expects "more"; there is "\+ ready\\r\\n", and then end$/,
    );
    await expect(net.until(() => false, 'pigs fly')).rejects.toThrow(
      'nothing more happens, and not: pigs fly',
    );
    expect(performance.now() - start).toBeLessThan(500);
  });
});

it('several may wait at once', () =>
  simulate({}, async (net) => {
    new CalculatorServer();
    const order: string[] = [];
    const [one, two] = [net.connect(HERE).send('add 1 1\r\n'), net.connect(HERE)];
    await Promise.all([
      one.expect('= 2').then(() => order.push('one')),
      net.advance(10).then(() => order.push('ten seconds')),
      net.advance(5).then(() => {
        order.push('five seconds');
        two.send('add 2 2\r\n');
      }),
      two.expect('= 4').then(() => order.push('two')),
    ]);
    expect(order).toEqual(['one', 'five seconds', 'two', 'ten seconds']);
    expect(net.now).toBe(10);
  }));

it('a program that calls loop itself is left to it', () =>
  simulate({}, async (net) => {
    new CalculatorServer();
    const running = loop();
    const peer = net.connect(HERE);
    await peer.expect('ready');
    const failed = await loop().catch((error) => error.message);
    expect(failed).toBe('loop: a loop already runs on this map: await the promise of that one');
    for (const channel of socket_map.values()) channel.close?.();
    await net.settle();
    await running;
  }));

it('a program that spins is stopped', async () => {
  class Spinning extends dispatcher {
    override handle_write() {}
    override writable() {
      return true;
    }
  }
  const spinning = simulate({}, async (net) => {
    net.listen(HERE);
    const channel = new Spinning();
    channel.create_socket();
    channel.connect(HERE);
    await net.advance(1);
  });
  await expect(spinning).rejects.toThrow('something spins: in 2000 turns');
});

it('an attempt to connect is refused where nobody listens', () =>
  simulate({}, async (net) => {
    const client = new Client(HERE);
    await net.settle();
    expect(client.told).toEqual(['ECONNREFUSED']);
  }));

it('refuse and blackhole do what they say, until they are ended', () =>
  simulate({}, async (net) => {
    net.listen(HERE);
    const allow = net.refuse(HERE);
    const refused = new Client(HERE);
    await net.settle();
    allow();
    const swallow = net.blackhole(['127.0.0.1']);
    const lost = new Client(HERE);
    await net.advance(100);
    expect([refused.told, lost.told]).toEqual([['ECONNREFUSED'], []]);
    await net.advance(100);
    expect(lost.told).toEqual(['ETIMEDOUT']);
    swallow();
    const client = new Client(HERE);
    await net.settle();
    expect(client.told).toEqual(['connect']);
  }));

it('a connection through a black hole ends after a quarter of an hour', () =>
  simulate({}, async (net) => {
    const listener = net.listen(HERE);
    const client = new Client(HERE);
    await listener.accept();
    net.blackhole(HERE);
    client.send(Buffer.from('anybody?'));
    await net.advance(900);
    expect(client.told).toEqual(['connect']);
    await net.advance(100);
    expect(client.told.at(-1)).toBe('close');
  }));

it('names are those of the network', () =>
  simulate({ hosts: { 'mail.example': '10.0.0.1' } }, async (net) => {
    const listener = net.listen(['mail.example', 25]);
    expect(listener.address).toEqual(['10.0.0.1', 25]);
    const known = new Client(['mail.example', 25]);
    const unknown = new Client(['other.example', 25]);
    const peer = await listener.accept();
    peer.send('220 hello').close();
    await net.settle();
    expect(known.told).toEqual(['connect', '220 hello', 'close']);
    expect(unknown.told).toEqual(['ENOTFOUND']);
    expect(() => net.connect(['other.example', 25])).toThrow("is not among the network's hosts");
  }));

it('addresses of a name race each other, a quarter of a second apart', () =>
  simulate({ hosts: { 'here.example': ['10.0.0.1', '10.0.0.2'] } }, async (net) => {
    net.blackhole(['10.0.0.1']);
    const listener = net.listen(['10.0.0.2', 80]);
    class Racer extends dispatcher_with_send {
      when = -1;
      override handle_connect() {
        this.when = net.now;
      }
    }
    const racer = new Racer();
    racer.create_connection(['here.example', 80]);
    await listener.accept();
    await net.until(() => racer.when >= 0, 'it is connected');
    expect(racer.getpeername()).toEqual(['10.0.0.2', 80]);
    expect(racer.when).toBeGreaterThan(0.25);
    expect(racer.when).toBeLessThan(0.26);
  }));

it("a channel's own timers are virtual", () =>
  simulate({}, async (net) => {
    const server = new CalculatorServer();
    const told: number[] = [];
    server.call_later(3600, () => told.push(net.now));
    const every = server.call_every(600, () => told.push(-net.now));
    await net.advance(1500);
    every.cancel();
    await net.advance(3000);
    expect(told.map(Math.round)).toEqual([-600, -1200, 3600]);
  }));

it('a listener on every interface takes IPv4 too, at its IPv6 form', () =>
  simulate({}, async (net) => {
    const addresses: unknown[] = [];
    class Server extends dispatcher {
      override handle_accepted(sock: Socket, address: unknown) {
        addresses.push(address);
        sock.close();
      }
    }
    const server = new Server();
    server.create_socket(AF_INET6);
    server.bind(['::', 80]);
    server.listen();
    net.connect(['10.1.2.3', 80]);
    net.connect(['::1', 80]);
    await net.settle();
    expect(addresses.map((address) => (address as InetAddress)[0])).toEqual([
      '::ffff:10.1.2.3',
      '::1',
    ]);
  }));

it('running out of descriptors is EMFILE', () =>
  simulate({ descriptors: 5 }, () => {
    const sockets = Array.from({ length: 5 }, () => new Socket());
    expect(() => new Socket()).toThrow('EMFILE');
    for (const socket of sockets) socket.close();
  }));

it('a blocking pass takes virtual time', () =>
  simulate({}, (net) => {
    new CalculatorServer();
    poll(7);
    expect(net.now).toBe(7);
    expect(() => poll(null)).toThrow('waits for ever');
  }));

it('bare sockets, Unix sockets and datagrams are there too', () =>
  simulate({ loopback: true }, () => {
    const [a, b] = socketpair();
    a.send(Buffer.from('x'));
    expect(b.recv(5).toString()).toBe('x');
    a.close();
    expect(b.recv(5).length).toBe(0);
    b.close();
    const server = new Socket(AF_UNIX);
    server.bind('/run/nowhere');
    server.listen();
    const client = new Socket(AF_UNIX);
    client.connect('/run/nowhere');
    const [accepted] = server.accept();
    client.send_fds([Buffer.from('take it')], [server.fileno()]);
    const [data, [fd]] = accepted.recv_fds(100, 1);
    expect(data.toString()).toBe('take it');
    expect(Socket.from_fd(fd).getsockname()).toBe('/run/nowhere');
    for (const socket of [server, client, accepted]) socket.close();
  }));

it('a file_dispatcher reads a pipe to its end', () =>
  simulate({}, async (net) => {
    const [reading, writing] = pipe();
    let got = '';
    class Reader extends file_dispatcher {
      override writable() {
        return false;
      }
      override handle_read() {
        const data = this.recv(100).toString();
        got += data;
      }
      override handle_close() {
        got += '.';
        this.close();
      }
    }
    const reader = new Reader(reading);
    expect(get_blocking(reading)).toBe(false);
    write(writing, Buffer.from('through the pipe'));
    await net.until(() => got !== '', 'something comes');
    close(writing);
    await net.until(() => got.endsWith('.'), 'the end');
    expect(got).toBe('through the pipe.');
    expect(get_blocking(reading)).toBe(true); // as it was
    expect(reader.fileno()).toBe(-1);
    write(pipe()[1], Buffer.alloc(65536));
    expect(() => write(pipe()[0], Buffer.from('x'))).toThrow('EBADF');
    close(reading);
  }));

it('datagrams go to and fro', () =>
  simulate({}, async (net) => {
    class Upper extends dispatcher {
      override handle_read() {
        const [data, address] = (this.socket as Socket).recvfrom(100);
        this.sendto(Buffer.from(data.toString().toUpperCase()), address as InetAddress);
      }
      override writable() {
        return false;
      }
    }
    const server = new Upper();
    server.create_socket(undefined, SOCK_DGRAM);
    server.bind(['127.0.0.1', 53]);
    const peer = net.datagrams().send('hello', ['127.0.0.1', 53]);
    const { data, from } = await peer.receive();
    expect([data.toString(), from]).toEqual(['HELLO', ['127.0.0.1', 53]]);
    await expect(peer.receive()).rejects.toThrow('nothing more happens, and not: a datagram comes');
  }));

it('in a wild network datagrams are lost, doubled and overtaken', async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed < 60; seed++) {
    await simulate({ seed }, async (net) => {
      const peer = net.datagrams(['127.0.0.1', 9]);
      const other = net.datagrams();
      for (const text of ['1', '2', '3']) other.send(text, ['127.0.0.1', 9]);
      await net.settle();
      seen.add(peer.received.map(({ data }) => data.toString()).join(''));
    });
  }
  const all = [...seen];
  expect(all).toContain('123');
  expect(all.some((text) => text.length < 3)).toBe(true);
  expect(all.some((text) => /(.).*\1/.test(text))).toBe(true);
  expect(all.some((text) => /21|31|32/.test(text))).toBe(true);
});

it('what is not simulated says so', () =>
  simulate({}, () => {
    expect(() => new Socket(AF_UNIX + 100)).toThrow(
      /^simulated network: a socket of family 101 and type 1 is not simulated$/,
    );
    const socket = new Socket();
    expect(() => socket.setsockopt(SOL_SOCKET, 9999, 1)).toThrow('is not simulated');
    socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 5000);
    expect(socket.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBe(10000);
    socket.close();
  }));

it('a trace is kept if it is asked for', async () => {
  const play = async (net: network) => {
    new CalculatorServer();
    await net.connect(HERE).send('quit\r\n').end();
    return net.trace();
  };
  expect(await simulate({}, play)).toEqual([]);
  const trace = await simulate({ trace: true }, play);
  expect(trace).toContain('0.00010 s    peer1 is connected to 127.0.0.1:7000');
  expect(trace.join('\n')).toMatch(
    /Calculator :7000→40001 recv "quit\\r\\n" {2}in Calculator.handle_read/,
  );
  await expect(
    simulate({ trace: true }, async (net) => {
      await play(net);
      throw new Error('no');
    }),
  ).rejects.toThrow(/^no\n {4}0\.00000 s/);
});

it.each([
  [{ seeds: 1 } as object, 'simulate: there is no option seeds, only'],
  [null as unknown as object, 'simulate: options must be an object'],
  [
    { hosts: { 'a.example': 5 } } as object,
    'simulate: hosts has no address, nor a list of them, for a.example',
  ],
])('wrong options throw: %j', async (options, message) => {
  await expect(simulate(options, () => {})).rejects.toThrow(message);
});

it('a wait for a time that is none is refused', () =>
  simulate({}, async (net) => {
    const peer = net.listen(['127.0.0.1', 7000]);
    const waits = [
      () => net.until(() => false, 'never', Number.NaN),
      () => peer.accept(-1),
      () => net.advance(Infinity),
      () => net.advance('5' as never),
      () => net.settle(Infinity),
      () => net.settle(Number.NaN),
    ];
    for (const wait of waits) await expect((async () => wait())()).rejects.toThrow(RangeError);
  }));

it('addresses may be constant', () =>
  simulate({}, async (net) => {
    const here = ['127.0.0.1', 7000] as const;
    const listener = net.listen(here);
    net.connect(here).send('hello');
    const peer = await listener.accept();
    expect(await peer.expect('hello')).toBe('hello');
    const datagrams = net.datagrams(here);
    net.datagrams().send('hello', here);
    expect((await datagrams.receive()).data.toString()).toBe('hello');
  }));

it('says where nobody could be reached', () =>
  simulate({}, async (net) => {
    await expect(net.connect(HERE).expect('hello')).rejects.toThrow(
      /^peer1 expects "hello"; it could not connect to 127\.0\.0\.1:7000: ECONNREFUSED$/,
    );
    await expect(net.connect('127.0.0.1').expect('hello')).rejects.toThrow(
      'it could not connect to the path 127.0.0.1: ENOENT',
    );
  }));

it.each<[string, (net: network) => unknown, string]>([
  ['connect', (net) => net.connect(['here', '7000'] as never), 'connect: an address is [host,'],
  ['listen', (net) => net.listen(undefined as never), 'listen: an address is [host, port]'],
  ['blackhole', (net) => net.blackhole('10.0.0.1' as never), 'blackhole: an address is [host,'],
  ['refuse', (net) => net.refuse(['10.0.0.1', 70000]), 'refuse: an address is [host, port]'],
  ['until', (net) => net.until(5 as never), 'until: condition must be a function'],
  ['expect', (net) => net.listen(HERE) && net.connect(HERE).expect(5 as never), 'expect: what'],
])('a wrong argument of %s throws', (_, call, message) =>
  simulate({}, async (net) => {
    const wrong = (async () => call(net))();
    await expect(wrong).rejects.toBeInstanceOf(TypeError);
    await expect(wrong).rejects.toThrow(message);
  }),
);
