/** What can be seen of channels from outside: diagnostics_channel, NODE_DEBUG, inspect_map, perf_hooks. */
import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks';
import {
  type bytes_message,
  type channel_message,
  type close_message,
  dispatcher,
  endpoint,
  inspect_map,
  measure_channels,
  type Transport,
} from '@asyncore/core';
import { AF_INET, AF_UNIX, MSG_PEEK, SOCK_DGRAM, Socket, socketpair } from '@asyncore/socket';
import { afterEach, describe, expect, it } from 'vitest';
import {
  connection,
  duck,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  reset,
  Sender,
  Stage,
} from './support.js';

const NAMES = 'open listen connecting connect accept receive send error close'.split(' ');
const heard: (() => void)[] = [];
afterEach(() => {
  for (const stop of heard.splice(0)) stop();
});

/** Hears the messages of `names`, and says them to `stage`. */
function hear(stage: Stage, names = NAMES): [name: string, message: channel_message][] {
  const messages: [string, channel_message][] = [];
  for (const name of names) {
    const hears = (message: unknown) => {
      messages.push([name, message as channel_message]);
      stage.say(`told ${name}`);
    };
    subscribe(`asyncore:channel:${name}`, hears);
    heard.push(() => unsubscribe(`asyncore:channel:${name}`, hears));
  }
  return messages;
}

class Echo extends Sender {
  override handle_read = () => {
    const data = this.recv(100);
    if (data.length > 0) this.send(data);
    this.stage.say('echoed');
  };
}

class Server extends Recorder {
  override handle_accepted(sock: Socket): void {
    new Echo(this.stage, sock);
  }
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('tells the life of both ends in order', async () => {
      const stage = new Stage(use_poll);
      const messages = hear(stage);
      const server = listening(new Server(stage), family);
      const client = new Sender(stage);
      client.handle_connect = () => {
        client.send(Buffer.from('hello'));
      };
      client.handle_read = () => {
        client.recv(100);
        client.close();
      };
      client.create_socket(family);
      client.connect(server.getsockname());
      await stage.until(() => stage.count('told close') === 2);
      const told = (ours: (channel: object) => boolean) =>
        messages.filter(([, { channel }]) => ours(channel)).map(([name]) => name);
      expect(told((channel) => channel === server)).toEqual(['open', 'listen', 'accept']);
      expect(told((channel) => channel === client)).toEqual([
        ...['open', 'connecting', 'connect', 'send', 'receive', 'close'],
      ]);
      expect(told((channel) => channel instanceof Echo)).toEqual([
        ...['open', 'connect', 'receive', 'send', 'close'],
      ]);
    });
  });

  it('inspect_map counts what goes through, where somebody has asked for it', async () => {
    const stage = new Stage();
    hear(stage, ['close']);
    const [ours, theirs] = connection(family);
    const channel = new Echo(stage, ours);
    theirs.send(Buffer.from('hello'));
    await stage.until('echoed');
    const [row] = inspect_map(stage.map).rows;
    expect(row).toMatchObject({ fd: channel.fileno(), class: 'Echo', state: 'connected' });
    expect(row).toMatchObject({ bytes_in: 5, bytes_out: 5, queued: 0 });
  });
});

describe('the message of an end', () => {
  async function closeOf(end: (channel: Echo, theirs: Socket) => void): Promise<close_message> {
    const stage = new Stage();
    const messages = hear(stage, ['close']);
    const [ours, theirs] = connection();
    const channel = new Echo(stage, ours);
    end(channel, theirs);
    if (messages.length === 0) await stage.until('told close');
    return messages[0][1] as close_message;
  }

  it('has the error of a reset', async () => {
    const { reason, why, seconds } = await closeOf((_, theirs) => reset(theirs));
    expect(reason).toMatchObject({ code: 'ECONNRESET' });
    expect(why).toBe('recv ECONNRESET');
    expect(seconds).toBeGreaterThanOrEqual(0);
  });

  it('has words for an ordinary one', async () => {
    const ordinary = await closeOf((_, theirs) => theirs.close());
    expect(ordinary).toMatchObject({ reason: null, why: 'the peer ended it' });
    expect((await closeOf((channel) => channel.close())).why).toBe('close() was called');
    const done = await closeOf((channel, theirs) => {
      channel.close_when_done();
      theirs.close();
    });
    expect(done.why).toBe('close_when_done() was called');
    const detached = await closeOf((channel) => own(reopened(channel.detach())));
    expect(detached.why).toBe('detach() gave its descriptor away');
  });

  it('comes once, and for a socket that another one follows', () => {
    const stage = new Stage();
    const messages = hear(stage, ['close']);
    const channel = new Recorder(stage);
    channel.create_socket();
    channel.create_socket();
    expect(messages.map(([, message]) => (message as close_message).why)).toEqual([
      'another socket took its place',
    ]);
    channel.close();
    channel.close();
    expect(messages.length).toBe(2);
  });
});

