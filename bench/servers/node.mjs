/** node:net, node:dgram, and node:readline over node:net: `node.mjs stream|datagrams|lines`. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { listening } from './listening.mjs';

const noDelay = true;
const ignore = () => {};

switch (process.argv[2]) {
  case 'stream': {
    const server = createServer({ noDelay }, (socket) => {
      socket.on('data', (data) => socket.write(data));
      socket.on('error', ignore);
    });
    server.listen(0, '127.0.0.1', 4096, () => listening(server.address().port));
    break;
  }
  case 'lines': {
    const server = createServer({ noDelay }, (socket) => {
      const lines = createInterface({ input: socket, crlfDelay: Infinity });
      lines.on('line', (line) => socket.write(`${line}\n`));
      socket.on('error', ignore);
    });
    server.listen(0, '127.0.0.1', 4096, () => listening(server.address().port));
    break;
  }
  case 'datagrams': {
    const socket = createSocket('udp4');
    socket.on('message', (data, { port, address }) => socket.send(data, port, address));
    socket.bind(0, '127.0.0.1', () => listening(socket.address().port));
  }
}
