/** A new socket, or another attempt to connect, is a new life: nothing is left of the former one. */
import { dispatcher, dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import { AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, Socket, TCP_NODELAY } from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import {
  connection,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  Recorder,
  readAll,
  refusing,
  Sender,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('after a reconnect nothing of the former output goes to the next connection', async () => {
      const stage = new Stage(use_poll);
      const doors = [listener(family), listener(family)];
      const channel = new Sender(stage);
      channel.handle_close = () => {
        stage.say('close');
        channel.create_socket(family);
        channel.connect(doors[1].getsockname());
        channel.send(hello);
      };
      channel.create_socket(family);
      channel.connect(doors[0].getsockname());
      await stage.until('connect');
      channel.send(Buffer.alloc(8 << 20));
      own(doors[0].accept()[0]).close();
      await stage.until(() => stage.count('connect') === 2);
      await stage.passes(3);
      const theirs = own(patient(doors[1].accept()[0]));
      channel.close();
      expect(String(readAll(theirs))).toBe('hello');
      expect(stage.trace).toEqual(['connect', 'close', 'connect']);
    });

    it('create_socket on a connected channel begins anew, and tells nothing', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family);
      const channel = new Sender(stage, ours);
      await stage.passes(2);
      channel.create_socket(family);
      const { connected, connecting, accepting, addr, close_reason } = channel;
      expect([connected, connecting, accepting, addr, close_reason]).toEqual([
        false,
        false,
        false,
        null,
        null,
      ]);
      expect(theirs.recv(10).length).toBe(0); // the former socket is closed
      await stage.passes();
      expect([stage.trace, await stage.isIdle()]).toEqual([[], true]);
      const door = listening(new Recorder(stage), family);
      channel.connect(door.getsockname());
      await stage.until('connect');
    });

    it('what was sent before the first connection goes out on it, whichever attempt succeeds', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new Sender(stage);
      channel.send(hello);
      channel.create_socket(family);
      channel.connect(door.getsockname());
      await stage.until('connect');
      await stage.passes(3);
      channel.close();
      expect(String(readAll(own(patient(door.accept()[0]))))).toBe('hello');
    });

    it('a closed channel that connects again keeps no word of the end before', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const [ours, theirs] = connection(family);
      const channel = new Sender(stage, ours);
      channel.close_when_done();
      channel.linger_time = 0;
      await stage.until('close');
      theirs.close();
      channel.create_socket(family);
      expect([channel.close_reason, channel.closing]).toEqual([null, false]);
      channel.connect(door.getsockname());
      await stage.until('connect');
      channel.send(hello);
      await stage.passes(3);
      channel.close();
      expect(String(readAll(own(patient(door.accept()[0]))))).toBe('hello');
    });
  });
});

class Seeker extends Recorder {
  addresses: [string, number][] = [];
  next(): void {
    const address = this.addresses.shift();
    if (address === undefined) return;
    if (this.socket === null || this.socket.fileno() < 0) this.create_socket(AF_INET);
    this.connect(address);
  }
  override handle_connect_error(error: unknown): void {
    this.stage.say(`failed ${(error as { code: string }).code}`);
    this.next();
  }
  override handle_close(): void {
    this.stage.say('close');
    this.next();
  }
}

const ways: [string, (stage: Stage) => Promise<void>][] = [
  ['select', (stage) => stage.passes(1)],
  ['poll', (stage) => stage.passes(1)],
  ['default', (stage) => stage.passes(1)],
  ['poll()', async ({ map }) => poll(0.05, map)],
  ['poll2()', async ({ map }) => poll2(0.05, map)],
];

