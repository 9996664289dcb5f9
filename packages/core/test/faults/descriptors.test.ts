/** A process that has no descriptor left, and gets some back. */
import { Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { onEveryPoller, own, type UsePoll } from '../support.js';
import { Program } from './programs.js';

/**
 * Runs `body` in a process that may have 64 descriptors: `fill` takes all that are left, `free` gives so
 * many back. There are more while Node reads the modules, many at once. `peer` is the other end of a
 * channel that says what it reads.
 */
function withFew(use_poll: UsePoll, body: string): Program {
  return new Program(
    `import { dispatcher, loop, poll, poll2, socket_map } from '@asyncore/core';
    import { close, dup, Socket, socketpair } from '@asyncore/socket';
    const use_poll = ${use_poll};
    for (let i = 0; i < 192; i++) dup(0);
    const held = [];
    const fill = () => { try { for (;;) held.push(dup(0)); } catch {} };
    const free = (count) => held.splice(0, count).forEach(close);
    const say = (...words) => console.log(words.join(' '));
    class Quiet extends dispatcher {
      log_info(message) { say(String(message).replace(/<.*>/, 'it')); }
      handle_read() { say(this.recv(10)); }
    }
    const [ours, peer] = socketpair();
    const quiet = new Quiet(ours);
    const hello = Buffer.from('hello');
    const server = new Quiet();
    const serve = () => {
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen(100);
    };
    say('ready');
    ${body}
    process.exit();`,
    'ulimit -n 256; exec "$@"',
  );
}

onEveryPoller((use_poll) => {
  it('create_socket throws EMFILE, and succeeds on the same channel later', async () => {
    const program = withFew(
      use_poll,
      `fill();
      try { serve(); } catch (error) { say(error.message); }
      say(server.fileno(), socket_map.size);
      free(1);
      serve();
      say(server.accepting, socket_map.size);`,
    );
    expect(await program.rest()).toEqual(['ready', 'socket EMFILE', '-1 1', 'true 2']);
  });

  it.each([
    ['create_socket', 'new dispatcher().create_socket()', 'socket'],
    ['dup', 'held.push(dup(0))', 'dup'],
    ['socketpair', 'socketpair()', 'socketpair'],
  ])(
    'a handler that finds none for %s loses its own channel, and no other',
    async (_, call, name) => {
      const program = withFew(
        use_poll,
        `const [sock, far] = socketpair();
      const needy = new Quiet(sock);
      needy.handle_read = () => {
        needy.recv(10);
        fill();
        ${call};
      };
      needy.handle_close = () => {
        needy.close();
        say('closed');
        ${call.startsWith('socketpair') ? 'free(1);' : ''}
        ${call}; // what it had is free again
        peer.send(hello);
      };
      far.send(hello);
      const end = new AbortController();
      const done = loop({ use_poll, signal: end.signal });
      await new Promise((heard) => {
        const { log } = console;
        console.log = (line) => { log(line); if (line === 'hello') heard(); };
      });
      say('done');`,
      );
      expect(await program.rest()).toEqual([
        'ready',
        expect.stringMatching(`^uncaptured exception, closing channel it .*${name} EMFILE`),
        'closed',
        'hello',
        'done',
      ]);
    },
  );

  it('a loop that finds none rejects with EMFILE, and one begun later serves', async () => {
    const program = withFew(
      use_poll,
      `peer.send(hello);
      fill();
      for (const count of [0, 1, 5]) {
        free(count);
        await loop({ use_poll, count: 1 }).catch((error) => say(error.code));
      }`,
    );
    expect(await program.rest()).toEqual(['ready', 'EMFILE', 'EMFILE', 'hello']);
  });

  it('out of descriptors, a listener serves everybody as others leave', async () => {
    const program = withFew(
      use_poll,
      `let accepted = 0;
      server.handle_accepted = (sock) => {
        const channel = new Quiet(sock);
        channel.handle_read = () => channel.recv(100);
        channel.handle_close = () => channel.close();
        if (++accepted < 90) return;
        server.close();
        quiet.close();
      };
      serve();
      say(server.getsockname()[1]);
      await loop({ use_poll });
      say('all');`,
    );
    await program.line();
    const port = Number(await program.line());
    const clients = Array.from({ length: 90 }, () => own(new Socket()));
    for (const client of clients) client.connect_ex(['127.0.0.1', port]);
    const lines = [await program.line()];
    for (const client of clients) client.close();
    lines.push(...(await program.rest()));
    expect(lines[0]).toMatch('accept EMFILE: it goes on accepting when it can');
    expect(lines.at(-1)).toBe('all');
    expect(lines.length).toBeLessThan(10);
  });
});

it('a synchronous pass needs none', async () => {
  const program = withFew(
    undefined,
    `fill();
    for (const pass of [poll, poll2]) {
      peer.send(hello);
      pass(1);
    }`,
  );
  expect(await program.rest()).toEqual(['ready', 'hello', 'hello']);
});
