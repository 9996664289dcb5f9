/** Mistakes that newcomers make, and what each is told: the message says what to do. */
import { spawnSync } from 'node:child_process';
import { Socket as NodeSocket } from 'node:net';
import { async_chat } from '@asyncore/chat';
import {
  close_all,
  dispatcher,
  dispatcher_with_send,
  loop,
  poll2,
  socket_map,
} from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import {
  AF_INET6,
  resolve,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  type Socket,
  socketpair,
} from '@asyncore/socket';
import { afterEach, describe, expect, it } from 'vitest';

afterEach(() => close_all(socket_map, true));

/** What JavaScript lets people write. */
// biome-ignore lint/suspicious/noExplicitAny: the mistakes are those that TypeScript would find
type Anything = any;

/** A channel with a socket, and nothing more. */
function made(Class: new () => dispatcher = dispatcher): Anything {
  const channel = new Class();
  channel.create_socket();
  return channel;
}

/** A connected channel, with the other end. */
function pair<C>(Class: new (sock: Socket) => C): [channel: C & Anything, other: Socket] {
  const [ours, other] = socketpair();
  return [new Class(ours) as C & Anything, other];
}

const line = Buffer.from('hello\n');

describe('thrown where the mistake is', () => {
  class Chat extends async_chat {
    override collect_incoming_data() {}
    override found_terminator() {}
  }
  const chat = () => pair(Chat)[0];

  it.each<[mistake: string, message: string, program: () => unknown]>([
    [
      'create_socket forgotten',
      'bind EBADF: call create_socket first',
      () => new dispatcher().bind(['127.0.0.1', 0]),
    ],
    [
      'super() left out',
      "Must call super constructor in derived class before accessing 'this' or returning from derived constructor",
      () =>
        new (class extends (dispatcher as Anything) {
          // @ts-expect-error
          // biome-ignore lint/correctness/noUnreachableSuper: the mistake
          constructor() {
            // @ts-expect-error
            this.create_socket();
          }
        })(),
    ],
    [
      'new left out',
      "Class constructor dispatcher cannot be invoked without 'new'",
      () => (dispatcher as Anything)(),
    ],
    [
      'an address as of node:net',
      "bind: address must be [host, port], such as ['127.0.0.1', 8080]: got a number",
      () => made().bind(8080, '127.0.0.1'),
    ],
    [
      'an address as a string',
      "connect: address must be [host, port]: write ['127.0.0.1', 8080]",
      () => made().connect('127.0.0.1:8080'),
    ],
    [
      'an address as an object',
      "connect: address must be [host, port]: write ['127.0.0.1', 8080]",
      () => made().connect({ host: '127.0.0.1', port: 8080 }),
    ],
    [
      'the port left out',
      "bind: address must be [host, port]: got [ '127.0.0.1' ]",
      () => made().bind(['127.0.0.1']),
    ],
    [
      'a path for an AF_INET socket',
      "bind: address must be [host, port]; a path, such as '/tmp/a.sock', is for a socket of AF_UNIX",
      () => made().bind('/tmp/a.sock'),
    ],
    [
      'a port as a string, from the environment',
      "bind: port must be a number: got '8080'",
      () => made().bind(['127.0.0.1', '8080']),
    ],
    [
      'a port that is NaN',
      'bind: port must be an integer from 0 to 65535: got NaN',
      () => made().bind(['127.0.0.1', Number('http')]),
    ],
    [
      'a port that is NaN, for create_server',
      'bind: port must be an integer from 0 to 65535: got NaN',
      () => new dispatcher().create_server(['127.0.0.1', Number('http')]),
    ],
    [
      '::1 on an AF_INET socket',
      'bind EAFNOSUPPORT ::1:80: an IPv6 address needs a socket of AF_INET6',
      () => made().bind(['::1', 80]),
    ],
    [
      '127.0.0.1 on an AF_INET6 socket',
      'connect EAFNOSUPPORT 127.0.0.1:80: an IPv4 address needs a socket of AF_INET (or, for AF_INET6, the form ::ffff:192.0.2.1)',
      () => {
        const channel = new dispatcher();
        channel.create_socket(AF_INET6);
        channel.connect(['127.0.0.1', 80]);
      },
    ],
    [
      'a name where an address is needed',
      'bind ENOTFOUND example.org:80: a name that has to be looked up first: see resolve() and create_connection()',
      () => made().bind(['example.org', 80]),
    ],
    [
      'a constant in quotes',
      'socket: family must be an integer: the constant AF_INET, not its name in quotes',
      () => new dispatcher().create_socket('AF_INET' as Anything),
    ],
    [
      'a constant that is not there',
      'setsockopt: option must be an integer: got undefined: this system may lack the constant',
      () => made().setsockopt(SOL_SOCKET, undefined, 1),
    ],
    [
      "setsockopt(…, '1000')",
      'setsockopt: value must be an integer or bytes: give the number 1000',
      () => made().setsockopt(SOL_SOCKET, SO_RCVBUF, '1000'),
    ],
    [
      'a string where bytes go, by send',
      'data must be a Uint8Array or other view of bytes: turn a string into bytes with Buffer.from(text)',
      () => pair(dispatcher_with_send)[0].send('hello'),
    ],
    [
      'a string where bytes go, by push',
      'data must be a Uint8Array or other view of bytes: turn a string into bytes with Buffer.from(text)',
      () => chat().push('hello'),
    ],
    [
      'a terminator of a wrong type',
      'term must be bytes, a string, a list of these, a number or null: got /\\n/',
      () => chat().set_terminator(/\n/),
    ],
    [
      'a producer that is none',
      'producer must have a method more() or be an iterable of bytes',
      () => chat().push_with_producer({}),
    ],
    ['recv without a size', 'recv: bufsize must be a number of bytes', () => chat().recv()],
    [
      'a socket of node:net',
      'dispatcher: sock must be a Socket of @asyncore/socket, or have its fileno, recv, send, getsockopt and close',
      () => new dispatcher(new NodeSocket() as Anything),
    ],
    [
      'a file by its name',
      'file_dispatcher: fd must be a descriptor (an integer), an object with fileno() or fd, or a stream that has a descriptor at this time',
      () => new file_dispatcher('log.txt' as Anything),
    ],
    [
      'a closed channel used',
      'getsockname EBADF: it is closed',
      () => {
        const channel = made();
        channel.close();
        channel.getsockname();
      },
    ],
    [
      'getpeername before there is a connection',
      'getpeername ENOTCONN',
      () => made().getpeername(),
    ],
    [
      'max_connections that is NaN',
      'max_connections must be a number of connections, 0 or more (0 is no limit): got NaN',
      () => {
        const channel = made();
        channel.max_connections = Number('many');
        channel.listen();
      },
    ],
    ["listen('ten')", 'listen: backlog must be an integer', () => made().listen('ten')],
    [
      'a blocking pass with a wrong timeout',
      'poll2: timeout must be a number of seconds from 0, or null',
      () => poll2('1' as Anything),
    ],
    [
      'a map that is none',
      'dispatcher: map must be a Map',
      () => new dispatcher(null, {} as Anything),
    ],
  ])('%s', (_, message, program) => {
    expect(program).toThrow(expect.objectContaining({ message }));
  });
});

