/** A thread that is busy in its loop when it is ended. */
import { parentPort } from 'node:worker_threads';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';

const server = new dispatcher();
server.create_socket();
server.bind(['127.0.0.1', 0]);
server.listen();
server.handle_accepted = (sock) => void new dispatcher_with_send(sock);

/** Two that never stop talking to each other. */
for (const sock of socketpair()) {
  const channel = new dispatcher_with_send(sock);
  channel.handle_read = () => void channel.send(channel.recv(65536));
  channel.send(Buffer.alloc(1000));
}
for (let i = 0; i < 10; i++) {
  const client = new dispatcher();
  client.create_socket();
  client.connect(server.getsockname());
  client.handle_connect = () => {
    if (i === 9) parentPort.postMessage('busy');
  };
}
await loop();
