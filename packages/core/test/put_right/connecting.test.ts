/** Connecting: when it stands, when it fails, and names looked up beside the loop. */
import { lookup } from 'node:dns/promises';
import { dispatcher, dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import {
  type Address,
  AF_INET6,
  AF_UNIX,
  OSError,
  SO_ERROR,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';
import { PATIENCE } from '@asyncore/test-support/stage';
import { describe, expect, it, vi } from 'vitest';
import {
  accepted,
  free,
  listener,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  Recorder,
  refusing,
  Stage,
} from '../support.js';

/** Says how an attempt failed, and stays open. */
class Persistent extends Recorder {
  override handle_connect_error(error: unknown): void {
    this.stage.say(`failed ${(error as OSError).code}`);
  }
}

function connecting<T extends dispatcher>(channel: T, address: Address, family?: number): T {
  channel.create_socket(family);
  channel.connect(address);
  return channel;
}

onEveryFamily((family) => {
  it('what a pass within handle_connect_event has reported is not reported again, also if that throws', () => {
    const stage = new Stage();
    const door = listener(family);
    const channel = connecting(new Recorder(stage), door.getsockname(), family);
    own(accepted(door)).send(Buffer.from('hello'));
    let isWithin = false;
    channel.handle_connect_event = () => {
      if (isWithin) throw new Error('within');
      isWithin = true;
      poll(0, stage.map);
      Recorder.prototype.handle_connect_event.call(channel);
    };
    channel.handle_error = () => stage.say('error');
    channel.handle_read = () => stage.say('read');
    poll(0, stage.map);
    // A socket of AF_UNIX is connected at once, so there is nothing to complete.
    expect(stage.count('read')).toBe(family === AF_UNIX ? 1 : 0);
  });

  onEveryPoller((use_poll) => {
    // CPython: connected is set after handle_connect; what is pushed there only queues (A13).
    it('connected is true inside handle_connect, and what is sent there goes out', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new Recorder(stage);
      channel.handle_connect = () => {
        stage.say(`connected ${channel.connected}, connecting ${channel.connecting}`);
        channel.send(Buffer.from('hello'));
      };
      connecting(channel, door.getsockname(), family);
      await stage.until(() => stage.trace.length > 0);
      expect(stage.trace[0]).toBe('connected true, connecting false');
      expect(String(patient(accepted(door)).recv(10))).toBe('hello');
    });

    it('so it is with dispatcher_with_send', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new dispatcher_with_send(null, stage.map);
      channel.handle_connect = () => {
        channel.send(Buffer.from('hello'));
        stage.say('connect');
      };
      connecting(channel, door.getsockname(), family);
      await stage.until('connect');
      expect(channel.out_buffer.length).toBe(0);
      expect(String(patient(accepted(door)).recv(10))).toBe('hello');
    });

    it('handle_connect comes first, once', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new Recorder(stage);
      channel.handle_write = () => stage.say('write');
      channel.writable = () => stage.count('write') < 3;
      connecting(channel, door.getsockname(), family);
      accepted(door).send(Buffer.from('hello'));
      await stage.until(() => stage.count('write') === 3);
      await stage.passes();
      expect(stage.trace[0]).toBe('connect');
      expect([stage.count('connect'), stage.count('read 5')]).toEqual([1, 1]);
    });
  });
});

