/** create_connection races the addresses of a host; create_server listens on a host of any family. */
// In a process of its own: it counts descriptors.
import dns from 'node:dns/promises';
import { readdirSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  getaddrinfo,
  type InetAddress,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOL_SOCKET,
  Socket,
  TCP_NODELAY,
} from '@asyncore/socket';
import { collect } from '@asyncore/test-support/collect';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  accepted,
  free,
  listener,
  onEveryPoller,
  own,
  patient,
  Recorder,
  readAll,
  Stage,
} from './support.js';

const HOST = 'somewhere.example';

// Addresses on which no other program of the machine is likely to have the port that a test takes.

// A resolver of our own, with the names that a test says.
const { lookup } = dns;
const names = new Map<string, string[]>();
beforeAll(() => {
  const found = async (host: string, { family = 0 }: { family?: number }) => {
    const all = (names.get(host) ?? []).map((address) => {
      return { address, family: address.includes(':') ? 6 : 4 };
    });
    const wanted = all.filter((each) => family === 0 || each.family === family);
    if (wanted.length === 0) throw Object.assign(new Error(), { errno: -3008 });
    return wanted;
  };
  Object.assign(dns, { lookup: found });
  syncBuiltinESMExports();
});
afterAll(() => {
  Object.assign(dns, { lookup });
  syncBuiltinESMExports();
});
afterEach(() => names.clear());

const portOf = (socket: { getsockname(): Address }) =>
  Number((socket.getsockname() as InetAddress)[1]);

/** A listener on `host`, on `port` if that is given. */
function on(host: string, port = 0, backlog?: number): Socket {
  const socket = own(new Socket(host.includes(':') ? AF_INET6 : AF_INET));
  socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1);
  socket.bind([host, port]);
  socket.listen(backlog);
  return socket;
}

/** A listener that lets attempts wait: its queue is full. */
function busy(host: string, port: number): Socket {
  const socket = on(host, port, 0);
  for (let i = 0; i < 2; i++) own(new Socket(AF_INET)).connect_ex([host, port]);
  return socket;
}

/** Sends a greeting before it is connected. */
class Client extends dispatcher_with_send {
  error: unknown = null;

  constructor(readonly stage: Stage) {
    super(null, stage.map);
    own(this);
  }

  override handle_connect(): void {
    this.stage.say(`connect ${this.getpeername()}`);
  }

  override handle_connect_error(error: unknown): void {
    this.error = error;
    this.stage.say(`failed: ${(error as Error).message}`);
    this.close();
  }

  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }

  override log_info(message: unknown): void {
    this.stage.say(`log ${message}`);
  }
}

const open = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
const inet6 = hasInet6();

