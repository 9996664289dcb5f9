import { dispatcher, loop } from '@asyncore/core';
import { MSG_OOB } from '@asyncore/socket';

class Receiver extends dispatcher {
  handle_expt() {
    console.log(`urgent: ${this.recv(1, MSG_OOB)}`);
  }

  handle_read() {
    const data = this.recv(8192);
    if (data.length > 0) console.log(`in turn: ${data}`);
  }

  handle_close() {
    this.close();
  }
}

class Server extends dispatcher {
  handle_accepted(sock) {
    new Receiver(sock);
    this.close();
  }
}

class Sender extends dispatcher {
  handle_connect() {
    this.send(Buffer.from('read me later'));
    this.socket.send(Buffer.from('!'), MSG_OOB); // the Socket's send takes flags
  }

  handle_write() {
    this.close();
  }
}

const server = new Server();
server.create_server(['127.0.0.1', 0]);
new Sender().create_connection(server.getsockname());
await loop();
