/** The cases of CPython 3.11's test_asyncore.py, in words and code of our own. */
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { inspect } from 'node:util';
import {
  _exception,
  type channel,
  close_all,
  compact_traceback,
  dispatcher,
  dispatcher_with_send,
  ExitNow,
  poll,
  read,
  readwrite,
  socket_map,
  write,
} from '@asyncore/core';
import {
  AF_UNIX,
  MSG_OOB,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { describe, expect, it, vi } from 'vitest';
import {
  accepted,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  reset,
  Stage,
} from './support.js';

/** Says which of its methods were called; `fails` is what they throw. */
class Dummy {
  called: string[] = [];
  fails: Error | null = null;

  #call(name: string): void {
    if (this.fails) throw this.fails;
    this.called.push(name);
  }

  readable = () => true;
  writable = () => true;
  handle_read_event = () => this.#call('read');
  handle_write_event = () => this.#call('write');
  handle_expt_event = () => this.#call('expt');
  handle_close = () => this.#call('close');
  handle_error = () => this.called.push('error');
  close = () => this.called.push('closed');
}

function failing(fails: Error): Dummy {
  return Object.assign(new Dummy(), { fails });
}

describe('read, write and _exception', () => {
  const calls = { read, write, _exception };

  it.each(Object.entries(calls))('%s lets ExitNow through', (_, call) => {
    expect(() => call(failing(new ExitNow()))).toThrow(ExitNow);
  });

  it.each(Object.entries(calls))('%s sends any other error to handle_error', (_, call) => {
    const dummy = failing(new Error('spam'));
    call(dummy);
    expect(dummy.called).toEqual(['error']);
  });
});

describe('readwrite', () => {
  const events = { POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL };
  const handlers = {
    POLLIN: 'read',
    POLLPRI: 'expt',
    POLLOUT: 'write',
    POLLERR: 'close',
    POLLHUP: 'close',
    POLLNVAL: 'close',
  };

  describe.each(Object.keys(events) as (keyof typeof events)[])('%s', (name) => {
    it(`calls the ${handlers[name]} handler and no other`, () => {
      const dummy = new Dummy();
      readwrite(dummy, events[name]);
      expect(dummy.called).toEqual([handlers[name]]);
    });

    it('lets ExitNow through', () => {
      expect(() => readwrite(failing(new ExitNow()), events[name])).toThrow(ExitNow);
    });

    it('sends any other error to handle_error', () => {
      const dummy = failing(new Error('spam'));
      readwrite(dummy, events[name]);
      expect(dummy.called).toEqual(['error']);
    });
  });
});

describe('close_all', () => {
  it.each(['a map', 'socket_map by default'])('closes everything in %s and empties it', (which) => {
    const map = which === 'a map' ? new Map<number, channel>() : socket_map;
    const dummies = Array.from({ length: 10 }, () => new Dummy());
    for (const [fd, dummy] of dummies.entries()) map.set(fd, dummy);
    if (map === socket_map) close_all();
    else close_all(map);
    expect(map.size).toBe(0);
    expect(dummies.map(({ called }) => called)).toEqual(dummies.map(() => ['closed']));
  });
});

it('compact_traceback tells where an error comes from', () => {
  const error = new Error('no spam');
  const [[file, name, line], type, value, info] = compact_traceback(error);
  expect(basename(file)).toBe('asyncore.test.ts');
  expect([type, value]).toEqual([Error, error]);
  expect(info.endsWith(`[${file}|${name}|${line}]`)).toBe(true);
});

