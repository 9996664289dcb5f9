/**
 * An echo server: everybody gets back what they send.
 *
 *     echo_server [--host 127.0.0.1] [--port 8080]
 *
 * A dispatcher that listens makes a channel of every connection it accepts. The channel is a
 * dispatcher_with_send, whose send() takes everything: the loop sends what the kernel has no room
 * for yet, and the channel closes when all is sent. Try it with: nc 127.0.0.1 8080
 */
import { parseArgs } from 'node:util';
import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';

export class EchoHandler extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
  }
}

export class EchoServer extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new EchoHandler(sock);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
    },
  });
  const server = new EchoServer(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`echoing on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
