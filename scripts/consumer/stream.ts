import assert from 'node:assert/strict';
import http from 'node:http';
import type { InetAddress } from '@asyncore/socket';
import { socket_stream, stream_server } from '@asyncore/stream';

const server = new stream_server(http.createServer((_, response) => response.end('hello')));
server.create_server(['127.0.0.1', 0]);
const stream = new socket_stream().connect(server.getsockname() as InetAddress);
stream.end('GET / HTTP/1.0\r\n\r\n');
let heard = '';
stream.on('data', (data) => {
  heard += String(data);
});
stream.on('close', () => {
  assert.match(heard, /200 OK[\s\S]*hello$/);
  server.close();
});
