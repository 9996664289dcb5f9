/**
 * Forwards a TCP port to another: everything goes on to the target, and back, as it comes.
 *
 *     port_forward [--host 127.0.0.1] [--port 8080] TARGET_HOST TARGET_PORT
 *
 * A connection is two channels, each of which sends what the other receives. Neither reads before
 * the other has sent what it was given, so a side that stalls stops the one that sends to it, and
 * a connection takes no more than two blocks of memory. The end of one direction is passed on and
 * the other goes on; a connection that breaks is passed on as one that breaks.
 */
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import {
  AF_INET,
  family_of,
  type InetAddress,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';

const BLOCK = 65536;
const NOTHING: Buffer = Buffer.alloc(0);

/** One side of a forwarded connection. */
class Side extends dispatcher {
  other!: Side;
  /** What the other side received and this one has still to send. */
  #rest = NOTHING;
  /** The peer will send no more; and it knows that neither shall we. */
  #ended = false;
  #finished = false;

  /** Connects to `target`, unless it has a connection that was accepted. */
  start(other: Side, target?: InetAddress): void {
    this.other = other;
    if (target !== undefined) {
      this.create_socket(family_of(target[0]) ?? AF_INET);
      this.#connect(target);
    }
    if (this.fileno() < 0) return;
    // A peer may be silent for as long as it likes, but one that has vanished is noticed.
    this.set_keep_alive({ idle: 60 });
  }

  #connect(target: InetAddress): void {
    try {
      this.connect(target);
    } catch (error) {
      this.handle_connect_error(error);
    }
  }

  handle_connect() {}

  handle_connect_error(error: unknown) {
    this.log((error as Error).message);
    this.handle_close();
  }

  readable() {
    return this.other.connected && this.other.#rest.length === 0;
  }

  handle_read() {
    this.other.#rest = this.recv(BLOCK);
    this.other.handle_write();
  }

  writable() {
    return !this.connected || this.#rest.length > 0;
  }

  handle_write() {
    if (this.connected && this.#rest.length > 0) {
      this.#rest = this.#rest.subarray(this.send(this.#rest));
    }
    if (!this.connected || this.#rest.length > 0) return;
    if (this.other.#ended && !this.#finished) {
      this.#finished = true;
      try {
        this.shutdown(SHUT_WR);
      } catch {
        this.handle_close(); // the peer has gone
        return;
      }
    }
    if (this.#ended && this.#finished) this.close();
  }

  handle_eof() {
    this.#ended = true;
    this.other.handle_write();
    this.handle_write();
  }

  /** The connection broke, or there never was one. */
  handle_close() {
    this.#break();
    this.other.#break();
  }

  #break(): void {
    // With a linger time of 0 the peer sees a reset, and does not take this for the end of the data.
    if (this.fileno() >= 0) this.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
    this.close();
  }
}

export class PortForward extends dispatcher {
  readonly target: InetAddress;

  constructor(host: string, port: number, target: InetAddress) {
    super();
    this.target = target;
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    const [near, far] = [new Side(sock), new Side()];
    near.start(far);
    far.start(near, this.target);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
    },
  });
  const [targetHost, targetPort, ...more] = positionals;
  const target: InetAddress = [targetHost, Number(targetPort)];
  if (!(target[1] > 0 && target[1] < 65536) || more.length > 0) {
    throw new Error('usage: port_forward [--host 127.0.0.1] [--port 8080] TARGET_HOST TARGET_PORT');
  }
  const server = new PortForward(values.host, Number(values.port), target);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(
    `forwarding to ${targetHost} ${targetPort} from ${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  await loop();
}
