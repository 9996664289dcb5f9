import { createServer } from 'node:net';

const server = createServer((socket) => {
  socket.setTimeout(30_000, () => socket.destroy());
  socket.on('data', (data) => {
    const hasRoom = socket.write(String(data).toUpperCase());
    if (!hasRoom) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('error', (error) => console.error(error.message));
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => console.log('listening'));