/** A descriptor that is the test's to close. */
function reopened(fd: number): { close(): void } {
  const [some] = socketpair();
  some.close();
  return (some.constructor as typeof Socket).from_fd(fd);
}

it('tells the error of a failed attempt and of a handler', async () => {
  const stage = new Stage();
  const messages = hear(stage, ['error']);
  const door = listener();
  const address = door.getsockname();
  door.close();
  const client = new Recorder(stage);
  client.create_socket();
  client.handle_error = () => client.close();
  client.connect(address);
  await stage.until('told error');
  expect(messages[0][1]).toMatchObject({ channel: client, error: { code: 'ECONNREFUSED' } });
});

onEveryPoller((use_poll) => {
  it('tells what handle_close throws, once', async () => {
    const stage = new Stage(use_poll);
    const messages = hear(stage, ['error']);
    const [ours, theirs] = connection();
    const channel = new Recorder(stage, ours);
    const thrown = new Error('in handle_close');
    channel.handle_close = () => {
      throw thrown;
    };
    theirs.close();
    await stage.until(() => stage.map.size === 0);
    expect(messages.map(([, message]) => message)).toMatchObject([{ channel, error: thrown }]);
  });

  it.each(['connect', 'create_connection'] as const)(
    'tells why %s has failed once, also where its own handler gets that',
    async (method) => {
      const stage = new Stage(use_poll);
      const messages = hear(stage, ['error']);
      const door = listener();
      const address = door.getsockname();
      door.close();
      const own_handler = new Recorder(stage);
      own_handler.handle_connect_error = () => own_handler.close();
      const other = new Recorder(stage);
      other.handle_error = () => other.close();
      for (const channel of [own_handler, other]) {
        if (method === 'connect') channel.create_socket();
        channel[method](address as [string, number]);
      }
      await stage.until(() => own_handler[endpoint].closed && other[endpoint].closed);
      const told = messages.map(([, { channel }]) => channel);
      expect(told.length).toBe(2);
      expect(new Set(told)).toEqual(new Set([own_handler, other]));
      expect(messages[0][1]).toMatchObject({ error: { code: 'ECONNREFUSED' } });
    },
  );
});

it('a create_connection is one life, on the socket that has won', async () => {
  const stage = new Stage();
  const messages = hear(stage);
  const server = listening(new Server(stage));
  const client = new Sender(stage);
  client.handle_connect = () => client.close();
  client.send(Buffer.from('hello'));
  client.create_connection(server.getsockname());
  await stage.until(() => stage.count('told close') === 2);
  const ours = messages.filter(([, { channel }]) => channel === client);
  expect(ours.map(([name]) => name)).toEqual(['open', 'connecting', 'connect', 'send', 'close']);
});

it('a life that ended while nobody heard of ends is not told to a later subscriber', () => {
  const stage = new Stage();
  hear(stage, ['open']);
  const channel = new Recorder(stage);
  channel.create_socket();
  channel.close();
  const messages = hear(stage, ['close']);
  channel.create_socket();
  expect(messages).toEqual([]);
  channel.close();
  expect(messages.length).toBe(1);
});