describe('a dispatcher without a socket', () => {
  it('is readable and writable', () => {
    const channel = new dispatcher();
    expect([channel.readable(), channel.writable()]).toEqual([true, true]);
  });

  it('is shown by the name of its class', () => {
    expect(inspect(new dispatcher())).toBe('<dispatcher>');
  });

  it('logs to standard error', () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    new dispatcher().log('two eggs');
    new dispatcher().log('and bacon');
    const lines = written.mock.calls.map(([text]) => text);
    written.mockRestore();
    expect(lines).toEqual(['log: two eggs\n', 'log: and bacon\n']);
  });

  it('logs messages of a type to standard output', () => {
    const channel = new dispatcher();
    const lines = printed(() => {
      channel.log_info('two eggs', 'EGGS');
      channel.log_info('and bacon');
      channel.log_info('nothing else', 'SPAM');
    });
    expect(lines).toEqual(['EGGS: two eggs\n', 'info: and bacon\n', 'SPAM: nothing else\n']);
  });

  it('warns of events that nobody handles, where warnings are not ignored', () => {
    const channel = new dispatcher();
    const handle = () => {
      channel.handle_expt();
      channel.handle_read();
      channel.handle_write();
      channel.handle_connect();
    };
    expect(printed(handle)).toEqual([]);
    channel.ignore_log_types = [];
    expect(printed(handle)).toEqual([
      'warning: unhandled incoming priority event\n',
      'warning: unhandled read event\n',
      'warning: unhandled write event\n',
      'warning: unhandled connect event\n',
    ]);
  });
});

function printed(body: () => void): unknown[] {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  body();
  const lines = written.mock.calls.map(([text]) => text);
  written.mockRestore();
  return lines;
}

it('an error number without a name still has a message (bpo-8573)', () => {
  expect(new OSError('connect', 9999).message).toBe('connect E9999');
});

