/** A listener survives whatever happens to the connections that it accepts. */
import { dispatcher, ExitNow, poll, poll2 } from '@asyncore/core';
import { type Address, BlockingIOError, errno, OSError, type Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  clients,
  connection,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  Stage,
} from '../support.js';

/** A listener whose default handle_error is the library's. */
class Server extends Recorder {
  override handle_error = dispatcher.prototype.handle_error;
  override handle_accepted(sock: Socket, _address: Address): void {
    own(sock);
    this.stage.say('accepted');
  }
}

/** The next connection, which waits. */
function taken(server: dispatcher): Socket {
  const [sock] = server.accept() ?? [];
  if (sock === undefined) throw new Error('no connection waits');
  return sock;
}

function take_all(server: dispatcher): void {
  for (let pair = server.accept(); pair !== null; pair = server.accept()) own(pair[0]);
}

const matching = (stage: Stage, what: RegExp) =>
  stage.trace.filter((line) => what.test(line)).length;

function fail(): never {
  throw new Error('spam');
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    // CPython: one in each pass (A12).
    it('accepts 50 waiting connections in one pass', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family, 50);
      clients(server, 50);
      await stage.loop({ count: 1 });
      expect(stage.count('accepted')).toBe(50);
    });

    it('accepts 128 at most in one pass, so that other channels have their turn', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family, 200);
      const [ours, theirs] = connection(family);
      new Recorder(stage, ours);
      clients(server, 200);
      theirs.send(Buffer.alloc(10));
      await stage.loop({ count: 1 });
      expect(stage.count('accepted')).toBe(128);
      await stage.until(() => stage.count('accepted') === 200);
      expect(stage.count('read 10')).toBe(1);
      expect(stage.trace.indexOf('read 10')).toBeLessThanOrEqual(128);
    });

    // CPython: the listener goes, the new connection stays open and unserved (A11).
    it('an error in handle_accepted closes the new connection, not the listener', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      const made: dispatcher[] = [];
      server.handle_accepted = (sock) => {
        made.push(new Recorder(stage, sock));
        if (made.length === 1) throw new Error('spam');
      };
      const [first, second] = clients(server, 2);
      await stage.until(() => stage.trace.length > 0);
      expect(made.map(({ connected }) => connected)).toEqual([false, true]);
      expect(stage.map.size).toBe(2);
      expect(first.recv(1).length).toBe(0);
      expect(() => second.recv(1)).toThrow(BlockingIOError);
      expect(stage.trace[0]).toMatch(/^error: .*closing the new connection of .*spam/);
    });
  });
});

