import { dispatcher, loop } from '@asyncore/core';
import { IPPROTO_TCP, SO_RCVBUF, SOL_SOCKET, TCP_MAXSEG } from '@asyncore/socket';

class Server extends dispatcher {
  handle_accepted(sock) {
    console.log(`segment: ${sock.getsockopt(IPPROTO_TCP, TCP_MAXSEG)}`);
    sock.close();
    this.close();
  }
}

const server = new Server();
server.create_socket();
server.set_reuse_addr();
// Before listen, since TCP agrees on both while it connects; what is accepted inherits them.
server.setsockopt(SOL_SOCKET, SO_RCVBUF, 32768);
server.setsockopt(IPPROTO_TCP, TCP_MAXSEG, 1000);
server.bind(['127.0.0.1', 0]);
server.listen();

const client = new dispatcher();
client.create_socket();
client.handle_connect = () => client.close();
client.handle_write = () => {}; // wakes it when it is connected
client.connect(server.getsockname());
await loop();