it('dispatcher_with_send sends all that it was given, also before it was connected', () => {
  const stage = new Stage();
  const door = listener();
  class Sender extends dispatcher_with_send {
    override readable = () => false;
    override handle_connect(): void {}
  }
  const channel = new Sender(null, stage.map);
  channel.create_socket();
  channel.connect(door.getsockname());
  channel.send(Buffer.from('one '));
  channel.send(Buffer.from('two '));
  channel.send(Buffer.from('three'));
  while (channel.out_buffer.length > 0) poll(1, stage.map);
  expect(String(patient(accepted(door)).recv(100))).toBe('one two three');
});

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    /** Throws whatever happens to it unless a test says what should. */
    class Strict extends dispatcher {
      constructor(
        readonly stage: Stage,
        sock: Socket | null = null,
      ) {
        super(sock, stage.map);
      }
      override handle_read(): void {
        if (this.recv(65536).length > 0) throw new Error('handle_read');
      }
      override handle_accept(): void {
        throw new Error('handle_accept');
      }
      override handle_connect(): void {
        throw new Error('handle_connect');
      }
      override handle_expt(): void {
        throw new Error('handle_expt');
      }
      override handle_close(): void {
        throw new ExitNow('handle_close');
      }
      override handle_error(error: unknown): void {
        throw error;
      }
    }

    class Server extends Strict {
      handler: (sock: Socket) => void = (sock) => own(sock);
      override handle_accept(): void {
        dispatcher.prototype.handle_accept.call(this);
      }
      override handle_accepted(sock: Socket): void {
        this.handler(sock);
      }
    }

    class Client extends Strict {
      override handle_connect(): void {
        this.stage.say('connect');
      }
    }

    const start = () => {
      const stage = new Stage(use_poll, socket_map);
      return { stage, server: listening(new Server(stage), family) };
    };

    const connect = <T extends dispatcher>(client: T, server: dispatcher): T => {
      client.create_socket(family);
      client.connect(server.getsockname());
      return client;
    };

    it('calls handle_connect once the connection stands', async () => {
      const { stage, server } = start();
      connect(new Client(stage), server);
      await stage.until('connect');
    });

    it('calls handle_accept when a client connects', async () => {
      const { stage, server } = start();
      server.handle_accept = () => {
        server.handle_accept = () => {};
        stage.say('accept');
      };
      connect(new Client(stage), server);
      await stage.until('accept');
    });

    it('calls handle_accepted with the new connection', async () => {
      const { stage, server } = start();
      server.handle_accepted = (sock) => {
        sock.close();
        stage.say('accepted');
      };
      const client = connect(new Client(stage), server);
      client.handle_close = () => client.close();
      await stage.until('accepted');
    });

    it('calls handle_read when data has come', async () => {
      const { stage, server } = start();
      server.handler = (sock) => new Strict(stage, sock).send(Buffer.alloc(1024, 'x'));
      const client = connect(new Client(stage), server);
      client.handle_read = () => stage.say(`read ${client.recv(2048).length}`);
      await stage.until('read 1024');
    });

    it('calls handle_write when there is room to write', async () => {
      const { stage, server } = start();
      const client = connect(new Client(stage), server);
      client.handle_write = () => stage.say('write');
      await stage.until('write');
    });

    it('calls handle_close when a recv finds that the other end has closed', async () => {
      const { stage, server } = start();
      server.handler = (sock) => new Strict(stage, sock).close();
      const client = connect(new Client(stage), server);
      client.handle_close = () => {
        stage.say('close');
        client.close();
      };
      await stage.until('close');
    });

    it('calls handle_close for a broken connection (bpo-5661, bpo-11265)', async () => {
      const { stage, server } = start();
      const data = Buffer.alloc(128);
      class Reader extends Strict {
        override writable = () => false;
        override handle_read(): void {
          this.recv(data.length);
          this.close();
        }
      }
      server.handler = (sock) => new Reader(stage, sock);
      const client = connect(new Client(stage), server);
      client.handle_write = () => void client.send(data);
      client.handle_close = () => {
        stage.say('close');
        client.close();
      };
      await stage.until('close');
    });

    it('calls handle_error with what a handler threw', async () => {
      const { stage, server } = start();
      const client = connect(new Client(stage), server);
      const error = new RangeError('division by zero');
      client.handle_write = () => {
        throw error;
      };
      client.handle_error = (thrown) => {
        client.close();
        stage.say(`error ${thrown === error}`);
      };
      await stage.until('error true');
    });

    it('keeps connected and accepting true to what the socket is', async () => {
      const { stage, server } = start();
      const client = connect(new Client(stage), server);
      const state = () => [server, client].map((it) => [it.connected, it.accepting]);
      expect(state()).toEqual([
        [false, true],
        [family === AF_UNIX, false],
      ]);
      await stage.until('connect');
      await stage.passes(10);
      expect(state()).toEqual([
        [false, true],
        [true, false],
      ]);
      client.close();
      expect(state()).toEqual([
        [false, true],
        [false, false],
      ]);
      server.close();
      expect(state()).toEqual([
        [false, false],
        [false, false],
      ]);
    });

    it('create_socket makes a stream that does not block and is not inherited', () => {
      const channel = own(new dispatcher());
      channel.create_socket(family);
      const { socket } = channel;
      expect([socket?.type, socket?.family, socket?.getblocking()]).toEqual([
        SOCK_STREAM,
        family,
        false,
      ]);
      const inherited = spawnSync('test', ['-e', `/dev/fd/${channel.fileno()}`]);
      expect(inherited.status).toBe(1);
    });

    if (family === AF_UNIX) return; // what follows is of the internet alone

    it('calls handle_expt for an urgent byte', async () => {
      const { stage, server } = start();
      server.handler = (sock) => own(sock).send(Buffer.from([244]), MSG_OOB);
      const client = connect(new Client(stage), server);
      client.handle_expt = () => stage.say(`expt ${client.socket?.recv(1024, MSG_OOB)[0]}`);
      await stage.until('expt 244');
    });

    it('bind takes the port that it was given', () => {
      const { server } = start();
      const second = own(new dispatcher());
      second.create_socket(family);
      expect(() => second.bind(server.getsockname())).toThrow('EADDRINUSE');
    });

    it('set_reuse_addr sets SO_REUSEADDR', () => {
      const channel = own(new dispatcher());
      channel.create_socket(family);
      expect(channel.getsockopt(SOL_SOCKET, SO_REUSEADDR)).toBe(0);
      channel.set_reuse_addr();
      expect(channel.getsockopt(SOL_SOCKET, SO_REUSEADDR)).not.toBe(0);
    });

    it('survives a connection that was reset before it was accepted (bpo-10340)', async () => {
      const { stage, server } = start();
      server.handler = (sock) => {
        stage.say(`connected ${new Strict(stage, sock).connected}`);
      };
      const client = own(new Socket(family));
      client.connect_ex(server.getsockname());
      reset(client);
      await stage.until('connected false');
    });
  });
});
