/** The loop among all else that goes on in a Node process. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  connection,
  listener,
  listening,
  onEveryPoller,
  own,
  patient,
  Recorder,
  readAll,
  Stage,
} from './support.js';

const hello = Buffer.from('hello');

/** Runs a program of its own in this package's folder. */
function run(program: string, env = {}) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
}

/** A worker thread that runs `program`, an async function's body. */
function worker(program: string): Worker {
  const imports = `const { dispatcher, dispatcher_with_send, loop, socket_map } =
    await import('@asyncore/core');
    const { parentPort } = await import('node:worker_threads');`;
  const thread = new Worker(`(async () => { ${imports} ${program} })()`, { eval: true });
  own({ close: () => void thread.terminate() });
  return thread;
}

const serveEcho = `
  const server = new dispatcher();
  server.create_socket();
  server.bind(['127.0.0.1', 0]);
  server.listen();
  server.handle_accepted = (sock) => {
    const channel = new dispatcher_with_send(sock);
    channel.handle_read = () => channel.send(channel.recv(100));
    channel.handle_close = () => {
      channel.close();
      server.close();
    };
  };
  parentPort.postMessage(server.getsockname());
  await loop();
  parentPort.postMessage(socket_map.size);`;

onEveryPoller((use_poll) => {
  it('timers keep their pace while a loop waits', async () => {
    const stage = new Stage(use_poll);
    new Recorder(stage, connection()[0]);
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 1);
    await stage.loop({ timeout: 0.2, count: 1 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(40);
  });

  it('a loop that waits uses no processor time', async () => {
    const stage = new Stage(use_poll);
    for (let i = 0; i < 200; i++) {
      for (const sock of connection()) new Recorder(stage, sock);
    }
    await stage.passes();
    const start = process.cpuUsage();
    await stage.loop({ timeout: 0.3, count: 1 });
    const { user, system } = process.cpuUsage(start);
    expect(user + system).toBeLessThan(150_000);
  });

  it('Node’s own sockets go on beside it', async () => {
    const stage = new Stage(use_poll);
    const server = createServer((socket) => socket.end(hello)).listen(0, '127.0.0.1');
    own(server);
    await once(server, 'listening');
    const channel = new Recorder(stage);
    channel.create_socket();
    channel.connect(['127.0.0.1', (server.address() as { port: number }).port]);
    await stage.loop();
    expect(stage.trace).toEqual(['connect', 'read 5', 'close']);
  });

  it('handlers see the context in which loop was called', async () => {
    const stage = new Stage(use_poll);
    const storage = new AsyncLocalStorage<string>();
    const context = (name: string) => stage.say(`${name} in ${storage.getStore()}`);
    const server = listening(new Recorder(stage));
    server.handle_accepted = (sock) => {
      context('accepted');
      server.close();
      sock.close();
    };
    const client = new Recorder(stage);
    client.handle_connect = () => context('connect');
    client.handle_close = async () => {
      await null;
      context('close');
      client.close();
    };
    storage.run('another', () => {
      client.create_socket();
      client.connect(['127.1', Number(server.getsockname()[1])]);
    });
    await storage.run('loop', () => stage.loop());
    expect(stage.trace.sort()).toEqual(['accepted in loop', 'close in loop', 'connect in loop']);
  });
});

// CPython: it waits for the timeout (A25).
it('what another thread asks for goes out at once', async () => {
  const stage = new Stage();
  const channel = new dispatcher_with_send(connection()[0], stage.map);
  channel.handle_write = () => {
    channel.initiate_send();
    stage.say('sent');
  };
  const thread = worker(`setTimeout(() => parentPort.postMessage('go'), 20);`);
  thread.once('message', () => {
    channel.out_buffer = hello;
  });
  await stage.until('sent');
});

it('a worker thread has its own socket_map and its own loop', async () => {
  const thread = worker(serveEcho);
  const [address] = await once(thread, 'message');
  const ours = own(new dispatcher());
  ours.create_socket();
  ours.connect(address);
  ours.handle_connect = () => void ours.send(hello);
  const echo: string[] = [];
  ours.handle_read = () => {
    echo.push(String(ours.recv(100)));
    ours.close();
  };
  await loop();
  expect(echo).toEqual(['hello']);
  const [left] = await once(thread, 'message');
  expect(left).toBe(0);
});

it('a worker thread may be terminated in the middle of its loop', async () => {
  const thread = worker(serveEcho);
  const [address] = await once(thread, 'message');
  const ours = patient(own(new Socket()));
  ours.connect(address);
  ours.send(hello);
  expect(String(ours.recv(10))).toBe('hello');
  await thread.terminate();
  expect(readAll(ours).length).toBe(0);
  const again = own(new Socket());
  again.setblocking(true);
  expect(() => again.connect(address)).toThrow('ECONNREFUSED');
});

it('many loops may come and go in worker threads', async () => {
  const threads = Array.from({ length: 4 }, () =>
    worker(`
      const channel = new dispatcher();
      channel.create_socket(2, 2);
      for (let i = 0; i < 50; i++) await loop({ timeout: 0, count: 1 });
      channel.close();
      parentPort.postMessage('done');`),
  );
  const messages = await Promise.all(threads.map((thread) => once(thread, 'message')));
  expect(messages.flat()).toEqual(['done', 'done', 'done', 'done']);
});

it('the process ends when the map is empty, and not before', () => {
  const { stdout, status } = run(`
    import { dispatcher, loop } from '@asyncore/core';
    import { socketpair } from '@asyncore/socket';
    const [ours, theirs] = socketpair();
    const channel = new dispatcher(ours);
    channel.handle_read = () => console.log(channel.recv(10).length);
    channel.handle_close = () => channel.close();
    setTimeout(() => theirs.send(Buffer.from('hello')), 50).unref();
    setTimeout(() => theirs.close(), 100).unref();
    await loop();
    console.log('end');
  `);
  expect([stdout, status]).toEqual(['5\n0\nend\n', 0]);
});

it('the process ends when the loop was aborted', () => {
  const { stdout, status } = run(`
    import { dispatcher, loop } from '@asyncore/core';
    import { socketpair } from '@asyncore/socket';
    const [ours, theirs] = socketpair();
    new dispatcher(ours);
    await loop({ signal: AbortSignal.timeout(20) }).catch((error) => console.log(error.name));
    theirs.close(); // until then it is held: collected, it would close and end the loop
  `);
  expect([stdout, status]).toEqual(['TimeoutError\n', 0]);
});

it('the process ends when the loop could not begin, since its map holds no channel', () => {
  const { stdout, status } = run(`
    import { loop } from '@asyncore/core';
    await loop({ map: new Map([[5, null]]) }).catch((error) => console.log(error.name));
  `);
  expect([stdout, status]).toEqual(['TypeError\n', 0]);
});

it('ExitNow from an async handler is not lost when its loop has ended', () => {
  const { stderr, status } = run(`
    import { dispatcher, ExitNow, loop } from '@asyncore/core';
    import { socketpair } from '@asyncore/socket';
    const [ours, theirs] = socketpair();
    const channel = new dispatcher(ours);
    let goOn;
    channel.handle_read = async () => {
      channel.recv(10);
      await new Promise((resolve) => { goOn = resolve; });
      throw new ExitNow('bye');
    };
    theirs.send(Buffer.from('hello'));
    await loop({ count: 1 });
    goOn();
  `);
  expect(stderr).toContain('ExitNow: bye');
  expect(status).toBe(1);
});

it('NODE_DEBUG=asyncore_loop traces the passes', () => {
  const program = `
    import { dispatcher, loop } from '@asyncore/core';
    import { socketpair } from '@asyncore/socket';
    const [ours, theirs] = socketpair();
    const channel = new dispatcher(ours);
    channel.handle_read = () => channel.recv(10);
    theirs.close();
    await loop();
  `;
  expect(run(program, { NODE_DEBUG: 'asyncore_loop' }).stderr).toMatch(/^ASYNCORE_LOOP \d+: /m);
  expect(run(program).stderr).toBe('');
});

it('loops leave no descriptor behind', async () => {
  const stage = new Stage();
  new Recorder(stage, connection()[0]);
  const lowest = () => {
    const socket = new Socket();
    const fd = socket.fileno();
    socket.close();
    return fd;
  };
  await stage.passes();
  await new Promise(setImmediate);
  const before = lowest();
  for (const use_poll of [true, false, undefined]) {
    await loop({ timeout: 0, use_poll, map: stage.map, count: 5 });
  }
  await new Promise(setImmediate);
  expect(lowest()).toBe(before);
  expect(listener().fileno()).toBe(before);
});
