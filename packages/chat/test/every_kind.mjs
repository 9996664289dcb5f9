/** The classes whose public methods are called everywhere. As a worker it plays the one of `workerData`. */
import { parentPort, workerData } from 'node:worker_threads';
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { allFailuresOf, CALLS, quiet } from '@asyncore/test-support/every_method';

class Plain extends quiet(dispatcher) {}
class Sender extends quiet(dispatcher_with_send) {}

class Chat extends async_chat {
  linger_time = 0.02;
  collect_incoming_data() {}
  found_terminator() {}
  handle_connect() {}
  handle_error() {}
  log() {}
  log_info() {}
}

/** @type {import('@asyncore/test-support/every_method').Kind['calls']} */
const queued = {
  ...CALLS,
  close_when_done: (c) => c.close_when_done(),
  initiate_send: (c) => c.initiate_send(),
};

/** @type {Record<string, import('@asyncore/test-support/every_method').Kind & { Class: { prototype: object } }>} */
export const KINDS = {
  dispatcher: {
    Class: dispatcher,
    make: (sock, map) => new Plain(sock, map),
    calls: CALLS,
    ends: ['shutdown'], // nothing is queued, and what comes after it is refused
  },
  dispatcher_with_send: {
    Class: dispatcher_with_send,
    make: (sock, map) => new Sender(sock, map),
    calls: queued,
  },
  async_chat: {
    Class: async_chat,
    make: (sock, map) => new Chat(sock, map),
    calls: {
      ...queued,
      collect_incoming_data: (c) => c.collect_incoming_data(Buffer.from('spam')),
      discard_buffers: (c) => c.discard_buffers(),
      found_terminator: (c) => c.found_terminator(),
      get_terminator: (c) => c.get_terminator(),
      handle_drain: (c) => c.handle_drain(),
      handle_overflow: (c) => c.handle_overflow(),
      push: (c) => c.push(Buffer.from('!')),
      push_with_producer: (c) => c.push_with_producer([Buffer.from('!')]),
      set_terminator: (c) => c.set_terminator('\n'),
    },
  },
};

if (parentPort) parentPort.postMessage(await allFailuresOf(KINDS[workerData.kind]));