onEveryPoller((use_poll) => {
  // CPython: an exception in the middle of handle_error (A34).
  it('a refused connection is told to handle_connect_error with its address', async () => {
    const stage = new Stage(use_poll);
    const [host, port] = refusing();
    const channel = new Persistent(stage);
    let error: unknown;
    channel.handle_connect_error = (thrown) => {
      error = thrown;
      channel.close();
    };
    connecting(channel, [host, port]);
    await stage.loop();
    expect(error).toBeInstanceOf(OSError);
    expect(error).toMatchObject({
      message: `connect ECONNREFUSED ${host}:${port}`,
      code: 'ECONNREFUSED',
      address: host,
      port,
    });
    expect(stage.trace).toEqual([]);
  });

  it('the default of handle_connect_error is handle_error', async () => {
    const stage = new Stage(use_poll);
    connecting(new Recorder(stage), refusing());
    await stage.loop();
    expect(stage.trace).toEqual([expect.stringMatching(/^error connect ECONNREFUSED 127/)]);
  });

  it('the default of handle_error closes what could not connect', async () => {
    const stage = new Stage(use_poll);
    const channel = new Recorder(stage);
    channel.handle_error = dispatcher.prototype.handle_error;
    connecting(channel, refusing());
    await stage.loop();
    expect(stage.trace).toEqual([expect.stringContaining('OSError:connect ECONNREFUSED'), 'close']);
  });

  // CPython: two places read it, and the second one gets 0 (A32).
  it('SO_ERROR is read once', async () => {
    const stage = new Stage(use_poll);
    const channel = connecting(new Persistent(stage), refusing());
    const asked = vi.spyOn(channel.socket as Socket, 'getsockopt'); // it was just created
    await stage.until('failed ECONNREFUSED');
    await stage.passes();
    expect(stage.trace).toEqual(['failed ECONNREFUSED']);
    expect(asked.mock.calls).toEqual([[SOL_SOCKET, SO_ERROR]]);
  });

  describe('left open after it failed, a channel', () => {
    it('rests', async () => {
      const stage = new Stage(use_poll);
      const channel = connecting(new Persistent(stage), refusing());
      channel.handle_write = () => stage.say('write');
      await stage.until('failed ECONNREFUSED');
      await stage.passes();
      expect(stage.trace).toEqual(['failed ECONNREFUSED']);
      expect(await stage.isIdle()).toBe(true);
      expect([channel.connecting, stage.map.size]).toEqual([false, 1]);
    });

    it('connects again', async () => {
      const stage = new Stage(use_poll);
      const channel = connecting(new Persistent(stage), refusing());
      await stage.until('failed ECONNREFUSED');
      setTimeout(() => channel.connect(listener().getsockname()));
      await stage.until('connect');
      await stage.passes();
      expect(stage.trace).toEqual(['failed ECONNREFUSED', 'connect']);
    });

    it('connects again from within handle_connect_error, as often as it takes', async () => {
      const stage = new Stage(use_poll);
      const channel = new Persistent(stage);
      channel.handle_connect_error = () => {
        stage.say('failed');
        channel.connect(stage.trace.length < 3 ? refusing() : listener().getsockname());
      };
      connecting(channel, refusing());
      await stage.until('connect');
      await stage.passes();
      expect(stage.trace).toEqual(['failed', 'failed', 'failed', 'connect']);
    });

    it.each(['closing', 'leaving'])('connects with a new socket, %s the old one', async (how) => {
      const stage = new Stage(use_poll);
      const channel = new Persistent(stage);
      channel.handle_connect_error = () => {
        stage.say('failed');
        if (how === 'closing') channel.close();
        else own(channel.socket as Socket); // it was created below
        connecting(channel, listener().getsockname());
      };
      connecting(channel, refusing());
      await stage.until('connect');
      await stage.passes();
      expect(stage.trace).toEqual(['failed', 'connect']);
      expect([...stage.map]).toEqual([[channel.fileno(), channel]]);
    });

    it('connects again after an established connection has ended', async () => {
      const stage = new Stage(use_poll);
      const door = listener();
      const channel = connecting(new Recorder(stage), door.getsockname());
      channel.handle_close = () => {
        stage.say('close');
        channel.close();
        if (stage.count('close') === 1) connecting(channel, door.getsockname());
      };
      accepted(door).close();
      await stage.until(() => stage.count('connect') === 2);
      accepted(door).close();
      await stage.until(() => stage.count('close') === 2);
      expect(stage.trace).toEqual(['connect', 'close', 'connect', 'close']);
    });
  });

  describe('a name', () => {
    // getaddrinfo knows what no numeric address is; nothing is asked of the network.
    const named = (door: Socket): Address => ['127.1', Number(door.getsockname()[1])];

    it('is looked up in the background', async () => {
      const stage = new Stage(use_poll);
      const door = listener();
      const channel = connecting(new Recorder(stage), named(door));
      expect([channel.connecting, channel.connected, channel.addr]).toEqual([
        true,
        false,
        named(door),
      ]);
      await stage.until('connect');
      expect(channel.addr).toEqual(door.getsockname());
      expect(stage.trace).toEqual(['connect']);
    });

    it('may be looked up before any loop runs', async () => {
      const stage = new Stage(use_poll);
      const channel = connecting(new Recorder(stage), named(listener()));
      await lookup('127.1');
      await new Promise(setImmediate);
      expect(channel.connecting).toBe(true);
      await stage.until('connect');
    });

    it('that does not exist is a failed attempt', async () => {
      const stage = new Stage(use_poll);
      connecting(new Persistent(stage), ['nowhere.invalid', 80]);
      await stage.until(() => stage.trace.length > 0);
      await stage.passes();
      expect(stage.trace).toEqual([expect.stringMatching(/^failed (ENOTFOUND|EAI_)/)]);
    });

    it('may lead to where nobody listens', async () => {
      const stage = new Stage(use_poll);
      const [, port] = refusing();
      connecting(new Persistent(stage), ['127.1', port]);
      await stage.until('failed ECONNREFUSED');
    });

    it('is forgotten when the channel closes during the look-up', async () => {
      const stage = new Stage(use_poll);
      const channel = connecting(new Recorder(stage), named(listener()));
      process.nextTick(() => channel.close()); // before any answer is delivered
      await stage.loop();
      await lookup('127.1');
      await new Promise(setImmediate);
      expect(stage.trace).toEqual([]);
    });

    it('is forgotten when the channel connects elsewhere during the look-up', async () => {
      const stage = new Stage(use_poll);
      const door = listener();
      const channel = connecting(new Recorder(stage), ['nowhere.invalid', 80]);
      channel.connect(door.getsockname());
      await stage.until('connect');
      await lookup('nowhere.invalid').catch(() => {});
      await stage.passes();
      expect(stage.trace).toEqual(['connect']);
    });

    it('waits for nothing while it is looked up', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel.handle_write = () => stage.say('write');
      connecting(channel, ['nowhere.invalid', 80]);
      await stage.passes();
      expect(stage.trace).not.toContain('write');
    });
  });
});