onEveryPoller((use_poll) => {
  it.skipIf(!inet6)('a numeric IPv6 host connects (runs where ::1 is up)', async () => {
    const stage = new Stage(use_poll);
    const door = on('::1');
    new Client(stage).create_connection(['::1', portOf(door)]);
    await stage.until(`connect ::1,${portOf(door)},0,0`);
  });

  it('a path is one of AF_UNIX', async () => {
    const stage = new Stage(use_poll);
    const door = listener(AF_UNIX);
    const path = door.getsockname();
    new Client(stage).create_connection(path);
    await stage.until(`connect ${path}`);
  });

  it('the next address is tried at once when one refuses', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.3');
    names.set(HOST, ['127.63.7.1', '127.63.7.2', '127.63.7.3']);
    const client = new Client(stage);
    client.create_connection([HOST, portOf(door)], { attempt_delay: Infinity });
    await stage.until(`connect 127.63.7.3,${portOf(door)}`);
    expect(client.addr).toEqual(['127.63.7.3', portOf(door)]);
    expect(client.family_and_type?.[0]).toBe(AF_INET);
    expect(stage.map.size).toBe(1);
  });

  it('the next address is tried beside one that does not answer', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.2');
    const port = portOf(door);
    busy('127.63.7.1', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    await collect(); // what earlier tests have left open would close meanwhile
    const before = open();
    const client = new Client(stage);
    client.create_connection([HOST, port], { attempt_delay: 0.02 });
    await stage.until(`connect 127.63.7.2,${port}`);
    expect([...stage.map.values()]).toEqual([client]);
    expect(open() - before).toBe(process.platform === 'linux' ? 1 : 0);
  });

  it('a first address that answers late still wins, and the others are closed', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.1', 0, 0);
    const port = portOf(door);
    const fillers = [0, 1].map(() => own(new Socket()));
    for (const filler of fillers) filler.connect_ex(['127.63.7.1', port]);
    busy('127.63.7.2', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    const client = new Client(stage);
    client.create_connection([HOST, port], { attempt_delay: 0.02 });
    client.call_every(0.05, () => {
      while (typeof door.accept_ex() !== 'number'); // there is room: the next SYN comes in a second
    });
    await stage.until(`connect 127.63.7.1,${port}`);
    expect([...stage.map.values()]).toEqual([client]);
  });

  it('what was sent before goes to the winner only', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.2');
    const port = portOf(door);
    busy('127.63.7.1', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    const client = new Client(stage);
    client.send(Buffer.from('before '));
    client.create_connection([HOST, port], { attempt_delay: 0.02 });
    client.send(Buffer.from('after'));
    await stage.until(`connect 127.63.7.2,${port}`);
    const theirs = patient(accepted(door));
    client.close();
    expect(readAll(theirs).toString()).toBe('before after');
  });

  it('one failure is its own error', async () => {
    const stage = new Stage(use_poll);
    const port = portOf(on('127.63.7.2'));
    const client = new Client(stage);
    client.create_connection(['127.63.7.1', port]);
    await stage.loop();
    expect(stage.trace).toEqual([`failed: connect ECONNREFUSED 127.63.7.1:${port}`]);
    expect(client.error).toMatchObject({ code: 'ECONNREFUSED', address: '127.63.7.1', port });
  });

  it('several failures are one AggregateError', async () => {
    const stage = new Stage(use_poll);
    const port = portOf(on('127.63.7.9'));
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    const client = new Client(stage);
    client.create_connection([HOST, port]);
    await stage.loop();
    expect(client.error).toBeInstanceOf(AggregateError);
    expect(client.error).toMatchObject({
      code: 'ECONNREFUSED',
      message: `connect ${HOST}:${port} failed: connect ECONNREFUSED 127.63.7.1:${port}; connect ECONNREFUSED 127.63.7.2:${port}`,
      errors: [
        { code: 'ECONNREFUSED', address: '127.63.7.1', port },
        { code: 'ECONNREFUSED', address: '127.63.7.2', port },
      ],
    });
    expect(stage.trace.length).toBe(1);
  });

  it('a name that is not found is a gaierror', async () => {
    const stage = new Stage(use_poll);
    const client = new Client(stage);
    client.create_connection(['nowhere.example', 80]);
    await stage.loop();
    expect(client.error).toMatchObject({ code: 'ENOTFOUND', hostname: 'nowhere.example' });
  });

  it.each([0, 1, 5])('close ends it without a word, %i passes later', async (passes) => {
    const stage = new Stage(use_poll);
    const port = portOf(on('127.63.7.9'));
    busy('127.63.7.1', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    await collect(); // what earlier tests have left open would close meanwhile
    const before = open();
    const client = new Client(stage);
    client.create_connection([HOST, port], { attempt_delay: 0.01 });
    if (passes > 0) await stage.loop({ timeout: 0.02, count: passes });
    client.close();
    expect(stage.map.size).toBe(0);
    expect(open()).toBe(before);
    const other = new Recorder(stage, listener());
    await stage.loop({ timeout: 0.03, count: 2 });
    expect(stage.trace.filter((line) => !line.startsWith('log'))).toEqual([]);
    other.close();
  });

  it('timeout ends all of it with ETIMEDOUT', async () => {
    const stage = new Stage(use_poll);
    const port = portOf(on('127.63.7.9'));
    busy('127.63.7.1', port);
    busy('127.63.7.2', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    const client = new Client(stage);
    client.timeout = 0.1;
    client.create_connection([HOST, port], { attempt_delay: 0.01 });
    await stage.loop();
    expect(client.error).toMatchObject({ code: 'ETIMEDOUT', address: HOST, port });
    expect(stage.map.size).toBe(0);
  });

  it('source_address chooses the family, and is where it comes from', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.1');
    names.set(HOST, ['::1', '127.63.7.1']);
    const client = new Client(stage);
    client.create_connection([HOST, portOf(door)], { source_address: ['127.63.7.7', 0] });
    await stage.until(`connect 127.63.7.1,${portOf(door)}`);
    expect((client.getsockname() as InetAddress)[0]).toBe('127.63.7.7');
  });

  it('socket_options are set before it connects', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.1');
    const client = new Client(stage);
    client.create_connection(['127.63.7.1', portOf(door)], {
      socket_options: [[SOL_SOCKET, SO_KEEPALIVE, 1]],
    });
    await stage.until(`connect 127.63.7.1,${portOf(door)}`);
    expect(client.getsockopt(SOL_SOCKET, SO_KEEPALIVE)).not.toBe(0);
    expect(client.getsockopt(IPPROTO_TCP, TCP_NODELAY)).not.toBe(0);
  });

  it('may be tried again after it failed', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.1');
    const port = portOf(door);
    names.set(HOST, ['127.63.7.2', '127.63.7.3']);
    const client = new Client(stage);
    client.handle_connect_error = () => client.create_connection(['127.63.7.1', port]);
    client.create_connection([HOST, port]);
    await stage.until(`connect 127.63.7.1,${port}`);
  });

  it('ends when the channel connects elsewhere', async () => {
    const stage = new Stage(use_poll);
    const door = on('127.63.7.2');
    const port = portOf(door);
    busy('127.63.7.1', port);
    const client = new Client(stage);
    client.create_connection(['127.63.7.1', port]);
    client.create_socket();
    client.connect(['127.63.7.2', port]);
    await stage.until(`connect 127.63.7.2,${port}`);
    expect(stage.map.size).toBe(1);
  });

  it.skipIf(!inet6)('a dualstack server serves both families (runs where ::1 is up)', async () => {
    const stage = new Stage(use_poll);
    const peers: Address[] = [];
    class Server extends Recorder {
      override handle_accepted(sock: Socket, address: Address): void {
        peers.push(address);
        this.stage.say('accepted');
        sock.close();
      }
    }
    const server = new Server(stage);
    server.create_server(['', 0], { dualstack: true });
    const port = portOf(server);
    own(new Socket(AF_INET)).connect_ex(['127.0.0.1', port]);
    own(new Socket(AF_INET6)).connect_ex(['::1', port]);
    await stage.until(() => peers.length === 2);
    expect(peers.map(([host]) => host).sort()).toEqual(['::1', '::ffff:127.0.0.1']);
  });
});

