/** A server with a timeout, keep-alive and a limit: two clients fall silent, one goes on for a while. */
import { dispatcher_with_send } from '@asyncore/core';
import { AF_INET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';

const ANSWERS = 4;

class Handler extends Watched(dispatcher_with_send) {
  constructor(sock, record) {
    super(sock, record.map);
    this.of = record;
    this.timeout = 0.05;
  }
  handle_read() {
    const data = this.recv(100);
    if (data.length === 0) return;
    if (!this.conversation) this.as(this.of, `c${data.toString()[0]}`, 'server');
    this.of.got(this.conversation, 'server', data.toString());
    this.send(data);
  }
}

class Client extends Watched(dispatcher_with_send) {
  constructor(record, listener, i) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.i = i;
    this.answers = 0;
    this.begin(AF_INET, listener.address, () => this.set_keep_alive({ idle: 5 }));
  }
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(`${this.i}`));
  }
  handle_read() {
    const data = this.recv(100);
    this.record.got(this.conversation, 'client', data.toString());
    if (data.length === 0 || this.i !== 1) return;
    this.answers += 1;
    if (this.answers < ANSWERS) this.send(Buffer.from('1'));
    else this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

export async function timeouts(record) {
  const listener = new Listener(
    record,
    AF_INET,
    ['127.0.0.1', 0],
    (sock) => void new Handler(sock, record),
    { limit: 2, keep_alive: { idle: 10, interval: 5, count: 3, user_timeout: 20 } },
  );
  if (record.setup) return;
  record.isTimed = true;
  for (const [i, want] of ['0', '1111', '2'].entries()) {
    record.expect(`c${i}`);
    record.conversation(`c${i}`, { client: want, server: want });
  }
  record.mustTell = { c0: 'server', c2: 'server' };
  for (const i of [0, 1, 2]) new Client(record, listener, i);
  await record.serve();
}
