/** Two sockets and a poller, without any loop: an urgent byte overtakes the data before it. */
import { MSG_OOB, POLLIN, POLLPRI, poll, Socket } from '@asyncore/socket';

export function main(): void {
  using listener = new Socket();
  listener.bind(['127.0.0.1', 0]);
  listener.listen();

  using client = new Socket();
  client.connect_ex(listener.getsockname()); // EINPROGRESS: it goes on by itself
  const poller = new poll();
  poller.register(listener.fileno(), POLLIN);
  poller.poll(1); // seconds; blocks until the connection is there
  const [connection, [host]] = listener.accept();

  using server = connection;
  server.send(Buffer.from('read me later'));
  server.send(Buffer.from('!'), MSG_OOB);

  poller.register(client.fileno(), POLLPRI);
  poller.poll(1);
  console.log(`${client.recv(1, MSG_OOB)} from ${host}`);
  console.log(`${client.recv(100)}`);
}