it('a port in use', () => {
  const first = made();
  first.bind(['127.0.0.1', 0]);
  first.listen();
  const [, port] = first.getsockname();
  const message = `bind EADDRINUSE 127.0.0.1:${port}: another socket has this port; port 0 takes a free one`;
  expect(() => made().bind(['127.0.0.1', port])).toThrow(expect.objectContaining({ message }));
});

describe('rejected', () => {
  it.each<[mistake: string, message: string, program: () => Promise<unknown>]>([
    [
      'an option of loop that is none',
      'loop: there is no option timout, only timeout, use_poll, map, count, signal',
      () => loop({ timout: 5 } as Anything),
    ],
    [
      "a loop's timeout as a string",
      'loop: timeout must be a number of seconds from 0, or null',
      () => loop('30' as Anything),
    ],
    [
      'a map in the place of the options',
      'loop: a map comes third, or by name: loop({ map })',
      () => loop(new Map() as Anything),
    ],
    [
      'loop twice on one map',
      'loop: a loop already runs on this map: await the promise of that one',
      () => {
        made(class extends dispatcher {}).bind(['127.0.0.1', 0]);
        const first = loop();
        return loop().finally(() => {
          close_all();
          return first;
        });
      },
    ],
    [
      'resolve without a family',
      'resolve: family must be an integer: AF_INET, AF_INET6 or AF_UNIX',
      () => (resolve as Anything)('localhost'),
    ],
  ])('%s', async (_, message, program) => {
    await expect(program()).rejects.toThrow(expect.objectContaining({ message }));
  });
});

