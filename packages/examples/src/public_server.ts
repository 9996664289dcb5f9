/**
 * A server for a public port: it sends lines back, with every protection on.
 *
 *     public_server [--host 127.0.0.1] [--port 8080] [--timeout 30] [--connections 1000]
 *
 * Say "bye" and it answers and closes. It disconnects a client that makes no progress for --timeout
 * seconds, sends a line without end, reads too slowly or vanishes. When there are --connections clients,
 * the next one waits until another has left.
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';

export class PublicHandler extends async_chat {
  override max_incoming = 1000;
  override ac_out_high_water = 65536;

  constructor(sock: Socket, timeout: number) {
    super(sock);
    this.timeout = timeout;
    this.set_terminator('\n');
  }

  override collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  override found_terminator() {
    if (this.closing) return; // what comes behind bye
    const line = this._get_data();
    this.push(Buffer.concat([line, Buffer.from('\n')]));
    if (/^bye\r?$/.test(line.toString('latin1'))) this.close_when_done();
  }

  override handle_error() {
    this.close();
  }
}

export class PublicServer extends dispatcher {
  readonly patience: number;

  constructor(host: string, port: number, patience = 30, max_connections = 1000) {
    super();
    this.patience = patience;
    this.max_connections = max_connections;
    this.create_server([host, port]);
    this.set_keep_alive({ idle: 60, interval: 10, count: 6, user_timeout: 120 });
  }

  override handle_accepted(sock: Socket) {
    new PublicHandler(sock, this.patience);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      timeout: { type: 'string', default: '30' },
      connections: { type: 'string', default: '1000' },
    },
  });
  const { host, port } = values;
  const [timeout, connections] = [Number(values.timeout), Number(values.connections)];
  // A protection that is given wrongly must not be one that is off.
  if (!(timeout > 0)) throw new Error('--timeout must be a number of seconds over 0');
  if (!(connections > 0)) throw new Error('--connections must be a number over 0');
  const server = new PublicServer(host, Number(port), timeout, connections);
  const [address, free] = server.getsockname() as InetAddress;
  console.log(`echoing lines on ${host.includes(':') ? `[${address}]` : address}:${free}`);
  await loop();
}