it('localhost needs no look-up', () => {
  const stage = new Stage();
  const channel = connecting(new Recorder(stage), [
    'localhost',
    Number(listener().getsockname()[1]),
  ]);
  poll2(2, stage.map);
  expect(channel.connected).toBe(true);
});

it('a name looked up is connected to in a synchronous pass', async () => {
  const stage = new Stage();
  connecting(new Recorder(stage), ['127.1', Number(listener().getsockname()[1])]);
  // Node's threads answer in no particular order, and not while a pass blocks.
  const end = performance.now() + PATIENCE * 1000;
  while (stage.trace.length === 0 && performance.now() < end) {
    await new Promise(setImmediate);
    poll2(0.01, stage.map);
  }
  expect(stage.trace).toEqual(['connect']);
});

it.each([
  [['127.0.0.1', -1], 'port'],
  [['127.0.0.1', 65536], 'port'],
  [['127.0.0.1', '80'], 'port'],
  [['127.0.0.1'], 'address'],
  ['/tmp/socket', 'address'],
  [null, 'address'],
  [[80, '127.0.0.1'], 'host'],
] as [Address, string][])('connect(%j) throws and starts nothing', (address, named) => {
  const channel = own(new dispatcher());
  channel.create_socket();
  expect(() => channel.connect(address)).toThrow(new RegExp(`^connect: ${named}`));
  expect([channel.connecting, channel.addr]).toEqual([false, null]);
});

it('an attempt that fails at once throws from connect, as in Python', () => {
  const channel = own(new dispatcher());
  channel.create_socket(AF_UNIX);
  expect(() => channel.connect(free(AF_UNIX))).toThrow(/^connect ENOENT/);
  expect([channel.connecting, channel.connected]).toEqual([false, false]);
});

it('a Unix listener whose queue is full throws from connect', () => {
  const door = listener(AF_UNIX, 0);
  const connect = () => {
    const channel = own(new dispatcher());
    channel.create_socket(AF_UNIX);
    channel.connect(door.getsockname());
  };
  connect();
  expect(connect).toThrow('connect EAGAIN');
});

it.each(['127.0.0.1', 'name.invalid'])(
  'connect to %s throws EBADF without an open socket',
  (host) => {
    const channel = new dispatcher();
    expect(() => channel.connect([host, 80])).toThrow('EBADF');
    channel.create_socket();
    channel.close();
    expect(() => channel.connect([host, 80])).toThrow('EBADF');
    expect(channel.connecting).toBe(false);
  },
);

it('an address of another family throws from connect', () => {
  const channel = own(new dispatcher());
  channel.create_socket(AF_INET6);
  expect(() => channel.connect(['127.0.0.1', 80])).toThrow('connect EAFNOSUPPORT');
});
