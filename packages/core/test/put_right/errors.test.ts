/** What handlers throw: where it goes, and that it takes down no more than it must. */
import { compact_traceback, dispatcher, ExitNow, poll, poll2 } from '@asyncore/core';
import { errno, OSError, type Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { about, handlers } from '../events.js';
import {
  clients,
  connection,
  listening,
  onEveryPoller,
  own,
  Recorder,
  reset,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** A channel with the library's own handle_error and handle_close, where they are not replaced. */
class Plain extends Recorder {
  override handle_error = dispatcher.prototype.handle_error;
}

onEveryPoller((use_poll) => {
  const thrower = (error: unknown) => ({
    sync: () => {
      throw error;
    },
    async: async () => {
      await null;
      throw error;
    },
  });

  describe.each(['sync', 'async'] as const)('from %s handlers', (how) => {
    it.each(handlers)('ExitNow leaves the loop from %s', async (handler) => {
      const stage = new Stage(use_poll);
      about(handler, new Recorder(stage), thrower(new ExitNow('bye'))[how]);
      await expect(stage.loop()).rejects.toThrow(new ExitNow('bye'));
    });

    it.each(handlers.filter((name) => name !== 'handle_close'))(
      'any other error goes from %s to handle_error',
      async (handler) => {
        const stage = new Stage(use_poll);
        const channel = about(handler, new Recorder(stage), thrower(new Error('spam'))[how]);
        await stage.until('error spam');
        expect(stage.count('error spam')).toBe(1);
        expect(channel.connected).toBe(false);
      },
    );

    // CPython: it leaves the loop, and the server is down (A20).
    it('an error from handle_close is logged, and closes the channel', async () => {
      const stage = new Stage(use_poll);
      const channel = new Plain(stage);
      about('handle_close', channel, thrower(new Error('spam'))[how]);
      await stage.loop();
      expect(stage.trace).toEqual([expect.stringMatching(/^error: .*Error:spam/)]);
      expect(channel.fileno()).toBe(-1);
    });

    it('an error from handle_close after another error is logged as well', async () => {
      const stage = new Stage(use_poll);
      const channel = new Plain(stage);
      const fails = thrower(new Error('eggs'))[how];
      let calls = 0;
      channel.handle_close = () => (++calls < 10 ? fails() : channel.close());
      about('handle_read', channel, thrower(new Error('spam'))[how]);
      await stage.loop();
      expect(stage.trace).toEqual([
        expect.stringMatching(/^error: .*Error:spam/),
        expect.stringMatching(/^error: .*Error:eggs/),
      ]);
    });

    it('an error from handle_error leaves the loop', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      const fails = thrower(new Error('eggs'))[how];
      channel.handle_error = (...args) => {
        stage.say(`error ${args[0]}`);
        return stage.trace.length < 10 ? fails() : channel.close();
      };
      about('handle_read', channel, thrower(new Error('spam'))[how]);
      await expect(stage.loop()).rejects.toThrow('eggs');
      expect(stage.trace).toEqual(['error Error: spam']);
    });
  });

  it('ExitNow leaves the loop from readable, writable and handle_error', async () => {
    for (const name of ['readable', 'writable', 'handle_error'] as const) {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      const exit = () => {
        throw new ExitNow();
      };
      channel[name] = exit;
      const fail = () => {
        throw new Error('spam');
      };
      about('handle_read', channel, fail);
      await expect(stage.loop()).rejects.toThrow(ExitNow);
    }
  });

  // CPython: it leaves the loop.
  it.each(['readable', 'writable'] as const)(
    'an error in %s goes to handle_error',
    async (name) => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage);
      channel[name] = () => {
        throw new Error('spam');
      };
      about('handle_write', channel, () => {});
      await stage.loop();
      expect(stage.trace).toEqual(['error spam']);
    },
  );

  // CPython: through handle_error, which closes the connection (A8).
  it('a recv that finds nothing is no error', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new Plain(stage, ours);
    channel.handle_read = () => {
      for (;;) stage.say(`read ${channel.recv(100).length}`);
    };
    theirs.send(hello);
    await stage.until('read 5');
    theirs.send(hello);
    await stage.until(() => stage.count('read 5') === 2);
    expect(channel.connected).toBe(true);
    expect(stage.trace).toEqual(['read 5', 'read 5']);
  });

  it('a recv that finds nothing is no error in an async handler', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new Plain(stage, ours);
    channel.handle_read = async () => {
      stage.say(`read ${channel.recv(100).length}`);
      await null;
      channel.recv(100);
    };
    theirs.send(hello);
    await stage.until('read 5');
    await stage.passes();
    expect(channel.connected).toBe(true);
  });

  const disconnects = ['ECONNRESET', 'ENOTCONN', 'ESHUTDOWN', 'ECONNABORTED', 'EPIPE', 'EBADF'];
  // A peer out of reach counts where there was a connection; CPython has a traceback (A27).
  const unreachable = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'];

  // CPython, select: handle_error.
  it.each([...disconnects, ...unreachable])('%s goes to handle_close', async (code) => {
    const stage = new Stage(use_poll);
    about('handle_read', new Recorder(stage), () => {
      throw new OSError('recv', errno[code]);
    });
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it.each(['EINVAL', 'ENOBUFS', 'EMSGSIZE'])('%s goes to handle_error', async (code) => {
    const stage = new Stage(use_poll);
    about('handle_read', new Recorder(stage), () => {
      throw new OSError('recv', errno[code]);
    });
    await stage.loop();
    expect(stage.trace).toEqual([`error recv ${code}`]);
  });

  it.each(unreachable)('recv and send take %s for the end of a connection', (code) => {
    for (const call of ['recv', 'send'] as const) {
      const stage = new Stage(use_poll);
      const [ours] = connection();
      const channel = new Recorder(stage, ours);
      ours[call] = () => {
        throw new OSError(call, errno[code]);
      };
      const result = call === 'recv' ? channel.recv(10).length : channel.send(hello);
      expect([result, ...stage.trace]).toEqual([0, 'close']);
    }
  });

  it('without a connection it is an error like others', () => {
    const channel = own(new dispatcher());
    channel.create_socket();
    const socket = channel.socket as Socket; // it was just created
    socket.send = () => {
      throw new OSError('send', errno.EHOSTUNREACH);
    };
    expect(() => channel.send(hello)).toThrow('send EHOSTUNREACH');
  });

  it('a failing channel takes no other one with it', async () => {
    const stage = new Stage(use_poll);
    about('handle_read', new Plain(stage), () => {
      throw new Error('spam');
    });
    const [ours, theirs] = connection();
    new Recorder(stage, ours);
    await stage.until('close');
    theirs.send(hello);
    await stage.until('read 5');
    expect(stage.trace).toEqual([expect.stringContaining('spam'), 'close', 'read 5']);
  });

  it('a channel whose handle_close leaves it open is told no more after an error', async () => {
    const stage = new Stage(use_poll);
    const channel = new Plain(stage);
    channel.handle_close = () => stage.say('close');
    about('handle_read', channel, () => {
      throw new Error('spam');
    });
    await stage.until('close');
    await stage.passes();
    expect(stage.trace).toEqual([expect.stringContaining('spam'), 'close']);
    expect(await stage.isIdle()).toBe(true);
  });

  const fail = () => {
    throw new Error('a trap');
  };
  const illegible: Record<string, object> = {
    'a Proxy without a class': new Proxy(new Error('spam'), { getPrototypeOf: fail }),
    'a Proxy without properties': new Proxy(new Error('spam'), { get: fail }),
    'an Error without a code': Object.defineProperty(new Error('spam'), 'code', { get: fail }),
  };

  it.each(Object.entries(illegible))('%s goes to handle_error', async (_, error) => {
    for (const how of ['sync', 'async'] as const) {
      const stage = new Stage(use_poll);
      const channel = new Plain(stage);
      let given: unknown;
      channel.handle_error = (...args) => {
        given = args[0];
        dispatcher.prototype.handle_error.apply(channel, args);
      };
      about('handle_read', channel, thrower(error)[how]);
      await stage.loop();
      expect([given === error, stage.trace]).toEqual([
        true,
        [expect.stringMatching(/^error: uncaptured exception/), 'close'],
      ]);
    }
  });

  it.each(Object.entries(illegible))(
    '%s in handle_accepted closes no listener',
    async (_, error) => {
      const stage = new Stage(use_poll);
      const server = listening(new Plain(stage));
      server.handle_accepted = thrower(error).sync;
      clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(stage.trace).toEqual([expect.stringMatching(/closing the new connection of/)]);
      expect(server.accepting).toBe(true);
    },
  );

  it('a reset found by nobody else is told to handle_close', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    new Recorder(stage, ours);
    reset(theirs);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });
});

