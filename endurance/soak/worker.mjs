/** A thread that is busy in its loop, with channels of every kind, when it is ended. */
import { parentPort, workerData } from 'node:worker_threads';
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import { close, pipe, Socket, socketpair } from '@asyncore/socket';

const { use_poll, death } = workerData;

const server = new dispatcher();
server.create_socket();
server.bind(['127.0.0.1', 0]);
server.listen();
server.handle_accepted = (sock) => {
  const channel = new dispatcher_with_send(sock);
  channel.timeout = 10;
};

/** Two that never stop talking to each other. */
for (const sock of socketpair()) {
  const channel = new async_chat(sock);
  channel.set_terminator('\n');
  channel.collect_incoming_data = () => {};
  channel.found_terminator = () => void channel.push(Buffer.from('more\n'));
  channel.push(Buffer.from('first\n'));
}
const fds = pipe();
for (const fd of fds) {
  const channel = new file_dispatcher(fd);
  channel.handle_write = () => void channel.send(Buffer.alloc(10));
  channel.handle_read = () => void channel.recv(10);
  close(fd);
}
new Socket(); // of no channel
const lookedUp = new dispatcher();
lookedUp.create_socket();
lookedUp.connect(['127.1', server.getsockname()[1]]); // may still be asked for at the end

for (let i = 0; i < 10; i++) {
  const client = new dispatcher();
  client.create_socket();
  client.connect(server.getsockname());
  client.handle_connect = () => {
    if (i < 9) return;
    parentPort.postMessage('busy');
    if (death === 'exit') process.exit();
    if (death === 'throw')
      setTimeout(() => {
        throw new Error('asked for');
      }); // past every handler
  };
}
await loop({ use_poll });
