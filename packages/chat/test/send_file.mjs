// Sends the file named to itself, and prints how much has come and the most memory it took.
import { createReadStream } from 'node:fs';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';

const server = new dispatcher();
server.create_socket();
server.bind(['127.0.0.1', 0]);
server.listen();
server.handle_accepted = (sock) => {
  const chat = new async_chat(sock);
  chat.push_with_producer(createReadStream(process.argv[2]));
  chat.close_when_done();
  server.close();
};

const client = new async_chat();
client.create_socket();
client.handle_connect = () => {};
client.connect(server.getsockname());
let bytes = 0;
let beginning = '';
client.collect_incoming_data = (data) => {
  if (bytes === 0) beginning = data.toString('latin1', 0, 13);
  bytes += data.length;
};
await loop();
const rss = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ bytes, beginning, rss }));
