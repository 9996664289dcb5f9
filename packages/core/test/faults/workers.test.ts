/** Threads that die in the midst of their loop. */
// In a process of its own: it looks at the descriptors that are open.
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Socket } from '@asyncore/socket';
import { beforeAll, describe, expect, it } from 'vitest';
import { onEveryPoller, own, patient, Recorder, readAll, Stage, type UsePoll } from '../support.js';

/** A thread that serves echoes, and does `death` when it reads `die`. */
async function server(use_poll: UsePoll, death = ''): Promise<[thread: Worker, client: Socket]> {
  const thread = new Worker(
    `import('@asyncore/core').then(async ({ dispatcher, dispatcher_with_send, ExitNow, loop }) => {
      const { parentPort } = require('node:worker_threads');
      const { errno, OSError, socketpair } = await import('@asyncore/socket');
      for (const sock of socketpair()) { // two that never stop talking
        const busy = new dispatcher_with_send(sock);
        busy.timeout = 60;
        busy.handle_read = () => busy.send(busy.recv(100));
        busy.send(Buffer.alloc(10));
      }
      const server = new dispatcher();
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen();
      server.max_connections = 10;
      server.handle_accepted = (sock) => {
        const echo = new dispatcher_with_send(sock);
        echo.handle_read = () => {
          const data = echo.recv(100);
          if (String(data) === 'die') { ${death} }
          echo.send(data);
        };
      };
      parentPort.postMessage(server.getsockname());
      await loop({ use_poll: ${use_poll} });
    });`,
    { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 }, stdout: true, stderr: true },
  );
  thread.on('error', () => {}); // some of them die of one
  own({ close: () => void thread.terminate() });
  const [address] = await once(thread, 'message');
  const client = patient(own(new Socket()));
  client.connect(address);
  client.send(Buffer.from('hello'));
  expect(String(client.recv(10))).toBe('hello');
  return [thread, client];
}

/** What this process has open. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the folder itself
    }
  });
}

const unable = process.platform === 'linux' ? '' : ' (runs on Linux)';

describe.skipIf(unable !== '')(`a thread leaves nothing behind${unable}`, () => {
  // What Node opens for its first thread, it keeps.
  beforeAll(() => new Worker('', { eval: true }).terminate());

  onEveryPoller((use_poll) => {
    it.each([
      ['exits', 'process.exit();'],
      ['lets ExitNow leave the loop', 'throw new ExitNow();'],
      ['dies of an exception in a timer', 'setTimeout(() => { throw new Error("spam"); });'],
      ['dies of one in a microtask', 'queueMicrotask(() => { throw new Error("spam"); });'],
      ['runs out of memory', 'for (const all = [];;) all.push(new Array(1e4).fill(1.5));'],
    ])('that %s in a handler', async (_, death) => {
      const before = descriptors().sort();
      const [thread, client] = await server(use_poll, death);
      client.send(Buffer.from('die'));
      await new Promise((exited) => thread.once('exit', exited));
      expect(['', 'die']).toContain(String(readAll(client)));
      client.close();
      expect(descriptors().sort()).toEqual(before);
    });

    it.each([
      ['between its passes', 'parentPort.postMessage(0);'],
      ['in a handler that does not return', 'parentPort.postMessage(0); for (;;);'],
      [
        'while names are being looked up',
        `const { pbkdf2 } = require('node:crypto');
        for (let i = 0; i < 4; i++) pbkdf2('', '', 1e5, 64, 'sha512', () => {}); // they wait for that
        for (let i = 0; i < 10; i++) {
          const named = new dispatcher();
          named.create_socket();
          named.connect(['127.1', server.getsockname()[1]]);
        }
        parentPort.postMessage(0);`,
      ],
      [
        'while its listener rests',
        `server.log_info = () => {};
        server.socket.accept = () => {
          parentPort.postMessage(0);
          throw new OSError('accept', errno.EMFILE);
        };
        const client = new dispatcher();
        client.create_socket();
        client.connect(server.getsockname());`,
      ],
    ])('that is terminated %s', async (_, death) => {
      const before = descriptors().sort();
      const [thread, client] = await server(use_poll, death);
      client.send(Buffer.from('die'));
      await once(thread, 'message');
      await thread.terminate();
      expect(['', 'die']).toContain(String(readAll(client)));
      client.close();
      expect(descriptors().sort()).toEqual(before);
    });

    it('that is terminated in a handler of another thread’s loop', async () => {
      const before = descriptors().sort();
      const [thread, client] = await server(use_poll);
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, client);
      let ended: Promise<number> | undefined;
      channel.handle_read = () => {
        if (channel.recv(10).length > 0) ended = thread.terminate();
      };
      client.send(Buffer.from('hello'));
      await stage.loop();
      await ended;
      expect(stage.trace).toEqual(['close']);
      expect(descriptors().sort()).toEqual(before);
    });

    it('though it was one of many that came and went', async () => {
      const before = descriptors().sort();
      for (let i = 0; i < 3; i++) {
        const all = await Promise.all(Array.from({ length: 4 }, () => server(use_poll)));
        await Promise.all(all.map(([thread]) => thread.terminate()));
        for (const [, client] of all) client.close();
      }
      expect(descriptors().sort()).toEqual(before);
    });
  });
});