it('a transport on the same descriptor goes on with the life', () => {
  const stage = new Stage();
  const messages = hear(stage, ['open', 'close', 'send']);
  const [ours] = connection();
  const channel = new dispatcher<Transport>(ours, stage.map);
  channel.set_socket({
    fileno: () => ours.fileno(),
    recv: (bufsize) => ours.recv(bufsize),
    send: (data) => ours.send(data),
    getsockopt: (level, option) => ours.getsockopt(level, option),
    close: () => ours.close(),
  });
  expect(messages.map(([name]) => name)).toEqual(['open']);
  channel.send(Buffer.from('hello'));
  expect(messages.slice(1)).toMatchObject([['send', { channel, bytes: 5 }]]);
  expect(inspect_map(stage.map).rows[0].bytes_out).toBe(5);
});

it('tells of a socket that another channel has taken over to that one', () => {
  const stage = new Stage();
  const messages = hear(stage, ['send']);
  const [ours] = connection();
  new Recorder(stage, ours);
  const heir = new Recorder(stage, ours);
  heir.send(Buffer.from('hello'));
  expect(messages.length).toBe(1);
  expect(messages[0][1].channel).toBe(heir);
});

it('covers every method of a socket that sends or receives', () => {
  const stage = new Stage();
  hear(stage, ['send']);
  const [ours] = connection();
  new Recorder(stage, ours);
  const methods = Object.getOwnPropertyNames(Socket.prototype).filter((name) =>
    /^(send|recv)/.test(name),
  );
  expect(methods).toContain('sendfile');
  // These call sendmsg and recvmsg of the same socket.
  const through = ['send_fds', 'recv_fds'];
  const uncovered = methods.filter((name) => !Object.hasOwn(ours, name));
  expect(uncovered.sort()).toEqual(through.sort());
});

it('counts a look ahead once, and each way of receiving and sending', () => {
  const stage = new Stage();
  const messages = hear(stage, ['receive', 'send']);
  const [ours, theirs] = socketpair();
  own(theirs);
  const channel = new Recorder(stage, ours);
  theirs.send(Buffer.from('hello world'));
  channel.recv(5, MSG_PEEK);
  channel.recv(5);
  channel.recv_into(Buffer.alloc(2));
  channel.recvmsg(2);
  channel.recv_fds(100, 1);
  channel.send(Buffer.from('x'));
  channel.sendmsg([Buffer.from('ab'), Buffer.from('c')]);
  channel.send_fds([Buffer.from('d')], [0]);
  const moved = messages.map(([name, message]) => [name, (message as bytes_message).bytes]);
  expect(moved).toEqual([
    ...[5, 2, 2, 2].map((bytes) => ['receive', bytes]),
    ...[1, 3, 1].map((bytes) => ['send', bytes]),
  ]);
});

it('counts the bytes of many datagrams, of those that were taken', () => {
  const stage = new Stage();
  const messages = hear(stage, ['receive', 'send']);
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
  own(theirs);
  const channel = new Recorder(stage, ours);
  for (const text of ['hello', 'you']) theirs.send(Buffer.from(text));
  channel.recvmmsg(5, 100, MSG_PEEK);
  channel.recvmmsg(5, 100);
  channel.sendmmsg([[Buffer.from('ab')], [Buffer.alloc(1 << 20)]]);
  channel.sendmmsg(new Set<[Buffer]>([[Buffer.from('cde')]]));
  const moved = messages.map(([name, message]) => [name, (message as bytes_message).bytes]);
  expect(moved).toEqual([
    ...[5, 3].map((bytes) => ['receive', bytes]),
    ...[2, 3].map((bytes) => ['send', bytes]),
  ]);
});

it('covers nothing while nobody has subscribed', () => {
  const stage = new Stage();
  const [ours] = connection();
  new Recorder(stage, ours);
  expect(Object.keys(ours)).not.toContain('recv');
  expect(Object.hasOwn(ours, 'recv')).toBe(false);
});

