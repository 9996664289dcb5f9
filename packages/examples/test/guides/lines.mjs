import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';

class Session extends async_chat {
  timeout = Number(process.argv[3] ?? 30); // seconds without a byte in either direction
  max_incoming = 1000; // a longer line closes the connection

  constructor(sock) {
    super(sock);
    this.set_terminator(['\r\n', '\n']);
    this.push(Buffer.from('name?\r\n'));
  }

  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    if (this.closing) return; // a line behind the last one
    this.push(Buffer.from(`hello, ${this._get_data()}\r\n`));
    this.close_when_done();
  }

  handle_timeout() {
    if (this.closing) super.handle_timeout();
    this.push(Buffer.from('too slow\r\n'));
    this.close_when_done();
  }
}

class Server extends dispatcher {
  handle_accepted(sock) {
    new Session(sock);
  }
}

const server = new Server();
server.create_server(['127.0.0.1', Number(process.argv[2] ?? 8081)]);
console.log(`listening on ${server.getsockname().join(':')}`);
await loop();
