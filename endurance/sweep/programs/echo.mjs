/** An echo server and three clients: a short message, one that fills the buffers, and one in between. */
import { dispatcher_with_send } from '@asyncore/core';
import { AF_INET, AF_UNIX, SO_RCVBUF, SOL_SOCKET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';
import { socketPath } from './paths.mjs';
import { text } from './text.mjs';

const SIZES = [60, 24_000, 400];

class Handler extends Watched(dispatcher_with_send) {
  handle_read() {
    const data = this.recv(8192);
    if (data.length === 0) return;
    if (!this.conversation) this.as(this.of, `c${data.toString('latin1', 0, 1)}`, 'server');
    this.of.got(this.conversation, 'server', data.toString('latin1'));
    this.send(data);
  }
}

class Client extends Watched(dispatcher_with_send) {
  constructor(record, listener, i, want) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.want = want;
    this.received = 0;
    this.begin(listener.socket.family, listener.address, () => {
      if (i === 1) this.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    });
  }
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(this.want.slice(0, 20)));
    this.send(Buffer.from(this.want.slice(20)));
  }
  handle_read() {
    const data = this.recv(16_384);
    this.record.got(this.conversation, 'client', data.toString('latin1'));
    this.received += data.length;
    if (this.received >= this.want.length && !this.isClosed) this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

async function run(record, family, address) {
  const listener = new Listener(record, family, address, (sock) => {
    new Handler(sock, record.map).of = record;
  });
  if (record.setup) return;
  SIZES.forEach((size, i) => {
    const want = text(`${i}`, size);
    record.expect(`c${i}`);
    record.conversation(`c${i}`, { client: want, server: want });
  });
  SIZES.forEach((size, i) => void new Client(record, listener, i, text(`${i}`, size)));
  await record.serve();
}

export const echo = (record) => run(record, AF_INET, ['127.0.0.1', 0]);
export const echo_unix = (record) => run(record, AF_UNIX, socketPath());
