/**
 * `worker`: an echo server in a worker thread, and its clients in this one. The thread serves run after run,
 * since it takes longer to begin than all else; `new_worker` begins one each time, which does little.
 */
import { Worker } from 'node:worker_threads';
import { dispatcher_with_send } from '@asyncore/core';
import { AF_INET } from '@asyncore/socket';
import { codeOf } from '../record.mjs';
import { Watched } from '../watched.mjs';

class Client extends Watched(dispatcher_with_send) {
  constructor(record, port, i) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.i = i;
    this.received = 0;
    this.begin(AF_INET, ['127.0.0.1', port]);
  }
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(`${this.i}ping`));
  }
  handle_read() {
    const data = this.recv(100);
    this.record.got(this.conversation, 'client', data.toString());
    this.received += data.length;
    if (this.received >= 5) this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

const begin = (file, poller) =>
  new Worker(new URL(file, import.meta.url), { workerData: { poller } });

let thread = null;

export async function worker(record) {
  thread ??= begin('worker_thread.mjs', record.poller);
  record.inNode = true;
  const told = [];
  let isReady;
  let isOver;
  const ready = new Promise((resolve) => {
    isReady = resolve;
  });
  const over = new Promise((resolve) => {
    isOver = resolve;
  });
  const hear = (message) => {
    if (message.port || message.setup) isReady(message);
    else if (message.isOver) isOver(message);
    else told.push(message);
  };
  const fail = (error) => {
    record.problems.push(`worker: ${error.stack}`);
    thread = null;
    isReady({ setup: codeOf(error) });
    isOver({});
  };
  thread.on('message', hear).on('error', fail);
  thread.postMessage('begin');
  const { port, setup } = await ready;
  if (port) {
    record.whenDone = () => thread?.postMessage('end');
    for (const i of [0, 1]) {
      record.expect(`c${i}`);
      record.conversation(`c${i}`, { client: `${i}ping` });
    }
    for (const i of [0, 1]) new Client(record, port, i);
    await record.serve();
    const { rejected } = await over;
    if (rejected) record.loopError = `worker ${rejected}`;
    for (const { side, what } of told) record.tell('WORKER', side, what);
  } else {
    record.setup = `worker: ${setup}`;
  }
  thread?.off('message', hear).off('error', fail);
}

export async function new_worker(record) {
  record.inNode = true;
  record.conversation('c0', { b: 'to b' });
  const thread = begin('new_worker_thread.mjs', record.poller);
  thread.on('message', ({ got, side, told }) => {
    if (told) record.tell('c0', side, told);
    else record.got('c0', 'b', got);
  });
  thread.on('error', (error) => {
    record.setup = `worker: ${codeOf(error)}`;
    // The binary is there; it is something else that is missing.
    if (/no binary|not supported|not compiled/.test(error.message)) {
      record.problems.push(`worker: ${error.message}`);
    }
  });
  await new Promise((resolve) => thread.once('exit', resolve));
}
