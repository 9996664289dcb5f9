import http from 'node:http';
import { dispatcher, loop } from '@asyncore/core';
import { IPPROTO_TCP, SO_PRIORITY, SOL_SOCKET, TCP_INFO } from '@asyncore/socket';
import { socket_stream } from '@asyncore/stream';

const web = http.createServer((request, response) => {
  const { channel } = request.socket; // a socket_stream, so there is a channel below
  const state = channel.getsockopt(IPPROTO_TCP, TCP_INFO, 1)[0];
  response.end(`TCP state ${state}\n`);
});

class Server extends dispatcher {
  handle_accepted(sock) {
    sock.setsockopt(SOL_SOCKET, SO_PRIORITY, 6);
    web.emit('connection', new socket_stream(sock)); // from here on it is node:http's
  }
}

const server = new Server();
server.create_server(['127.0.0.1', Number(process.argv[2] ?? 8080)]);
web.emit('listening'); // starts the time limits of node:http; stream_server does this for you
console.log(`listening on ${server.getsockname().join(':')}`);
await loop();
