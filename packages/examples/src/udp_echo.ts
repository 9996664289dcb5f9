/**
 * A UDP echo server: every datagram goes back to where it came from.
 *
 *     udp_echo [--host 127.0.0.1] [--port 8080]
 *
 * One dispatcher serves everybody, for there are no connections: recvfrom() tells where each datagram
 * came from. An empty one comes as empty data and means no end. What the kernel has no room for is
 * lost, as UDP loses things anywhere. Try it with: nc -u 127.0.0.1 8080
 */
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, AF_INET6, type InetAddress, OSError, SOCK_DGRAM } from '@asyncore/socket';

const LONGEST = 65535;

export class UDPEcho extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_socket(host.includes(':') ? AF_INET6 : AF_INET, SOCK_DGRAM);
    this.bind([host, port]);
  }

  writable() {
    return false;
  }

  handle_read() {
    const [data, sender] = this.recvfrom(LONGEST);
    try {
      this.sendto(data, sender as InetAddress);
    } catch (error) {
      // Whoever cannot be answered is no reason to stop: a datagram may claim to come from anywhere.
      if (!(error instanceof OSError)) throw error;
    }
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
  const server = new UDPEcho(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`echoing datagrams on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
