/** An echo server and three clients: a short message, one that fills the buffers, and one in between. */
import { AF_INET, AF_UNIX, SO_RCVBUF, SOL_SOCKET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';
import { Asks, Echoes } from './ends.mjs';
import { socketPath } from './paths.mjs';
import { text } from './text.mjs';

const SIZES = [60, 24_000, 400];

const Handler = Echoes(Watched);

class Client extends Asks(Watched) {
  constructor(record, listener, i, want) {
    super(record, listener, i, want, (channel) => {
      if (i === 1) channel.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    });
  }
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(this.want.slice(0, 20)));
    this.send(Buffer.from(this.want.slice(20)));
  }
}

async function run(record, family, address) {
  const listener = new Listener(record, family, address, (sock) => void new Handler(sock, record));
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