describe('told to handle_error, by the loop', () => {
  /** The error that a connected channel of `Class` is told after a line has come. */
  async function told(Class: new (sock: Socket) => dispatcher): Promise<unknown> {
    const [channel, other] = pair(Class);
    let error: unknown;
    channel.handle_error = (what: unknown) => {
      error = what;
      channel.close();
    };
    other.send(line);
    await loop({ timeout: 5, count: 20 });
    other.close();
    return error;
  }

  const LIMIT = ', 0 or more (0 is no limit): got';
  it.each<[mistake: string, message: string, Class: new (sock: Socket) => dispatcher]>([
    [
      "timeout = 'ten'",
      `timeout must be a number of seconds${LIMIT} 'ten'`,
      class extends dispatcher {
        override timeout = 'ten' as Anything;
        override handle_read() {
          this.recv(10);
        }
      },
    ],
    [
      'timeout = NaN',
      `timeout must be a number of seconds${LIMIT} NaN`,
      class extends dispatcher {
        override timeout = Number('5s');
        override handle_read() {
          this.recv(10);
        }
      },
    ],
    [
      'max_incoming = NaN',
      `max_incoming must be a number of bytes${LIMIT} NaN`,
      class extends async_chat {
        override max_incoming = Number('1k');
        readonly terminator = '\n';
        override collect_incoming_data() {}
        override found_terminator() {}
      },
    ],
    [
      'no collect_incoming_data',
      'Lines must have a collect_incoming_data',
      class Lines extends async_chat {
        readonly terminator = '\n';
      },
    ],
    [
      'no found_terminator',
      'Lines must have a found_terminator',
      class Lines extends async_chat {
        readonly terminator = '\n';
        override collect_incoming_data() {}
      },
    ],
  ])('%s', async (_, message, Class) => {
    expect(await told(Class)).toMatchObject({ message });
  });
});

describe('logged', () => {
  it.each<[mistake: string, message: RegExp, program: (log: string[]) => unknown]>([
    [
      'send after close',
      /^error: send after close is refused: <Sender /,
      (log) => {
        class Sender extends dispatcher_with_send {
          override log_info(text: unknown, type = 'info') {
            log.push(`${type}: ${text}`);
          }
        }
        const [channel] = pair(Sender);
        channel.close();
        expect(channel.send(line)).toBe(0);
      },
    ],
    [
      'a field named like an attribute',
      /^error: Fields has a field "connected", which would hide the channel's own attribute: the channel ignores it, so remove it$/,
      (log) => {
        class Fields extends dispatcher {
          override log_info(text: unknown, type = 'info') {
            log.push(`${type}: ${text}`);
          }
        }
        const channel = new Fields();
        Object.defineProperty(channel, 'connected', { value: false, configurable: true });
        channel.create_socket();
      },
    ],
  ])('%s', (_, message, program) => {
    const log: string[] = [];
    program(log);
    expect(log[0]).toMatch(message);
  });
});

