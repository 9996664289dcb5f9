// In a process of its own: it ends threads in the midst of their work.
import { Worker } from 'node:worker_threads';
import { close, Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { descriptors, entryUrl, linuxOnly, onLinux, own, pair } from './support.js';

/** A thread that runs `source`; there, `socket` is the package and `post` sends to us. */
function thread(source: string): Worker {
  return new Worker(
    `import('${entryUrl}').then(async (socket) => {
      const { parentPort } = require('node:worker_threads');
      const post = (value) => parentPort.postMessage(value);
      ${source}
    });`,
    { eval: true },
  );
}

function message(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread ended: ${code}`)));
  });
}

const ended = (worker: Worker) => new Promise((resolve) => worker.once('exit', resolve));

/** In a thread: sends 200 numbers through a pair, read when a watched queue says so. */
const conversation = `
  const queue = process.platform === 'linux' ? new socket.epoll() : new socket.kqueue();
  const [a, b] = socket.socketpair();
  queue.register(a.fileno(), socket.POLLIN);
  let sum = 0;
  for (let i = 0; i < 200; i++) {
    b.send(Buffer.from([i]));
    await new Promise((resolve) => {
      const watcher = socket.new_wakeup(queue.fileno(), () => {
        sum += a.recv(1)[0];
        watcher.close();
        resolve();
      }, () => {});
    });
  }
  for (const one of [a, b, queue]) one.close();
  post(sum);`;

/** In a thread: opens one of everything and waits for ever. */
const waiting = `
  const queue = process.platform === 'linux' ? new socket.epoll() : new socket.kqueue();
  const kept = [socket.socketpair(), new socket.Socket(), queue];
  for (const fd of [...socket.pipe(), socket.dup(0)]) kept.push(new socket.Descriptor(fd));
  const [[a, b]] = kept;
  queue.register(a.fileno(), socket.POLLIN);
  kept.push(socket.new_wakeup(queue.fileno(), () => {}, () => {}));
  const [listener, client] = [new socket.Socket(), new socket.Socket()];
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  client.setblocking(true);
  client.connect(listener.getsockname());
  kept.push(listener, client, listener.accept());
  b.send_fds([Buffer.from('x')], [a.fileno()]);
  kept.push(socket.Socket.from_fd(a.recv_fds(1, 1)[1][0]));
  globalThis.kept = kept;`;

it('everything works in a thread', async () => {
  const worker = thread(conversation);
  const end = ended(worker);
  expect(await message(worker)).toBe((199 * 200) / 2);
  expect(await end).toBe(0);
});

it('two threads and the main one work at once', async () => {
  const [a, b] = pair();
  const workers = [thread(conversation), thread(conversation)];
  const sums = workers.map(message);
  const ends = workers.map(ended);
  a.send(Buffer.from('meanwhile'));
  expect(b.recv(100).toString()).toBe('meanwhile');
  expect(await Promise.all(sums)).toEqual([19900, 19900]);
  await Promise.all(ends);
});

it.skipIf(!onLinux)(linuxOnly('a thread terminated in mid-wait leaves no descriptor'), async () => {
  await thread('').terminate(); // what Node opens for its first thread, it keeps
  const before = descriptors();
  const worker = thread(`${waiting} post('waiting');`);
  await message(worker);
  expect(descriptors().length).toBeGreaterThan(before.length + 8);
  await worker.terminate();
  expect(descriptors()).toEqual(before);
});

it.skipIf(!onLinux)(linuxOnly('a thread that exits leaves no descriptor'), async () => {
  await thread('').terminate();
  const before = descriptors();
  const worker = thread(`${waiting} process.exit(0);`);
  await ended(worker);
  expect(descriptors()).toEqual(before);
});

it('a thread may be terminated while it is in a callback', async () => {
  const worker = thread(`
    ${waiting}
    b.send(Buffer.from('x'));
    kept.push(socket.new_wakeup(queue.fileno(), () => {
      post('in it');
      for (;;);
    }, () => {}));`);
  await message(worker);
  expect(await worker.terminate()).toBe(1);
});

/** What gives a plain descriptor, which is the caller's. */
const plain: [string, string][] = [
  ['dup', 'socket.dup(0)'],
  ['pipe, to read from', 'socket.pipe()[0]'],
  ['pipe, to write to', 'socket.pipe()[1]'],
  ['recv_fds', 'b.recv_fds(1, 1)[1][0]'],
  ['recvmsg', 'new Int32Array(new Uint8Array(b.recvmsg(1, 64)[1][0][2]).buffer)[0]'],
  ['detach of a socket', 'new socket.Socket().detach()'],
  ['detach of an accepted socket', 'listener.accept()[0].detach()'],
  ['detach of a queue', 'queue().detach()'],
  ['detach of a Descriptor', 'new socket.Descriptor(socket.dup(0)).detach()'],
  ['detach after from_fd', 'socket.Socket.from_fd(socket.socketpair()[0].detach()).detach()'],
];

it.each(plain)('a descriptor that came of %s stays open when its thread ends', async (_, given) => {
  const worker = thread(`
    const [a, b] = socket.socketpair();
    a.send_fds([Buffer.from('x')], [a.fileno()]);
    const [listener, client] = [new socket.Socket(), new socket.Socket()];
    listener.bind(['127.0.0.1', 0]);
    listener.listen();
    client.setblocking(true);
    client.connect(listener.getsockname());
    const queue = () => process.platform === 'linux' ? new socket.epoll() : new socket.kqueue();
    const fd = ${given};
    globalThis.kept = [a, b, listener, client];
    setInterval(() => {}, 1000);
    post(fd);`);
  const fd = (await message(worker)) as number;
  await worker.terminate();
  expect(() => close(fd)).not.toThrow();
});

it('a number given away and used by others since stays open when its thread ends', async () => {
  const worker = thread(`
    const numbers = [socket.dup(0), ...socket.pipe(), new socket.Socket().detach()];
    setInterval(() => {}, 1000);
    post(numbers);`);
  const numbers = (await message(worker)) as number[];
  for (const fd of numbers) close(fd);
  const ours = Array.from({ length: 10 }, () => pair()).flat();
  expect(ours.filter((one) => numbers.includes(one.fileno()))).toHaveLength(4);
  await worker.terminate();
  for (const one of ours) expect(one.getblocking()).toBe(false);
});

it('what a thread detached stays open when it ends', async () => {
  const worker = thread(`
    const [a, b] = socket.socketpair();
    a.send(Buffer.from('from the thread'));
    a.close();
    post(b.detach());`);
  const end = ended(worker);
  const fd = await message(worker);
  await end;
  const socket = own(Socket.from_fd(fd as number));
  expect(socket.recv(100).toString()).toBe('from the thread');
});

it('what a thread closed is not closed once more when it ends', async () => {
  const worker = thread(`
    const numbers = [socket.dup(0), ...socket.pipe()];
    for (const fd of numbers) socket.close(fd);
    setInterval(() => {}, 1000);
    post(numbers);`);
  const numbers = (await message(worker)) as number[];
  // The lowest free numbers are given first.
  const ours = Array.from({ length: 10 }, () => pair()).flat();
  expect(ours.filter((one) => numbers.includes(one.fileno()))).toHaveLength(3);
  await worker.terminate();
  for (const one of ours) expect(one.getblocking()).toBe(false);
});

it('many threads come and go', async () => {
  for (let round = 0; round < 3; round++) {
    const workers = Array.from({ length: 4 }, () => thread(`${waiting} post('waiting');`));
    await Promise.all(workers.map(message));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});
