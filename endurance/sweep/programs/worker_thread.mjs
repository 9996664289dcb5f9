/**
 * The thread of `worker`: each time that it is told to begin it makes an echo server, says on which port, and
 * serves until it is told to end; then it says how that went.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { codeOf, passOf, usePoll } from '../record.mjs';

const { poller } = workerData;
const map = new Map();
let server = null;

class Handler extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(100);
    if (data.length > 0) this.send(data);
  }
  handle_error(error) {
    parentPort.postMessage({ side: 'handler', what: `error:${codeOf(error)}` });
    super.handle_error(error);
  }
  log_info() {}
}

class Server extends dispatcher {
  handle_accepted(sock) {
    new Handler(sock, map);
  }
  handle_error(error) {
    parentPort.postMessage({ side: 'listener', what: `error:${codeOf(error)}` });
    super.handle_error(error);
  }
  handle_close() {
    parentPort.postMessage({ side: 'listener', what: 'close' });
    super.handle_close();
  }
  log_info() {}
}

async function serve() {
  const pass = passOf(poller);
  if (pass === undefined) return await loop({ map, use_poll: usePoll(poller) });
  while (map.size > 0) {
    pass(0.002, map);
    await new Promise(setImmediate);
  }
}

async function begin() {
  server = new Server(null, map);
  try {
    server.create_socket();
    server.bind(['127.0.0.1', 0]);
    server.listen();
    parentPort.postMessage({ port: server.getsockname()[1] });
  } catch (error) {
    parentPort.postMessage({ setup: codeOf(error) });
    server.close();
    return;
  }
  let rejected = null;
  try {
    await serve();
  } catch (error) {
    rejected = codeOf(error);
    for (const channel of [...map.values()]) channel.close();
    map.clear();
  }
  parentPort.postMessage({ isOver: true, rejected });
}

parentPort.on('message', (what) => {
  if (what === 'begin') begin();
  else server.close();
});