describe.each([
  ['poll', poll],
  ['poll2', poll2],
])('%s, which blocks', (_, pass) => {
  it('tries the next address in time', async () => {
    const stage = new Stage();
    const door = on('127.63.7.2');
    const port = portOf(door);
    busy('127.63.7.1', port);
    names.set(HOST, ['127.63.7.1', '127.63.7.2']);
    const client = new Client(stage);
    client.create_connection([HOST, port], { attempt_delay: 0.02 });
    await new Promise(setImmediate); // the look-up
    for (let i = 0; i < 20 && stage.trace.length === 0; i++) pass(5, stage.map);
    expect(stage.trace).toEqual([`connect 127.63.7.2,${port}`]);
  });
});

describe('create_connection', () => {
  const client = () => new Client(new Stage());
  it.each<[string, unknown[], typeof TypeError | typeof RangeError]>([
    ['a port that is a string', [['127.63.7.1', '80']], TypeError],
    ['a port out of range', [['127.63.7.1', 65536]], RangeError],
    ['no address', [], TypeError],
    ['an object', [{ host: 'x' }], TypeError],
    ['an unknown option', [['127.63.7.1', 80], { delay: 1 }], TypeError],
    ['a delay below RFC 8305’s least', [['127.63.7.1', 80], { attempt_delay: 0.001 }], RangeError],
    ['a family that is none', [['127.63.7.1', 80], { family: 99 }], RangeError],
    ['a host of another family', [['::1', 80], { family: AF_INET }], RangeError],
    [
      'a source of another family',
      [['::1', 80], { source_address: ['127.63.7.1', 0] }],
      RangeError,
    ],
    ['a source that is a name', [['::1', 80], { source_address: ['a.example', 0] }], TypeError],
    ['options that are no list', [['::1', 80], { socket_options: 1 }], TypeError],
    ['an option that is none', [['::1', 80], { socket_options: [[1, 2]] }], TypeError],
  ])('throws at the call for %s', (_, args, kind) => {
    const one = client();
    expect(() => one.create_connection(...(args as [Address]))).toThrow(kind);
    expect(one.socket).toBe(null);
  });
});