it('handle_error logs the class, the message and where it came from', () => {
  const stage = new Stage();
  class Broken extends Recorder {
    override handle_error = dispatcher.prototype.handle_error;
    override toString(): string {
      throw new Error('no form');
    }
  }
  const fail = () => new Broken(stage).handle_error(new RangeError('spam'));
  fail();
  expect(stage.trace[0]).toMatch(
    /^error: uncaptured exception, closing channel <.*Broken> \(RangeError:spam \[.*errors\.test\.ts\|.*fail\|\d+\].*\)$/,
  );
});

it.each([
  [
    'thrown by the handler',
    () => JSON.parse('{'),
    /^\[[^|\]]*errors\.test\.ts\|[^|]+\|\d+\]( \[.*\])?$/,
  ],
  [
    'thrown by what it calls',
    () => connection()[0].recv(-1),
    /^\[[^|\]]*errors\.test\.ts\|[^|]+\|\d+\] \[.*recv/,
  ],
])('the traceback of an error %s begins with the handler', async (_, fail, info) => {
  const stage = new Stage();
  const channel = new Recorder(stage);
  channel.handle_error = (error) => {
    stage.say(compact_traceback(error)[3]);
    channel.close();
  };
  about('handle_read', channel, fail);
  await stage.loop();
  expect(stage.trace[0]).toMatch(info);
});

it.each([
  [undefined, 'undefined:undefined'],
  [null, 'object:null'],
  ['a string', "string:'a string'"],
  [42, 'number:42'],
  [{ code: 'EGGS' }, "Object:{ code: 'EGGS' }"],
  [Object.create(null), 'object:[Object: null prototype] {}'],
])('handle_error takes %j', (error, form) => {
  const stage = new Stage();
  const channel = new Recorder(stage);
  channel.handle_error = dispatcher.prototype.handle_error;
  channel.handle_error(error);
  expect(stage.trace[0]).toMatch(/^error: uncaptured exception, closing channel /);
  expect(stage.trace[0]).toContain(` (${form})`);
});

it.each([
  ['poll', poll],
  ['poll2', poll2],
])('what would leave a loop is thrown by %s', (_, pass) => {
  const stage = new Stage();
  about('handle_read', new Recorder(stage), () => {
    throw new ExitNow();
  });
  expect(() => pass(1, stage.map)).toThrow(ExitNow);
});
