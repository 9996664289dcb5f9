/** Deno's own sockets: `deno.mjs stream|datagrams BUFFER_SIZE`. */
import { listening } from './listening.mjs';

const [protocol, bufferSize] = Deno.args;
const where = { hostname: '127.0.0.1', port: 0 };

async function echo(socket) {
  const buffer = new Uint8Array(Number(bufferSize));
  try {
    socket.setNoDelay(true);
    for (;;) {
      const length = await socket.read(buffer);
      if (length === null) break;
      for (let at = 0; at < length; ) at += await socket.write(buffer.subarray(at, length));
    }
  } catch {
    // The other side is gone.
  }
  socket.close();
}

if (protocol === 'stream') {
  const listener = Deno.listen(where);
  listening(listener.addr.port);
  for await (const socket of listener) echo(socket);
} else {
  const socket = Deno.listenDatagram({ ...where, transport: 'udp' });
  listening(socket.addr.port);
  for await (const [data, address] of socket) await socket.send(data, address);
}
