/**
 * A server of node:https on our sockets.
 *
 *     https_server --cert FILE --key FILE [--host 127.0.0.1] [--port 8443]
 *
 * A stream_server makes a stream of each connection it accepts, and hands it to whatever of Node's
 * takes streams. So options that node:net does not have can be set: on the listener
 * (TCP_DEFER_ACCEPT), and on each connection (TCP_USER_TIMEOUT). Node's limits apply as usual: a client
 * has 10 seconds for its handshake and 20 for its headers. Try it with:
 * curl --cacert cert.pem https://localhost:8443/
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerOptions } from 'node:https';
import { parseArgs } from 'node:util';
import {
  type InetAddress,
  IPPROTO_TCP,
  TCP_DEFER_ACCEPT,
  TCP_USER_TIMEOUT,
} from '@asyncore/socket';
import { type socket_stream, stream_server } from '@asyncore/stream';

/** Seconds for which a connection may say nothing before it is accepted at all. */
const FIRST_WORDS = 10;
/** Milliseconds after which what a peer does not acknowledge ends the connection. */
const UNACKNOWLEDGED = 30_000;

export class HTTPSServer extends stream_server {
  constructor(host: string, port: number, options: ServerOptions) {
    const web = createServer(
      { handshakeTimeout: 10_000, headersTimeout: 20_000, ...options },
      (request, response) => {
        response.setHeader('Content-Type', 'text/plain; charset=utf-8');
        response.end(`${request.method} ${request.url}\n`);
      },
    );
    web.prependListener('connection', (stream: socket_stream) => {
      if (TCP_USER_TIMEOUT === undefined) return;
      stream.channel.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED);
    });
    web.on('tlsClientError', () => {}); // the client has gone, or speaks no TLS
    super(web);
    this.create_server([host, port]);
    if (TCP_DEFER_ACCEPT !== undefined) {
      this.setsockopt(IPPROTO_TCP, TCP_DEFER_ACCEPT, FIRST_WORDS);
    }
  }
}

export function main(args: string[]): void {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8443' },
      cert: { type: 'string' },
      key: { type: 'string' },
    },
  });
  const { cert, key } = values;
  if (cert === undefined || key === undefined) {
    throw new Error('say which certificate and key to use: --cert FILE --key FILE');
  }
  const options = { cert: readFileSync(cert), key: readFileSync(key) };
  const server = new HTTPSServer(values.host, Number(values.port), options);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`serving https on ${host.includes(':') ? `[${host}]` : host}:${port}`);
}