describe('create_server', () => {
  it('listens on a host of each family without being told which', () => {
    const stage = new Stage();
    const hosts: Address[] = [['127.63.7.1', 0], ['', 0], ['localhost', 0], free(AF_UNIX)];
    if (inet6) hosts.push(['::1', 0]);
    for (const host of hosts) {
      const server = new Recorder(stage);
      server.create_server(host, { backlog: 3 });
      expect(server.accepting).toBe(true);
    }
  });

  it.skipIf(!inet6)('an IPv6 server leaves IPv4 alone unless asked (runs where ::1 is up)', () => {
    const stage = new Stage();
    const first = new Recorder(stage);
    first.create_server(['::', 0]);
    const second = new Recorder(stage);
    second.create_server(['0.0.0.0', portOf(first)]);
  });

  it('reuse_port lets two listen on one port', () => {
    const stage = new Stage();
    const first = new Recorder(stage);
    first.create_server(['127.63.7.1', 0], { reuse_port: true });
    const second = new Recorder(stage);
    second.create_server(['127.63.7.1', portOf(first)], { reuse_port: true });
  });

  it('leaves no socket when it fails, and may be tried again', () => {
    const stage = new Stage();
    const server = new Recorder(stage);
    expect(() => server.create_server(['127.63.7.1', portOf(on('127.63.7.1'))])).toThrow(
      'bind EADDRINUSE',
    );
    expect(server.socket).toBe(null);
    expect(stage.map.size).toBe(0);
    server.create_server(['127.63.7.1', 0]);
  });

  it.each<[string, unknown[]]>([
    ['dualstack of IPv4', [['127.63.7.1', 0], { dualstack: true }]],
    ['a negative backlog', [['127.63.7.1', 0], { backlog: -1 }]],
    ['an unknown option', [['127.63.7.1', 0], { reusePort: true }]],
    ['a family that is none', [['127.63.7.1', 0], { family: 99 }]],
    ['no address', []],
  ])('throws at the call for %s', (_, args) => {
    const server = new Recorder(new Stage());
    expect(() => server.create_server(...(args as [Address]))).toThrow(/create_server|address/);
    expect(server.socket).toBe(null);
  });
});

describe('getaddrinfo', () => {
  it('gives all addresses in the system’s order', async () => {
    names.set(HOST, ['127.63.7.2', '::1', '127.63.7.1']);
    expect(await getaddrinfo(HOST, 80)).toEqual([
      [AF_INET, ['127.63.7.2', 80]],
      [AF_INET6, ['::1', 80]],
      [AF_INET, ['127.63.7.1', 80]],
    ]);
    expect(await getaddrinfo(HOST, 80, { family: AF_INET6 })).toEqual([[AF_INET6, ['::1', 80]]]);
  });

  it('gives every interface for an empty host', async () => {
    expect(await getaddrinfo('', 7)).toEqual([
      [AF_INET6, ['::', 7]],
      [AF_INET, ['0.0.0.0', 7]],
    ]);
  });

  it('rejects with a gaierror, and throws for wrong arguments', async () => {
    await expect(getaddrinfo('nowhere.example', 7)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(() => getaddrinfo('x', -1)).toThrow(RangeError);
    expect(() => getaddrinfo(7 as never, 1)).toThrow(TypeError);
    expect(() => getaddrinfo('x', 1, { family: 3 })).toThrow(RangeError);
  });
});
