/** Eight clients at once, each of which is greeted and sent away. */
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { AF_INET, AF_UNIX } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';
import { socketPath } from './paths.mjs';

const CLIENTS = 8;

/** Says `text` to whom it is given, and closes. */
export class Greeter extends Watched(dispatcher_with_send) {
  constructor(sock, record, name, text) {
    super(sock, record.map);
    this.as(record, name, 'greeter');
    this.send(Buffer.from(text));
    this.close_when_done();
  }
  handle_read() {
    this.recv(100);
  }
}

class Client extends Watched(dispatcher) {
  constructor(record, listener, name) {
    super(null, record.map);
    this.as(record, name, 'client');
    this.begin(listener.socket.family, listener.address);
  }
  writable() {
    return !this.connected;
  }
  handle_read() {
    this.record.got(this.conversation, 'client', this.recv(100).toString());
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

async function run(record, family, address, options) {
  let served = 0;
  const make = (sock) => {
    served += 1;
    new Greeter(sock, record, `s${served}`, 'greetings');
  };
  const listener = new Listener(record, family, address, make, options);
  if (record.setup) return;
  const names = Array.from({ length: CLIENTS }, (_, i) => `c${i}`);
  record.expect(...names);
  for (const name of names) record.conversation(name, { client: 'greetings' });
  for (const name of names) new Client(record, listener, name);
  await record.serve();
}

export const accept = (record) => run(record, AF_INET, ['127.0.0.1', 0]);
export const accept_unix = (record) => run(record, AF_UNIX, socketPath());
export const accept_limit = (record) => run(record, AF_INET, ['127.0.0.1', 0], { limit: 2 });
