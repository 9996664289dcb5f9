import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { dispatcher, endpoint } from '@asyncore/core';
import { SHUT_WR, type Socket, socketpair } from '@asyncore/socket';
import { describeTls, identity, LOCAL } from '@asyncore/test-support/certificates';
import { start_tls, tls_dispatcher, type tls_options } from '@asyncore/tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import {
  Channel,
  CLIENT,
  Door,
  Lines,
  onEveryPoller,
  pair,
  plain,
  plainServer,
  SERVER,
  Stage,
  secured,
} from './support.js';

vi.setConfig({ testTimeout: 60_000 });
const BIG = Buffer.alloc(3_000_000, 'abcdefghijk');

describeTls('TLS', () => {
  onEveryPoller((use_poll) => {
    const stage = () => new Stage(use_poll);

    it('carries both ways what is sent, whatever its size', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      server.send(BIG);
      client.send(BIG.subarray(7));
      await on.until(() => server.size === BIG.length - 7 && client.size === BIG.length);
      expect(Buffer.concat(client.received).equals(BIG)).toBe(true);
      expect(Buffer.concat(server.received).equals(BIG.subarray(7))).toBe(true);
    });

    it('rests when nothing happens, also in the handshake', async () => {
      const on = stage();
      const [far, near] = await pair(on);
      new Channel(on, 'server', far).start_tls(SERVER);
      await on.passes(5);
      expect(await on.isIdle()).toBe(true);
      near.close();
      const other = stage();
      await secured(other);
      await other.passes(20);
      expect(await other.isIdle()).toBe(true);
    });

    it('tells of the handshake before any data, and keeps back what is sent before it', async () => {
      const on = stage();
      const [far, near] = await pair(on);
      const server = new Channel(on, 'server', far);
      const client = new Channel(on, 'client', near);
      client.start_tls({ ...CLIENT, isServer: false });
      client.send(Buffer.from('early'));
      server.start_tls(SERVER);
      await on.until('server read early');
      expect(on.trace.indexOf('server secure')).toBeLessThan(on.trace.indexOf('server read early'));
    });

    it('ends as a plain connection does, in order on both sides', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      client.send(Buffer.from('bye'));
      client.close_when_done();
      await on.until(
        () => on.map.size === 0 || on.count('server close') + on.count('client close') === 2,
      );
      expect(on.trace.filter((line) => !line.includes('secure'))).toEqual([
        'server read bye',
        'server close',
        'client close',
      ]);
      expect(server.close_reason).toBeNull();
    });

    it('gives close_notify at close, so that the peer sees an ordinary end', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      client.close();
      await on.until('server close');
      expect(server.close_reason).toBeNull();
      expect(on.trace).not.toContainEqual(expect.stringContaining('error'));
    });

    it('close loses nothing of what send has counted, though the kernel is full', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      let reads = false;
      client.readable = () => reads;
      let counted = 0;
      const fill = () => {
        const sent = dispatcher.prototype.send.call(server, BIG); // past the queue
        counted += sent;
        return sent;
      };
      for (let idle = 0; idle < 5; idle += 1) {
        if (fill() > 0) idle = 0;
        await on.passes(3);
      }
      server.close();
      expect(server.fileno()).toBe(-1);
      reads = true;
      await on.until('client close');
      expect([client.size, client.close_reason]).toEqual([counted, null]);
    });

    it('an error in handle_accepted after start_tls closes the connection and its channel', async () => {
      const on = stage();
      const made: Channel[] = [];
      const door = new Door(on, (sock) => {
        made.push(new Channel(on, 'server', sock));
        made[0].start_tls(SERVER);
        throw new Error('of handle_accepted');
      });
      door.handle_error = (error) => on.say(`door ${(error as Error).message}`);
      const socket = await plain(door.port);
      const closed = once(socket, 'close');
      socket.resume();
      await on.until('door of handle_accepted');
      await closed;
      await on.passes(5);
      expect(on.trace).toEqual(['door of handle_accepted']);
      expect([made[0].fileno(), on.map.size]).toEqual([-1, 1]);
    });

    it.each(['close_when_done', 'shutdown', 'nothing'])(
      'sends nothing in the clear that a tls_dispatcher was given while connecting, and then %s',
      async (end) => {
        const on = stage();
        const door = new Door(on, (sock) => {
          const server = new Channel(on, 'server', sock);
          server.start_tls(SERVER);
        });
        const client = new tls_dispatcher(null, on.map, CLIENT);
        client.handle_close = () => client.close();
        client.create_socket();
        client.connect(door.getsockname());
        expect(client.send(Buffer.from('secret'))).toBe(6);
        client.send(Buffer.from(' word'));
        if (end === 'close_when_done') client.close_when_done();
        if (end === 'shutdown') client.shutdown(SHUT_WR);
        if (end === 'nothing') await on.until('server read secret word');
        else await on.until('server close');
        expect(on.trace.slice(0, 2)).toEqual(['server secure', 'server read secret word']);
      },
    );

    it('goes on writing after the peer has ended its half', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      server.handle_eof = () => server.say('eof');
      client.shutdown(SHUT_WR);
      await on.until('server eof');
      server.send(Buffer.from('still here'));
      server.close_when_done();
      await on.until('client read still here');
    });

    it('takes an end without close_notify for an error, after what came before it', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      client.send(Buffer.from('half of it'));
      await on.until('server read half of it');
      below(client).shutdown(SHUT_WR);
      await on.until('server error ERR_TLS_NO_CLOSE_NOTIFY');
      expect(server.close_reason).toMatchObject({ code: 'ERR_TLS_NO_CLOSE_NOTIFY' });
    });

    it('takes an end without close_notify for an ordinary one after close_when_done', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      server.linger_time = 60;
      server.send(Buffer.from('bye'));
      server.close_when_done();
      client.handle_eof = () => below(client).shutdown(SHUT_WR);
      await on.until('server close');
      expect([server.close_reason, on.trace.join()]).toEqual([
        null,
        expect.not.stringMatching('error'),
      ]);
    });

    it('takes it for an ordinary end where close_notify is not required', async () => {
      const on = stage();
      const [, client] = await secured(on, { ...SERVER, require_close_notify: false });
      below(client).shutdown(SHUT_WR);
      await on.until('server close');
      expect(on.trace).not.toContainEqual(expect.stringContaining('error'));
    });

    it('holds decrypted bytes back while the channel does not read', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      let reads = false;
      server.readable = () => reads;
      client.send(BIG);
      await on.passes(200);
      expect(server.received).toEqual([]);
      const held = server.socket as unknown as { pending(): number };
      expect(held.pending()).toBeLessThan(300_000);
      reads = true;
      await on.until(() => server.size === BIG.length);
    });

    it('does its handshake while the channel does not read', async () => {
      const on = stage();
      const [far, near] = await pair(on);
      const server = new Channel(on, 'server', far);
      server.readable = () => false;
      server.start_tls(SERVER);
      new Channel(on, 'client', near).start_tls({ ...CLIENT, isServer: false });
      await on.until('server secure');
    });

    it('refuses garbage, and the listener goes on', async () => {
      const on = stage();
      const door = new Door(on, (sock) => new Channel(on, 'server', sock).start_tls(SERVER));
      const socket = await plain(door.port);
      socket.write('GET / HTTP/1.0\r\n\r\n');
      await on.until(() => on.trace.some((line) => line.startsWith('server error ERR_SSL')));
      const good = new tls_dispatcher(null, on.map, CLIENT);
      good.handle_secure = () => on.say('good');
      good.create_socket();
      good.connect(door.getsockname());
      await on.until('good');
    });

    it.each([
      ['silence', []],
      ['half a ClientHello', [0x16, 3, 1, 2, 0, 1, 0]],
    ])('ends %s after handshakeTimeout, in either role', async (_, bytes) => {
      const on = stage();
      const options = { handshakeTimeout: 100 };
      const door = new Door(on, (sock) =>
        new Channel(on, 'server', sock).start_tls({ ...SERVER, ...options }),
      );
      const socket = await plain(door.port);
      socket.write(Buffer.from(bytes));
      await on.until('server error ERR_TLS_HANDSHAKE_TIMEOUT');
      const port = await plainServer((sock) => sock.resume());
      const client = new Channel(on, 'client');
      client.handle_connect = () => client.start_tls({ ...CLIENT, ...options });
      client.create_socket();
      client.connect(['127.0.0.1', port]);
      await on.until('client error ERR_TLS_HANDSHAKE_TIMEOUT');
    });

    it('is not held up by one that sends a byte now and then', async () => {
      const on = stage();
      const door = new Door(on, (sock) =>
        new Channel(on, 'server', sock).start_tls({ ...SERVER, handshakeTimeout: 200 }),
      );
      const socket = await plain(door.port);
      const hello = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
      let sent = 0;
      const timer = setInterval(() => socket.write(hello.subarray(sent, ++sent)), 40);
      onTestFinished(() => clearInterval(timer));
      await on.until('server error ERR_TLS_HANDSHAKE_TIMEOUT');
    });

    it('says ECONNRESET of a peer that ends in the handshake', async () => {
      const on = stage();
      const door = new Door(on, (sock) => new Channel(on, 'server', sock).start_tls(SERVER));
      (await plain(door.port)).end();
      await on.until('server error ECONNRESET');
    });

    it('never answers what was injected behind STARTTLS', async () => {
      const on = stage();
      class Server extends Lines {
        override found(line: string): void {
          if (line !== 'STARTTLS') return;
          this.push(Buffer.from('220 go\r\n'));
          this.start_tls(SERVER);
        }
      }
      let server: Server | undefined;
      const door = new Door(on, (sock) => {
        server = new Server(on, 'server', sock);
      });
      const socket = await plain(door.port);
      const answer = once(socket, 'data');
      socket.write('STARTTLS\r\nINJECTED\r\nMORE');
      await on.until('server STARTTLS');
      await on.passes(5);
      expect(String((await answer)[0])).toBe('220 go\r\n');
      const client = connect({ socket, ca: LOCAL.cert, servername: 'localhost' });
      client.on('error', () => {});
      client.on('secureConnect', () => client.write('INSIDE\r\n'));
      await on.until('server INSIDE');
      expect(server?.lines).toEqual(['STARTTLS', 'INSIDE']);
    });

    it('gives the handshake what came behind, with keep_input', async () => {
      const on = stage();
      class Server extends Lines {
        override found(line: string): void {
          if (line.startsWith('PROXY')) this.start_tls({ ...SERVER, keep_input: true });
        }
      }
      const door = new Door(on, (sock) => new Server(on, 'server', sock));
      const port = door.port;
      const socket = await plain(port);
      socket.cork();
      socket.write('PROXY TCP4\r\n');
      const client = connect({ socket, ca: LOCAL.cert, servername: 'localhost' });
      client.on('error', () => {});
      client.write('INSIDE\r\n');
      setImmediate(() => socket.uncork());
      await on.until('server INSIDE');
    });

    it('begins behind clear output that the kernel had no room for', async () => {
      const on = stage();
      const [far, near] = await pair(on);
      const server = new Channel(on, 'server', far);
      server.send(BIG);
      server.start_tls(SERVER);
      const client = new Channel(on, 'client', near);
      client.handle_read = () => {
        const data = client.recv(BIG.length - client.size);
        client.received.push(data);
        client.size += data.length;
        if (client.size === BIG.length) client.start_tls({ ...CLIENT, isServer: false });
      };
      await on.until('client secure');
      expect(Buffer.concat(client.received).equals(BIG)).toBe(true);
    });

    it('counts for timeout as any channel', async () => {
      const on = stage();
      const [server] = await secured(on);
      server.timeout = 0.1;
      server.handle_timeout = () => server.say('timeout');
      await on.until('server timeout');
    });

    it('counts for max_connections of its listener until it is closed', async () => {
      const on = stage();
      const made: Channel[] = [];
      const door = new Door(on, (sock) => {
        const channel = new Channel(on, 'server', sock);
        made.push(channel);
        channel.start_tls(SERVER);
        on.say(`made ${made.length}`);
      });
      door.max_connections = 1;
      const client = new tls_dispatcher(null, on.map, CLIENT);
      client.create_socket();
      client.connect(door.getsockname());
      await on.until('server secure');
      await plain(door.port);
      await on.passes(5);
      expect(made.length).toBe(1);
      made[0].close();
      await on.until('made 2');
    });

    it('keeps the reset of a peer apart from its end, and what came before it', async () => {
      const on = stage();
      const [server, client] = await secured(on);
      client.send(Buffer.from('last words'));
      await on.until('server read last words');
      const raw = below(client);
      raw.setsockopt(1, 13, new Int32Array([1, 0])); // SO_LINGER: a reset
      raw.close();
      await on.until('server close');
      expect(server.close_reason).toMatchObject({ code: 'ECONNRESET' });
    });
  });

  it('tells what was agreed', async () => {
    const on = new Stage();
    const options = { ALPNProtocols: ['one', 'two'] };
    const [server, client] = await secured(
      on,
      { ...SERVER, ...options },
      { ...CLIENT, ALPNProtocols: ['two'] },
    );
    expect(server.alpn_protocol).toBe('two');
    expect(client.alpn_protocol).toBe('two');
    expect(client.authorized).toBe(true);
    expect(client.peer_certificate?.subject.CN).toBe('localhost');
    expect(server.peer_certificate).toBeNull();
    expect(server.servername).toBe('localhost');
    expect(client.protocol).toBe('TLSv1.3');
    expect(client.cipher?.name).toMatch(/^TLS_/);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes a session of %s', async (version) => {
    const on = new Stage();
    const server: tls_options = { ...SERVER, isServer: true, maxVersion: version };
    const talk = async (session?: Buffer) => {
      on.trace.length = 0;
      const [far, near] = await pair(on);
      const a = new Channel(on, 'server', far);
      const b = new Channel(on, 'client', near);
      a.start_tls(server); // the same object each time
      b.start_tls({ ...CLIENT, isServer: false, session });
      a.handle_secure = () => void a.send(Buffer.from('hi'));
      await on.until('client read hi');
      const result = { reused: b.session_reused, session: b.session ?? undefined };
      a.close();
      b.close();
      return result;
    };
    const first = await talk();
    expect(first.reused).toBe(false);
    expect((await talk(first.session)).reused).toBe(true);
  });

  it('refuses a client without a certificate where one is asked for, and says so to both', async () => {
    const on = new Stage();
    const [far, near] = await pair(on);
    new Channel(on, 'server', far).start_tls({ ...SERVER, requestCert: true, ca: LOCAL.cert });
    new Channel(on, 'client', near).start_tls({ ...CLIENT, isServer: false });
    await on.until('server error ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
    await on.until('client error ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  });

  it('tells the server why it does not trust a client’s certificate', async () => {
    const on = new Stage();
    const stranger = identity('DNS:stranger');
    const [far, near] = await pair(on);
    new Channel(on, 'server', far).start_tls({ ...SERVER, requestCert: true, ca: LOCAL.cert });
    const { key, cert } = stranger;
    new Channel(on, 'client', near).start_tls({ ...CLIENT, key, cert, isServer: false });
    await on.until('server error DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  it('knows the certificate of a client that it trusts', async () => {
    const on = new Stage();
    const friend = identity('DNS:friend', LOCAL);
    const [server] = await secured(
      on,
      { ...SERVER, requestCert: true, ca: LOCAL.cert },
      { ...CLIENT, key: friend.key, cert: friend.cert },
    );
    expect(server.authorized).toBe(true);
    expect(server.peer_certificate?.subject.CN).toBe('friend');
  });

  it.each([
    ['another name', { ca: LOCAL.cert, servername: 'example.org' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['an unknown signer', { servername: 'localhost' }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ])('refuses a server with %s', async (_, client, code) => {
    const on = new Stage();
    const [far, near] = await pair(on);
    new Channel(on, 'server', far).start_tls(SERVER);
    new Channel(on, 'client', near).start_tls({ ...client, isServer: false });
    await on.until(`client error ${code}`);
    expect(on.trace).not.toContain('client secure');
  });

  it('checks the address where no name is known, and sends no SNI for it', async () => {
    const on = new Stage();
    const names: unknown[] = [];
    const server = createServer(SERVER, (socket) => {
      names.push((socket as TLSSocket & { servername: unknown }).servername);
      setImmediate(() => socket.end('hi')); // ended at once it sends no close_notify
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    for (const host of ['127.0.0.1', 'localhost']) {
      const client = new tls_dispatcher(null, on.map, { ca: LOCAL.cert });
      client.handle_read = () => client.recv(9).length > 0 && on.say(`met ${host}`);
      client.handle_close = () => client.close();
      client.create_socket();
      client.connect([host, port]);
      await on.until(`met ${host}`);
    }
    expect(names).toEqual([false, 'localhost']);
  });

  it('chooses the certificate by SNI', async () => {
    const on = new Stage();
    const { createSecureContext } = await import('node:tls');
    const other = identity('DNS:other.example', LOCAL);
    const [, client] = await secured(
      on,
      {
        ...SERVER,
        SNICallback: (name, done) =>
          setImmediate(() =>
            done(null, name === 'other.example' ? createSecureContext(other) : undefined),
          ),
      },
      { ca: LOCAL.cert, servername: 'other.example' },
    );
    expect(client.peer_certificate?.subject.CN).toBe('other.example');
  });

  it('takes a context that is made already, on both sides', async () => {
    const on = new Stage();
    const { createSecureContext } = await import('node:tls');
    await secured(
      on,
      { secureContext: createSecureContext({ key: LOCAL.key, cert: LOCAL.cert }) },
      { secureContext: createSecureContext({ ca: LOCAL.cert }), servername: 'localhost' },
    );
  });

  it.each([
    ['a wrong key', { key: 'no key', cert: LOCAL.cert, isServer: true }],
    ['no certificate', { isServer: true }],
    ['a wrong CA', { cert: 'no cert', isServer: false, servername: 'x' }],
    ['no ALPN', { ALPNProtocols: 5, isServer: false, servername: 'x' }],
    ['a wrong time limit', { ...SERVER, handshakeTimeout: -1 }],
  ])('%s throws at the call, and leaves the channel usable in the clear', async (_, options) => {
    const on = new Stage();
    const [far, near] = await pair(on);
    const server = new Channel(on, 'server', far);
    new Channel(on, 'client', near);
    expect(() => server.start_tls(options as tls_options)).toThrow();
    server.send(Buffer.from('clear'));
    await on.until('client read clear');
  });

  it('refuses a second start, and one after close_when_done', async () => {
    const on = new Stage();
    const [server, client] = await secured(on);
    expect(() => server.start_tls(SERVER)).toThrow('speaks TLS already');
    client.close();
    const [far] = await pair(on);
    const ending = new Channel(on, 'server', far);
    ending.send(Buffer.from('bye'));
    ending.close_when_done();
    expect(() => ending.start_tls(SERVER)).toThrow('close_when_done');
  });

  it('refuses a plain dispatcher after shutdown', async () => {
    const on = new Stage();
    const [far] = await pair(on);
    const ending = new dispatcher(far, on.map);
    ending.shutdown(SHUT_WR);
    expect(() => start_tls(ending, SERVER)).toThrow('it comes after shutdown');
  });

  it('refuses options that are none', async () => {
    const on = new Stage();
    const [far] = await pair(on);
    const plain = new dispatcher(far, on.map);
    const start = (options: unknown) => () => start_tls(plain, options as tls_options);
    expect(start('localhost')).toThrow('options must be an object');
    expect(start(null)).toThrow('options must be an object');
    expect(start({ ...SERVER, handshakeTimeout: 0 })).toThrow('milliseconds, over 0');
    plain.close();
  });

  it('refuses a channel without a connection, and datagrams', () => {
    const on = new Stage();
    const lonely = new dispatcher(null, on.map);
    lonely.create_socket();
    expect(() => start_tls(lonely, SERVER)).toThrow('ENOTCONN');
    const [one, two] = socketpair(1, 2);
    onTestFinished(() => two.close());
    expect(() => start_tls(new dispatcher(one, on.map), SERVER)).toThrow(TypeError);
  });

  it('tells any dispatcher, by handle_secure or, if it has none for it, handle_error', async () => {
    const on = new Stage();
    const [far, near] = await pair(on);
    class Plain extends dispatcher {
      override handle_error(error: unknown): void {
        on.say(`plain ${(error as NodeJS.ErrnoException).code}`);
        this.close();
      }
    }
    start_tls(new Plain(far, on.map), SERVER);
    near.send(Buffer.from('garbage, more or less'));
    await on.until(() => on.trace.some((line) => line.startsWith('plain ERR_SSL')));
    near.close();
  });

  it('closes a channel whose handle_tls_error does not, and says nothing after a close', async () => {
    const on = new Stage();
    const [far, near] = await pair(on);
    const server = new Channel(on, 'server', far);
    server.handle_tls_error = () => server.say('noted');
    server.start_tls(SERVER);
    near.send(Buffer.from('garbage, more or less'));
    await on.until('server close');
    expect(on.trace).toEqual(['server noted', 'server close']);
    expect(server[endpoint].closed).toBe(true);
  });

  it('limits renegotiation', async () => {
    const on = new Stage();
    const door = new Door(on, (sock) =>
      new Channel(on, 'server', sock).start_tls({ ...SERVER, maxVersion: 'TLSv1.2' }),
    );
    const client = connect({ port: door.port, ca: LOCAL.cert, servername: 'localhost' });
    client.on('error', () => {});
    onTestFinished(() => void client.destroy());
    const again = () => void client.renegotiate({}, (error) => error === null && again());
    client.on('secureConnect', again);
    await on.until('server error ERR_TLS_SESSION_ATTACK');
  });
});

/** The socket that a channel's TLS stands on. */
function below(channel: Channel): Socket {
  return (channel.socket as unknown as { below: Socket }).below;
}
