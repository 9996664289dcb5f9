/**
 * A UDP echo server: every datagram goes back to where it came from.
 *
 *     udp_echo [--host 127.0.0.1] [--port 8080]
 *
 * One dispatcher serves everybody, for there are no connections: recvfrom() tells where each datagram
 * came from. An empty one comes as empty data and means no end. What the kernel has no room for is
 * lost, as datagrams may be lost anywhere. The sender of a datagram may be forged, so ports of servers
 * that would answer the answer, for ever, get none. Try it with: nc -u 127.0.0.1 8080
 */
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, family_of, type InetAddress, OSError, SOCK_DGRAM } from '@asyncore/socket';

const LONGEST = 65535;
/** Below it are the ports of system services: echo, chargen, DNS and others answer anybody. */
const FIRST_CLIENT_PORT = 1024;

export class UDPEcho extends dispatcher {
  readonly #port: number;

  constructor(host: string, port: number) {
    super();
    this.create_socket(family_of(host) ?? AF_INET, SOCK_DGRAM);
    this.bind([host, port]);
    [, this.#port] = this.getsockname() as InetAddress;
  }

  writable() {
    return false;
  }

  handle_read() {
    const [data, sender] = this.recvfrom(LONGEST);
    const [, port] = sender as InetAddress;
    // Another one of these, or itself.
    if (port < FIRST_CLIENT_PORT || port === this.#port) return;
    try {
      this.sendto(data, sender as InetAddress);
    } catch (error) {
      // Whoever cannot be answered is no reason to stop.
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
