import { readFileSync } from 'node:fs';
import { dispatcher, loop } from '@asyncore/core';
import { tls_dispatcher } from '@asyncore/tls';

const [key, cert, port = '8443'] = process.argv.slice(2);
const options = { key: readFileSync(key), cert: readFileSync(cert) };

class Session extends tls_dispatcher {
  handle_secure() {
    console.log(`${this.addr[0]} speaks ${this.protocol}`);
    this.send(Buffer.from('this is private\n'));
  }

  handle_read() {
    this.send(this.recv(8192));
  }
}

class Server extends dispatcher {
  handle_accepted(sock) {
    new Session(sock, null, options);
  }
}

const server = new Server();
server.create_server(['127.0.0.1', Number(port)]);
console.log(`listening on ${server.getsockname().join(':')}`);
await loop();