describe('warned of, once for a class', () => {
  /** The warnings of the process while the loop serves what `program` makes. */
  async function warned(program: () => unknown, seconds = 0): Promise<string[]> {
    const texts: string[] = [];
    const hear = ({ name, message }: Error) => {
      if (name === 'AsyncoreWarning') texts.push(message);
    };
    process.on('warning', hear);
    program();
    await loop({ timeout: seconds, count: 5 });
    await new Promise(setImmediate);
    process.off('warning', hear);
    return texts;
  }

  /** Two connections for a listener of `Class`. */
  function visited(Class: new () => dispatcher): void {
    const server = made(Class);
    server.bind(['127.0.0.1', 0]);
    server.listen();
    for (let i = 0; i < 2; i++) {
      const client = made(class extends dispatcher {});
      client.connect(server.getsockname());
    }
  }

  it('no handle_accepted', async () => {
    const Server = class Server extends dispatcher {};
    expect(await warned(() => visited(Server))).toEqual([
      'Server has no handle_accepted(sock, address): it closes what it accepts',
    ]);
  });

  it('a misspelt handler, when its event comes', async () => {
    class Reader extends dispatcher {
      handle_raed() {}
    }
    const texts = await warned(() => pair(Reader)[1].send(line));
    expect(texts).toEqual([
      'Reader has handle_raed, which nothing calls: did you mean handle_read?',
    ]);
    expect(await warned(() => pair(Reader)[1].send(line))).toEqual([]);
  });

  it('a handler in camelCase', async () => {
    class Server extends dispatcher {
      handleAccepted() {}
    }
    expect(await warned(() => visited(Server))).toEqual([
      'Server has handleAccepted, which nothing calls: did you mean handle_accepted?',
    ]);
  });

  it('a misspelt handler before its event, with debug', async () => {
    class Reader extends dispatcher {
      override debug = true;
      override handle_read() {}
      handle_cloze() {}
      handle_request() {} // of its own
    }
    expect(await warned(() => pair(Reader))).toEqual([
      'Reader has handle_cloze, which nothing calls: did you mean handle_close?',
    ]);
  });

  it('not of a method that only looks like a handler', async () => {
    class Head extends dispatcher {
      override handle_read() {
        this.recv(10);
      }
      handle_head() {}
    }
    expect(await warned(() => pair(Head)[1].send(line))).toEqual([]);
  });

  it('a field named like a method', async () => {
    class Fields extends dispatcher {
      constructor(sock: Socket) {
        super(sock);
        (this as Anything).log = [];
      }
    }
    expect(await warned(() => pair(Fields))).toEqual([
      'Fields has a field "log", which hides the method of that name',
    ]);
  });

  it('a field that resets what an override of add_channel has set', async () => {
    class Tracked extends dispatcher {
      registered = false;
      label = 'x';
      override add_channel(map: typeof socket_map | null = null) {
        super.add_channel(map);
        this.registered = true;
        this.label = 'x';
      }
    }
    expect(await warned(() => pair(Tracked))).toEqual([
      'Tracked has a field "registered", which resets what add_channel or the like had set while super(sock) ran: ' +
        'declare it without a field ("declare registered" in TypeScript, nothing in JavaScript)',
    ]);
  });

  it('not of what a program changes itself after an override of add_channel has set it', async () => {
    class Counting extends dispatcher {
      declare passes: number;
      override add_channel(map: typeof socket_map | null = null) {
        super.add_channel(map);
        this.passes = 1;
      }
      count() {
        const passes = this.passes;
        return passes;
      }
    }
    expect(
      await warned(() => {
        pair(Counting)[0].passes = 2;
      }),
    ).toEqual([]);
  });

  it('listen() forgotten', async () => {
    class Server extends dispatcher {
      override handle_accepted() {}
    }
    let port = 0;
    const program = () => {
      const server = made(Server);
      server.bind(['127.0.0.1', 0]);
      [, port] = server.getsockname();
    };
    expect(await warned(program, 0.3)).toEqual([
      `Server is bound to 127.0.0.1:${port}, and accepts nothing: call listen()`,
    ]);
  });

  it('not a datagram socket, which need not listen', async () => {
    class Server extends dispatcher {
      override handle_accepted() {}
    }
    const program = () => {
      const server = new Server();
      server.create_socket(undefined, SOCK_DGRAM);
      server.bind(['127.0.0.1', 0]);
    };
    expect(await warned(program, 0.3)).toEqual([]);
  });
});

describe('a program of its own', () => {
  function run(program: string) {
    const args = ['--input-type=module', '-e', program];
    return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  }
  const server = `
    import { dispatcher, loop } from '@asyncore/core';
    const server = new dispatcher();
    server.create_server(['127.0.0.1', 0]);`;

  it('loop() forgotten', () => {
    const { stderr, status } = run(server);
    expect(stderr).toMatch(
      /AsyncoreWarning: the process ends, but no loop has served its channels, such as <dispatcher listening 127\.0\.0\.1:0 fd=\d+>: await loop\(\)\n/,
    );
    expect(status).toBe(0);
  });

  it('await forgotten, and an error that nobody takes', () => {
    const { stderr, status } = run(`${server}\nloop(); loop();`);
    expect(stderr).toContain(
      'loop: a loop already runs on this map: await the promise of that one',
    );
    expect(status).toBe(1);
  });

  it('a port below 1024, for whom it is forbidden', () => {
    const drop = 'if (process.getuid() === 0) process.setuid(65534);';
    const probe = `import { createServer } from 'node:net'; ${drop}
      createServer().listen(80, '127.0.0.1', () => process.exit(3)).on('error', () => {});`;
    const isAllowed = run(probe).status === 3;
    const { stderr } = run(`${drop}
      import { dispatcher } from '@asyncore/core';
      const server = new dispatcher(); server.create_socket(); server.bind(['127.0.0.1', 80]);`);
    if (isAllowed) return; // net.ipv4.ip_unprivileged_port_start is 80 or less
    expect(stderr).toMatch(
      'OSError: bind EACCES 127.0.0.1:80: ports below 1024 are for root and for programs with CAP_NET_BIND_SERVICE',
    );
  });
});
