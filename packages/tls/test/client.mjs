import { readFileSync } from 'node:fs';
import { loop } from '@asyncore/core';
import { tls_dispatcher } from '@asyncore/tls';

const [port, cert] = process.argv.slice(2);

class Client extends tls_dispatcher {
  handle_secure() {
    console.log(this.protocol, this.peer_certificate.subject.CN);
  }
  handle_read() {
    process.stdout.write(this.recv(8192));
  }
}

const client = new Client(null, null, { ca: readFileSync(cert), servername: 'localhost' });
client.create_connection(['127.0.0.1', Number(port)]);
client.send(Buffer.from('GET / HTTP/1.0\r\n\r\n')); // waits for the handshake
await loop();
