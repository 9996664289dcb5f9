/**
 * An HTTP client: asks a server for a page and prints the answer as it comes.
 *
 *     http_client [--port 80] HOST [PATH]
 *     http_client --host HOST [--port 80] [PATH]
 *
 * A dispatcher that connects: it waits for room to write while there is something left to send,
 * and reads no faster than what it has read can be printed.
 */
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, AF_INET6 } from '@asyncore/socket';

export class HTTPClient extends dispatcher {
  /** What went wrong, if something did. */
  error: Error | null = null;
  buffer: Buffer;
  output: Writable;
  server: string;
  received = 0;
  ended = false;

  constructor(host: string, path: string, port = 80, output: Writable = process.stdout) {
    super();
    const isV6 = host.includes(':');
    this.server = `${isV6 ? `[${host}]` : host}:${port}`;
    this.buffer = Buffer.from(`GET ${path} HTTP/1.0\r\nHost: ${this.server}\r\n\r\n`);
    this.output = output;
    this.create_socket(isV6 ? AF_INET6 : AF_INET);
    this.connect([host, port]);
  }

  handle_connect() {}

  handle_connect_error(error: Error) {
    this.error = error;
    this.close();
  }

  readable() {
    return !this.output.writableNeedDrain;
  }

  handle_read() {
    const data = this.recv(8192);
    this.received += data.length;
    this.output.write(data);
  }

  writable() {
    return this.buffer.length > 0;
  }

  handle_write() {
    const sent = this.send(this.buffer);
    this.buffer = this.buffer.subarray(sent);
  }

  /** The server has sent everything. A connection that breaks closes without this. */
  handle_eof() {
    this.ended = true;
    super.handle_eof();
  }

  handle_close() {
    if (!this.ended) this.error = new Error(`${this.server} reset the connection`);
    else if (this.received === 0) this.error = new Error(`${this.server} closed without an answer`);
    this.close();
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { host: { type: 'string' }, port: { type: 'string', default: '80' } },
  });
  const host = values.host ?? positionals.shift();
  const path = positionals.shift() ?? '/';
  if (!host || positionals.length > 0) {
    throw new Error('usage: http_client [--port 80] HOST [PATH]');
  }
  const client = new HTTPClient(host, path, Number(values.port));
  await loop();
  if (client.error) throw client.error;
}
