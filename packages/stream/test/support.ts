/** What the tests stand on: both ends of a connection, ours a stream. */
import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import {
  AF_INET,
  AF_INET6,
  type InetAddress,
  SO_LINGER,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { socket_stream, type socket_stream_options, stream_server } from '@asyncore/stream';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { afterEach, describe } from 'vitest';

const owned: { close(): unknown }[] = [];
afterEach(() => {
  for (const thing of owned.splice(0).reverse()) thing.close();
});

/** Closes `thing` when the test is over. */
export function own<T extends { close(): unknown }>(thing: T): T {
  owned.push(thing);
  return thing;
}

/** The same for a stream. */
export function destroyed<T extends Duplex>(stream: T): T {
  owned.push({ close: () => stream.destroy() });
  return stream;
}

export interface Ends {
  ours: socket_stream;
  theirs: Socket;
}

/** The kinds of connections; `theirs` is a plain non-blocking socket. */
export function onEveryFamily(body: (connect: (options?: socket_stream_options) => Ends) => void) {
  const inet = (family: number, host: string) => (options?: socket_stream_options) => {
    const door = new Socket(family);
    door.bind([host, 0]);
    door.listen();
    const theirs = own(new Socket(family));
    theirs.connect_ex(door.getsockname());
    door.setblocking(true);
    const [sock] = door.accept();
    door.close();
    return { ours: destroyed(new socket_stream(sock, options)), theirs };
  };
  describe('inet', () => body(inet(AF_INET, '127.0.0.1')));
  const name = hasInet6() ? 'inet6' : 'inet6 (runs where ::1 is up: ip -6 address add ::1 dev lo)';
  describe.skipIf(!hasInet6())(name, () => body(inet(AF_INET6, '::1')));
  describe('unix', () =>
    body((options) => {
      const [sock, theirs] = socketpair();
      return { ours: destroyed(new socket_stream(sock, options)), theirs: own(theirs) };
    }));
}

/** A server, its address, and the streams that it was given. */
export function serving(options?: socket_stream_options) {
  const streams: socket_stream[] = [];
  let heard = () => {};
  const server = own(
    new stream_server((stream) => {
      streams.push(destroyed(stream));
      heard();
    }, options),
  );
  server.create_server(['127.0.0.1', 0]);
  const next = async () => {
    if (streams.length === 0) await new Promise<void>((resolve) => (heard = resolve));
    return streams.shift() as socket_stream; // just looked
  };
  return { server, next, port: portOf(server) };
}

/** Two streams connected to each other. */
export async function pair(
  options?: socket_stream_options,
): Promise<[socket_stream, socket_stream]> {
  const { server, next, port } = serving(options);
  const client = destroyed(new socket_stream(null, options).connect(['127.0.0.1', port]));
  await once(client, 'connect');
  const stream = await next();
  server.close();
  return [client, stream];
}

export function portOf(server: { getsockname(): unknown }): number {
  return (server.getsockname() as InetAddress)[1];
}

/** Closes with a reset. */
export function reset(socket: Socket): void {
  socket.setsockopt(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
  socket.close();
}

/** Everything until the end. A for await would destroy the stream then, written or not. */
export function all(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => resolve(Buffer.concat(chunks)));
    stream.on('error', reject);
  });
}

/** What the callbacks of so many writes are given. */
export function written(stream: Duplex, pieces: Uint8Array[]): Promise<(string | null)[]> {
  return Promise.all(
    pieces.map((piece) => {
      return new Promise<string | null>((resolve) => {
        stream.write(piece, (error) =>
          resolve((error as NodeJS.ErrnoException | null)?.code ?? null),
        );
      });
    }),
  );
}