onEveryPoller((use_poll) => {
  onEveryFamily((family) => {
    it('an error in an async handle_accepted closes the new connection as well', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = async (sock) => {
        new Recorder(stage, sock);
        await null;
        throw new Error('spam');
      };
      const [client] = clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(client.recv(1).length).toBe(0);
      expect([server.accepting, stage.map.size]).toEqual([true, 1]);
    });

    it('an async handle_error that goes on to the default does not close the listener', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = () => {
        throw new Error('spam');
      };
      server.handle_error = async (error) => {
        await null;
        dispatcher.prototype.handle_error.call(server, error);
      };
      clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(server.accepting).toBe(true);
      expect(stage.trace).toEqual([expect.stringContaining('closing the new connection of')]);
    });

    it('a connection whose channel is in another map is closed as well', async () => {
      const stage = new Stage(use_poll);
      const other = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = (sock) => {
        new dispatcher(sock, other.map);
        throw new Error('spam');
      };
      const [client] = clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(client.recv(1).length).toBe(0);
      expect([stage.map.size, other.map.size]).toEqual([1, 0]);
    });

    it('a connection that is lost again in handle_accepted does not close the listener', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = (sock) => {
        stage.say('accepted');
        own(sock);
        throw new OSError('send', errno.ECONNRESET);
      };
      clients(server, 2);
      await stage.until(() => stage.count('accepted') === 2);
      expect(server.accepting).toBe(true);
      expect(stage.trace).not.toContain('close');
    });

    it('a connection on which handle_accepted would have to wait stays open', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = (sock) => {
        stage.say('accepted');
        new Recorder(stage, sock).recv(10);
      };
      const [client] = clients(server, 1);
      await stage.until('accepted');
      client.send(Buffer.from('hello'));
      await stage.until('read 5');
      expect(stage.trace).toEqual(['accepted', 'read 5']);
    });

    it('ExitNow from handle_accepted leaves the loop and closes nothing', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = (sock) => {
        own(sock);
        throw new ExitNow();
      };
      clients(server, 1);
      await expect(stage.loop()).rejects.toThrow(ExitNow);
      expect(server.accepting).toBe(true);
    });

    it('a listener closed by handle_accepted accepts no more', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accepted = (sock) => {
        own(sock);
        stage.say('accepted');
        server.close();
      };
      clients(server, 3);
      await stage.loop();
      expect(stage.trace).toEqual(['accepted']);
    });

    it('a listener without handle_accepted closes what it accepts', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Recorder(stage), family);
      const [client] = clients(server, 1);
      await stage.until('warning: unhandled accepted event');
      expect(client.recv(1).length).toBe(0);
    });

    it('a handle_accept that takes one connection is called for each that waits', async () => {
      const stage = new Stage(use_poll);
      class Single extends Server {
        override handle_accept(): void {
          const pair = this.accept();
          stage.say(pair === null ? 'none' : 'accepted');
          if (pair !== null) own(pair[0]);
        }
      }
      clients(listening(new Single(stage), family), 4);
      await stage.loop({ count: 1 });
      expect(stage.trace).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    });

    // CPython: the listener goes. The connection is not closed before its object is collected.
    it.each<[how: string, (server: dispatcher, stage: Stage) => unknown]>([
      ['accept', (server) => server.accept() && fail()],
      [
        'accept and made a channel',
        (server, stage) => new Recorder(stage, taken(server)) && fail(),
      ],
      ['accept, asynchronously', (server) => server.accept() && Promise.reject(new Error('spam'))],
    ])('an error after %s in a handle_accept closes the connection alone', async (_, handle) => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accept = () => handle(server, stage) as undefined;
      const [first, second] = clients(server, 2);
      await stage.until(() => matching(stage, /closing the new connection of .*spam/) === 2);
      expect([first.recv(1).length, second.recv(1).length]).toEqual([0, 0]);
      expect([server.accepting, stage.map.size, stage.trace.length]).toEqual([true, 1, 2]);
    });

    it('an error in a handle_accept closes no connection that was taken before the last', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accept = () => {
        for (const name of ['first', 'second']) {
          const sock = taken(server);
          if (name === 'second') throw new Error('spam');
          new Recorder(stage, sock);
        }
      };
      const [first, second] = clients(server, 2);
      await stage.until(() => stage.trace.length > 0);
      expect(() => first.recv(1)).toThrow(BlockingIOError);
      expect(second.recv(1).length).toBe(0);
      expect([server.accepting, stage.map.size]).toEqual([true, 2]);
    });

    it.each<[when: string, (server: dispatcher) => void]>([
      ['before it accepts', () => {}],
      ['when all are taken', (server) => take_all(server)],
      ['after the default', (server) => dispatcher.prototype.handle_accept.call(server)],
    ])('an error in a handle_accept %s is that of the listener', async (_, accept) => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      server.handle_accept = () => {
        accept(server);
        throw new Error('spam');
      };
      clients(server, 2);
      await stage.loop();
      expect(stage.trace.at(-1)).toBe('close');
      expect(matching(stage, /closing channel .*spam/)).toBe(1);
    });

    it('an async handle_accept is not called again before its promise is settled', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      let running = 0;
      server.handle_accept = async () => {
        own(taken(server));
        running += 1;
        stage.say(`${running} at a time`);
        await new Promise(setImmediate);
        running -= 1;
      };
      clients(server, 3);
      await stage.until(() => stage.trace.length === 3);
      expect(new Set(stage.trace)).toEqual(new Set(['1 at a time']));
    });

    it('a handle_accept that takes none is called once in a pass', async () => {
      const stage = new Stage(use_poll);
      class Idle extends Server {
        override handle_accept(): void {
          stage.say('called');
        }
      }
      clients(listening(new Idle(stage), family), 2);
      await stage.loop({ count: 3 });
      expect(stage.count('called')).toBe(3);
    });
  });

  // CPython: handle_error, whose default closes the listener (A10).
  describe.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])('%s on accept', (code) => {
    const exhaust = (server: dispatcher, times: number) => {
      const socket = server.socket as Socket; // it is listening
      socket.accept = () => {
        if (--times === 0) Reflect.deleteProperty(socket, 'accept');
        throw new OSError('accept', errno[code]);
      };
    };

    it('is logged, and accepting goes on after a rest', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage));
      exhaust(server, 1);
      clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(stage.trace[0]).toMatch(`error: accept ${code}`);
      expect(await stage.isIdle()).toBe(true);
      await stage.until('accepted');
      expect(stage.trace.length).toBe(2);
    });
  });

  it('a connection that went away before it was accepted is null', () => {
    const server = own(listening(new dispatcher()));
    const gone = ['EAGAIN', 'ECONNABORTED', 'EPROTO', 'ENETDOWN', 'EHOSTUNREACH'];
    const answers = gone.map((code) => {
      const socket = server.socket as Socket; // it is listening
      socket.accept = () => {
        throw new OSError('accept', errno[code]);
      };
      return server.accept();
    });
    expect(answers).toEqual(gone.map(() => null));
  });
});

/** A listener that finds itself out of descriptors once, and a client that waits to be accepted. */
function exhausted(stage: Stage): void {
  const server = listening(new Server(stage));
  const socket = server.socket as Socket; // it is listening
  socket.accept = () => {
    Reflect.deleteProperty(socket, 'accept');
    throw new OSError('accept', errno.EMFILE);
  };
  clients(server, 1);
}

describe.each([
  ['poll', poll],
  ['poll2', poll2],
])('%s', (_, pass) => {
  it('goes on accepting after the rest of a listener, in many short passes', () => {
    const stage = new Stage();
    exhausted(stage);
    const end = performance.now() + 2000;
    while (stage.count('accepted') === 0 && performance.now() < end) pass(0.01, stage.map);
    expect(stage.count('accepted')).toBe(1);
  });

  it.each([5, null])(
    'a pass that may wait for %s seconds waits for the end of a rest',
    (timeout) => {
      const stage = new Stage();
      exhausted(stage);
      pass(0, stage.map);
      const start = performance.now();
      for (let i = 0; i < 2; i++) pass(timeout, stage.map);
      expect(stage.count('accepted')).toBe(1);
      expect(performance.now() - start).toBeLessThan(2000);
    },
  );

  it('a pass that may wait for less than the rest ends in time', () => {
    const stage = new Stage();
    exhausted(stage);
    pass(0, stage.map);
    const start = performance.now();
    pass(0.02, stage.map);
    expect(performance.now() - start).toBeLessThan(90);
    expect(stage.count('accepted')).toBe(0);
  });
});
