/** The thread of `new_worker`: a word from one end of a pair to the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { dispatcher_with_send, loop } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { codeOf, passOf, usePoll } from '../record.mjs';

const { poller } = workerData;
const map = new Map();

class End extends dispatcher_with_send {
  constructor(sock, side) {
    super(sock, map);
    this.side = side;
  }
  handle_read() {
    const data = this.recv(100);
    if (data.length > 0) parentPort.postMessage({ got: data.toString() });
  }
  handle_close() {
    parentPort.postMessage({ side: this.side, told: 'close' });
    super.handle_close();
  }
  handle_error(error) {
    parentPort.postMessage({ side: this.side, told: `error:${codeOf(error)}` });
    super.handle_error(error);
  }
  log_info() {}
}

async function serve() {
  const pass = passOf(poller);
  if (pass === undefined) return await loop({ map, use_poll: usePoll(poller) });
  while (map.size > 0) pass(0.5, map);
}

try {
  const [a] = socketpair().map((sock, i) => new End(sock, 'ab'[i]));
  a.send(Buffer.from('to b'));
  a.close_when_done();
  await serve();
} catch (error) {
  parentPort.postMessage({ side: 'thread', told: `thrown:${codeOf(error)}` });
  for (const channel of [...map.values()]) channel.close();
}
