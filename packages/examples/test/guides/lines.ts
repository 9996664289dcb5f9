import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';

class Session extends async_chat {
  override timeout = 30;
  override max_incoming = 1000;

  constructor(sock: Socket) {
    super(sock);
    this.set_terminator(['\r\n', '\n']);
    this.push(Buffer.from('name?\r\n'));
  }

  override collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  override found_terminator() {
    if (this.closing) return;
    this.push(Buffer.from(`hello, ${this._get_data()}\r\n`));
    this.close_when_done();
  }
}

class Server extends dispatcher {
  override handle_accepted(sock: Socket) {
    new Session(sock);
  }
}

const server = new Server();
server.create_server(['127.0.0.1', Number(process.argv[2] ?? 8081)]);
const [host, port] = server.getsockname();
console.log(`listening on ${host}:${port}`);
await loop();
