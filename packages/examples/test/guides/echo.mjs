import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { MSG_OOB } from '@asyncore/socket';

class Echo extends dispatcher_with_send {
  handle_read() {
    this.send(this.recv(8192));
  }
  handle_expt() {
    console.log(`urgent: ${this.recv(1, MSG_OOB)}`); // out-of-band data: node:net has no way to it
  }
}

const server = new dispatcher();
server.handle_accepted = (sock) => new Echo(sock);
server.create_server(['127.0.0.1', Number(process.argv[2] ?? 8080)]);
await loop();
