import http from 'node:http';
import { IPPROTO_TCP, TCP_USER_TIMEOUT } from '@asyncore/socket';
import { socket_stream, stream_server } from '@asyncore/stream';
import { WebSocketServer } from 'ws';

// Any server of Node's, and what stands on it.
const web = http.createServer((_request, response) => response.end('hello\n'));
const sockets = new WebSocketServer({ server: web });
sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));

const server = new stream_server(web);
server.create_server(['127.0.0.1', 0]);
const [host, port] = server.getsockname();

// A stream of one's own.
const stream = new socket_stream();
stream.connect([host, port], { socket_options: [[IPPROTO_TCP, TCP_USER_TIMEOUT, 10_000]] });
stream.end(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
for await (const data of stream) process.stdout.write(data);

server.close();
