/** Bun's own sockets: `bun.mjs stream|datagrams`. */
import { listening } from './listening.mjs';

/** What the kernel has no room for is the caller's to keep. */
function send(socket, data) {
  const sent = socket.write(data);
  if (sent < data.length) socket.data.push(Buffer.from(data.subarray(sent)));
}

if (process.argv[2] === 'stream') {
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        socket.setNoDelay(true);
        socket.data = [];
      },
      data(socket, data) {
        if (socket.data.length > 0) socket.data.push(Buffer.from(data));
        else send(socket, data);
      },
      drain(socket) {
        const waiting = socket.data;
        socket.data = [];
        if (waiting.length > 0) send(socket, Buffer.concat(waiting));
      },
      error() {},
    },
  });
  listening(server.port);
} else {
  const server = await Bun.udpSocket({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket, data, port, address) {
        socket.send(data, port, address);
      },
    },
  });
  listening(server.port);
}
