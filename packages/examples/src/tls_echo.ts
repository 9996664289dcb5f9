/**
 * An echo server that speaks TLS.
 *
 *     tls_echo --cert FILE --key FILE [--host 127.0.0.1] [--port 8443] [--timeout 60]
 *
 * A tls_dispatcher is a dispatcher_with_send: recv() gives what was decrypted, and what send() takes
 * is encrypted. It stops reading while something waits to be sent. It disconnects a client that makes
 * no progress for --timeout seconds, also in the handshake. A key and a certificate for tests:
 *
 *     openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
 *
 * Try it with: openssl s_client -connect 127.0.0.1:8443 -CAfile cert.pem
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';
import { tls_dispatcher, type tls_options } from '@asyncore/tls';

export class TLSEchoHandler extends tls_dispatcher {
  constructor(sock: Socket, options: tls_options, timeout: number) {
    super(sock, null, options);
    this.timeout = timeout;
  }

  readable() {
    return this.out_buffer.length === 0;
  }

  handle_read() {
    const data = this.recv(16_384);
    if (data.length > 0) this.send(data);
  }

  /** A failed handshake is the client's affair: one line, and no stack. */
  handle_tls_error(error: unknown) {
    this.log_info(`${this}: ${(error as Error).message}`);
  }
}

export class TLSEchoServer extends dispatcher {
  /** The same object for each connection, so that sessions are resumed. */
  readonly #options: tls_options;
  readonly #timeout: number;

  constructor(host: string, port: number, options: tls_options, timeout = 60) {
    super();
    this.#options = options;
    this.#timeout = timeout;
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new TLSEchoHandler(sock, this.#options, this.#timeout);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8443' },
      cert: { type: 'string' },
      key: { type: 'string' },
      timeout: { type: 'string', default: '60' },
    },
  });
  const { cert, key, timeout } = values;
  if (cert === undefined || key === undefined) {
    throw new Error('say which certificate and key to use: --cert FILE --key FILE');
  }
  const options = { cert: readFileSync(cert), key: readFileSync(key) };
  const server = new TLSEchoServer(values.host, Number(values.port), options, Number(timeout));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`echoing over TLS on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