describe.each(ways)('by %s', (name, pass) => {
  const use_poll = name === 'select' ? false : name === 'poll' ? true : undefined;

  it.each(['a new socket', 'the same socket'])(
    'addresses are tried one after the other, each failure told once, on %s',
    async (which) => {
      const stage = new Stage(use_poll);
      const door = listener();
      const [host, port] = door.getsockname();
      const channel = new Seeker(stage);
      if (which === 'a new socket') {
        const { next } = channel;
        channel.next = () => {
          if (channel.addresses.length > 0) channel.create_socket(AF_INET);
          next.call(channel);
        };
      }
      channel.addresses = [refusing(), refusing(), refusing(), [String(host), Number(port)]];
      channel.next();
      for (let i = 0; i < 200 && !stage.trace.includes('connect'); i++) await pass(stage);
      const refused = 'failed ECONNREFUSED';
      expect(stage.trace).toEqual([refused, refused, refused, 'connect']);
      expect(channel.connected).toBe(true);
      channel.handle_close = () => channel.close();
    },
  );

  // The failure comes as several events at once, and the socket stays in the map as it is.
  describe.skipIf(process.platform !== 'linux')('on Linux, where a full listener is silent', () => {
    it.each(hasInet6() ? [AF_INET, AF_INET6] : [AF_INET])(
      'what is left of a failed attempt is not taken for the success of the next',
      async (family) => {
        const stage = new Stage(use_poll);
        const full = listener(family, 0);
        for (let i = 0; i < 3; i++) own(new Socket(family)).connect_ex(full.getsockname());
        const channel = new Recorder(stage);
        channel.handle_connect_error = (error) => {
          stage.say(`failed ${(error as { code: string }).code}`);
          channel.connect(full.getsockname());
        };
        channel.create_socket(family);
        channel.connect(refusing(family));
        for (let i = 0; i < 200 && stage.trace.length === 0; i++) await pass(stage);
        for (let i = 0; i < 3; i++) await pass(stage);
        expect(stage.trace).toEqual(['failed ECONNREFUSED']);
        expect([channel.connected, channel.connecting]).toEqual([false, true]);
      },
    );
  });

  it('handle_close that connects again is not told of the former connection', async () => {
    const stage = new Stage(use_poll);
    const door = listener();
    const [host, port] = door.getsockname();
    const channel = new Seeker(stage);
    channel.next = () => {
      channel.create_socket(AF_INET);
      channel.connect([String(host), Number(port)]);
    };
    channel.next();
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 200 && stage.count('connect') === i; j++) await pass(stage);
      own(door.accept()[0]).close();
    }
    for (let j = 0; j < 200 && stage.count('connect') < 4; j++) await pass(stage);
    expect(stage.trace).toEqual([
      'connect',
      'close',
      'connect',
      'close',
      'connect',
      'close',
      'connect',
    ]);
    channel.handle_close = () => channel.close();
  });
});

onEveryPoller((use_poll) => {
  it('an attempt begun by a timer after a failure is a new one', async () => {
    const stage = new Stage(use_poll);
    const door = listener();
    const channel = new Sender(stage);
    channel.handle_connect_error = () => {
      stage.say('failed');
      setImmediate(() => channel.connect(door.getsockname()));
    };
    channel.create_socket(AF_INET);
    channel.connect(refusing());
    await stage.until('connect');
    expect(stage.trace).toEqual(['failed', 'connect']);
  });

  describe('TCP_NODELAY', () => {
    const noDelay = (socket: Socket | null) => socket?.getsockopt(IPPROTO_TCP, TCP_NODELAY) !== 0;
    class Plain extends dispatcher_with_send {
      override handle_connect(): void {}
      override handle_close(): void {
        this.close();
      }
    }
    class Delaying extends Plain {
      override no_delay = false;
    }

    it.each([
      [Plain, true],
      [Delaying, false],
    ])('of %o, when it connects and when it is accepted, is %s', async (kind, expected) => {
      const stage = new Stage(use_poll);
      const server = listening(new dispatcher(null, stage.map));
      let accepted: dispatcher_with_send | null = null;
      server.handle_accepted = (sock) => {
        accepted = new kind(sock, stage.map);
        stage.say('accepted');
      };
      const client = new kind(null, stage.map);
      client.create_socket(AF_INET, SOCK_STREAM);
      expect(noDelay(client.socket)).toBe(false);
      client.connect(server.getsockname());
      await stage.until('accepted');
      await stage.passes(3);
      const made = accepted as unknown as dispatcher_with_send; // a callback has set it
      expect([noDelay(client.socket), noDelay(made.socket)]).toEqual([expected, expected]);
    });

    it('is set again on the socket of a reconnect', async () => {
      const stage = new Stage(use_poll);
      const door = listener();
      const channel = new Sender(stage);
      for (let i = 1; i <= 2; i++) {
        channel.create_socket(AF_INET);
        channel.connect(door.getsockname());
        await stage.until(() => stage.count('connect') === i);
        expect(noDelay(channel.socket)).toBe(true);
      }
    });

    it('is asked of no Unix socket, and of no bare Socket', async () => {
      const stage = new Stage(use_poll);
      const bare = own(new Socket(AF_INET));
      expect(noDelay(bare)).toBe(false);
      const [ours] = connection(1);
      let options = 0;
      ours.setsockopt = () => {
        options += 1;
      };
      new Sender(stage, ours);
      await stage.passes(3);
      expect(options).toBe(0);
    });
  });
});
