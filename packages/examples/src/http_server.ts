/**
 * An HTTP server: the files of a folder, whole or in ranges, and lists of the folders in it.
 *
 *     http_server [--host 127.0.0.1] [--port 8000] [--timeout 30] [--quiet] [FOLDER]
 *
 * A request is a head that ends in '\r\n\r\n' and a body of so many bytes: async_chat's two kinds of
 * terminator. An answer is pushed piece by piece. When push() says that enough is waiting, the
 * channel stops reading requests until handle_drain() has pushed the rest. So a connection costs one
 * piece of memory and one open file, whatever it asks for. Requests that a proxy in front of it could read
 * differently are refused. Names that begin with a dot are not served, nor links out of the folder.
 * Reading a file blocks the loop, which on a local disk takes next to no time. In http_server/:
 *
 *     connection.ts    requests in, answers out, and how long each may take
 *     request.ts       what is asked, and what is refused
 *     resource.ts      what a path leads to
 *     file_answer.ts   files, whole or in ranges
 *     listing.ts       folders
 *     open_file.ts     the disk
 */
import { realpathSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import type { Address, InetAddress, Socket } from '@asyncore/socket';
import { HTTPHandler } from './http_server/connection.js';

export { HTTPHandler };

/** In bytes, of a request's first line. */
const LONGEST_LOGGED = 1024;

export class HTTPServer extends dispatcher {
  readonly root: string;
  /** How long a client may take for a request, or rest between two, in seconds. */
  readonly patience: number;
  readonly quiet: boolean;

  constructor(host: string, port: number, folder: string, patience = 30, quiet = false) {
    super();
    this.patience = patience;
    this.quiet = quiet;
    this.root = realpathSync(folder);
    if (!statSync(this.root).isDirectory()) throw new Error(`${folder} is not a folder`);
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket, address: Address) {
    // The socket of a client that has gone no longer knows its address.
    new HTTPHandler(sock, this).addr = address;
  }

  /** A line for each request. What a client can put into it is printable and stays in its quotes. */
  log_request({ addr }: HTTPHandler, head: string, status: number, length = 0): void {
    if (this.quiet) return;
    const [line] = head.trimStart().split(/\r?\n/, 1);
    const safe = line.slice(0, LONGEST_LOGGED).replaceAll(/[^ !#-[\]-~]/g, (char) => {
      return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
    const host = Array.isArray(addr) ? addr[0] : '-';
    console.log(`${new Date().toISOString()} ${host} "${safe}" ${status} ${length}`);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8000' },
      timeout: { type: 'string', default: '30' },
      quiet: { type: 'boolean', default: false },
    },
  });
  const [folder = '.', ...rest] = positionals;
  const timeout = Number(values.timeout);
  if (rest.length > 0) throw new Error('usage: http_server [OPTION...] [FOLDER]');
  if (!(timeout > 0 && timeout < 1e6)) throw new Error('--timeout must be a number of seconds');
  const server = new HTTPServer(values.host, Number(values.port), folder, timeout, values.quiet);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(
    `serving ${server.root} on http://${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  await loop();
}
