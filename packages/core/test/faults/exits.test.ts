/** Processes that end: by themselves, once everything is closed, or by an exit in a handler. */
import { describe, expect, it } from 'vitest';
import { onEveryPoller, type UsePoll } from '../support.js';
import { Program } from './programs.js';

/**
 * What a program prints that has a loop behind it, and in it an echo's `server`, a `client` and
 * `map`: last, what its end leaves open, and its exit code.
 */
async function outcome(use_poll: UsePoll, body: string): Promise<string[]> {
  const program = new Program(`
    import { readdirSync } from 'node:fs';
    import { close_all, dispatcher, dispatcher_with_send, loop, poll, poll2 } from '@asyncore/core';
    import { errno, OSError, Socket, socketpair } from '@asyncore/socket';
    const use_poll = ${use_poll};
    const open = () => readdirSync('/proc/self/fd').length;
    const say = (...words) => process.stdout.write(words.join(' ') + '\\n');
    say('begins'); // opens stdout
    const map = new Map();
    const [sock, peer] = socketpair();
    new dispatcher(sock, map);
    await loop({ use_poll, map, timeout: 0, count: 1 });
    close_all(map);
    peer.close();
    await new Promise(setImmediate);
    const before = open();
    process.on('exit', (code) => {
      if (code === 0) say(open() - before, 'open');
      say('code', code);
    });
    const server = new dispatcher(null, map);
    server.create_socket();
    server.bind(['127.0.0.1', 0]);
    server.listen();
    server.handle_accepted = (sock) => {
      const echo = new dispatcher_with_send(sock, map);
      echo.handle_read = () => echo.send(echo.recv(100));
    };
    const client = new dispatcher_with_send(null, map);
    client.log_info = () => {};
    client.create_socket();
    client.connect(server.getsockname());
    client.handle_connect = () => client.send(Buffer.from('hello'));
    client.handle_read = () => {
      if (client.recv(100).length > 0) close_all(map);
    };
    ${body}`);
  const lines = await program.rest();
  expect(lines.shift()).toBe('begins');
  return lines;
}

const unable = process.platform === 'linux' ? '' : ' (runs on Linux)';

describe.skipIf(unable !== '')(`a process${unable}`, () => {
  onEveryPoller((use_poll) => {
    describe('ends by itself, with nothing left open, after', () => {
      const ends = `
        await loop({ use_poll, map, signal });
        await new Promise(setImmediate);
        // A timer would keep it for its time only.
        if (process.getActiveResourcesInfo().includes('Timeout')) say('a timer is left');`;
      it.each([
        ['a handler has closed everything', ''],
        [
          'channels with a timeout were closed',
          'for (const channel of [server, client]) channel.timeout = 3600;',
        ],
        [
          'a resting listener was closed',
          `const { socket } = server;
          socket.accept = () => {
            delete socket.accept;
            client.handle_connect = () => {};
            setImmediate(close_all, map);
            throw new OSError('accept', errno.EMFILE);
          };
          server.log_info = () => {};`,
        ],
        [
          'channels were closed whose names were being looked up',
          `const late = new dispatcher(null, map);
          late.create_socket();
          late.connect(['127.1', 9]); // not a numeric address
          late.handle_connect = late.handle_connect_error = () => say('told');`,
        ],
        [
          'close_when_done has sent everything',
          `server.handle_accepted = (sock) => {
            const last = new dispatcher_with_send(sock, map);
            last.send(Buffer.alloc(5 << 20));
            last.close_when_done();
            server.close();
          };
          let left = 5 << 20;
          client.handle_connect = () => {};
          client.handle_read = () => {
            left -= client.recv(1 << 20).length;
            if (left === 0) client.handle_read = () => client.recv(1);
          };`,
        ],
        [
          'a pass within a handler has closed everything',
          `const { handle_connect } = client;
          client.handle_connect = () => {
            handle_connect();
            while (map.size > 0) poll2(1, map);
          };`,
        ],
      ])('%s', async (_, body) => {
        const lines = await outcome(use_poll, `const signal = null; ${body} ${ends}`);
        expect(lines).toEqual(['0 open', 'code 0']);
      });
    });

    it.each([
      ['handle_connect', 'client.handle_connect = () => process.exit(7);'],
      ['handle_accepted', 'server.handle_accepted = () => process.exit(7);'],
      ['handle_read', 'client.handle_read = () => process.exit(7);'],
      ['handle_write', 'client.handle_write = () => process.exit(7);'],
      [
        'handle_close',
        `server.handle_accepted = (sock) => sock.close();
        client.handle_close = () => process.exit(7);`,
      ],
      [
        'handle_error',
        `client.handle_connect = () => { throw new Error('spam'); };
        client.handle_error = () => process.exit(7);`,
      ],
      [
        'handle_timeout',
        `server.handle_accepted = () => {};
        server.timeout = 0.05;
        server.handle_timeout = () => process.exit(7);`,
      ],
      ['a predicate', 'client.readable = () => client.connected && process.exit(7);'],
      [
        'a pass within a handler',
        `server.handle_accepted = (sock) => {
          const echo = new dispatcher_with_send(sock, map);
          echo.handle_read = () => {
            sock.send(echo.recv(100));
            for (;;) poll(1, map);
          };
        };
        client.handle_read = () => process.exit(7);`,
      ],
      ['an async handler', 'client.handle_read = async () => { await null; process.exit(7); };'],
    ])('may exit in %s', async (_, body) => {
      expect(await outcome(use_poll, `${body} await loop({ use_poll, map });`)).toEqual(['code 7']);
    });
  });
});