describe('inspect_map', () => {
  it.skipIf(process.platform !== 'linux')(
    'has the kernel count a TCP connection (runs on Linux: TCP_INFO)',
    async () => {
      const stage = new Stage();
      const [ours, theirs] = connection(AF_INET);
      const channel = new Echo(stage, ours);
      theirs.send(Buffer.from('hello'));
      await stage.until('echoed');
      const [row] = inspect_map(stage.map).rows;
      const [host, port] = theirs.getsockname();
      expect(row).toMatchObject({ bytes_in: 5, bytes_out: 5, peer: `${host}:${port}` });
      expect(row.idle).toBeLessThan(10);
      theirs.shutdown(1);
      channel.handle_eof = () => stage.say('eof');
      await stage.until('eof');
      expect(inspect_map(stage.map).rows[0]).toMatchObject({ state: 'half-closed', bytes_in: 5 });
    },
  );

  it('prints a table', () => {
    const stage = new Stage();
    const server = listening(new Server(stage));
    stage.map.set(99, duck());
    const [host, port] = server.getsockname();
    const width = `${host}:${port}`.length;
    expect(String(inspect_map(stage.map))).toBe(
      [
        `fd  class   state      ${'local'.padEnd(width)}  peer  in  out  queued  idle`,
        `${server.fileno()}  Server  listening  ${host}:${port}  -      -    -       -     -`,
        `99  Object  other      ${'-'.padEnd(width)}  -      -    -       -     -`,
      ].join('\n'),
    );
    expect(String(inspect_map(new Map()))).toBe('no channels');
  });

  it('says how much waits, and since when', () => {
    const stage = new Stage();
    const channel = new Sender(stage);
    channel.create_socket();
    channel.timeout = 30;
    channel.send(Buffer.from('hello'));
    const [row] = inspect_map(stage.map).rows;
    expect(row).toMatchObject({ state: 'unconnected', queued: 5, local: '0.0.0.0:0', peer: null });
    expect(() => inspect_map({} as never)).toThrow('inspect_map: map must be a Map');
  });

  it('a closed descriptor is no error', () => {
    const stage = new Stage();
    const [ours] = connection();
    new Recorder(stage, ours);
    ours.close();
    expect(inspect_map(stage.map).rows[0]).toMatchObject({ local: null, bytes_in: null });
  });
});

it('measure_channels gives entries to a PerformanceObserver, and keeps none', async () => {
  const stage = new Stage();
  const entries: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => entries.push(...list.getEntries()));
  observer.observe({ entryTypes: ['measure'] });
  const stop = measure_channels();
  const server = listening(new Server(stage));
  const client = new Sender(stage);
  client.handle_connect = () => {
    client.close();
    stage.say('closed');
  };
  client.create_socket();
  client.connect(server.getsockname());
  await stage.until('closed');
  stop();
  entries.push(...observer.takeRecords());
  observer.disconnect();
  const detail = { class: 'Sender', address: server.getsockname() };
  expect(entries.find(({ name }) => name === 'asyncore:connect')).toMatchObject({ detail });
  const channel = entries.find(({ name }) => name === 'asyncore:channel');
  expect(channel).toMatchObject({ detail: { ...detail, bytes_in: 0, why: 'close() was called' } });
  expect(performance.getEntriesByType('measure')).toEqual([]);
});

it('NODE_DEBUG=asyncore tells the life of a channel in lines', () => {
  const program = `
    import { dispatcher_with_send, loop } from '@asyncore/core';
    import { socketpair } from '@asyncore/socket';
    class Echo extends dispatcher_with_send {
      handle_read() { const data = this.recv(10); if (data.length > 0) this.send(data); }
    }
    const [ours, theirs] = socketpair();
    new Echo(ours);
    theirs.send(Buffer.from('hello'));
    await loop({ count: 1 });
    theirs.recv(10);
    theirs.close();
    await loop();
  `;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, NODE_DEBUG: 'asyncore' },
    timeout: 60_000,
  });
  const lines = stderr.replaceAll(/^ASYNCORE \d+: Echo fd=\d+ /gm, '').split('\n');
  expect(lines.slice(0, 4)).toEqual([
    'opened',
    'connected to a socket without a name',
    'received 5 bytes',
    'sent 5 bytes',
  ]);
  expect(lines[4]).toMatch(/^closed after \d+\.\d{3} s, 5 bytes in, 5 out: the peer ended it$/);
});
