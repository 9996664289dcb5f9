/**
 * A SOCKS5 proxy (RFC 1928): it connects to the addresses that its clients name, and passes on what comes.
 *
 *     socks5_proxy [--host 127.0.0.1] [--port 1080] [--user NAME --password WORD]
 *
 * The handshake is a generator that yields how many bytes it needs next: a number is a terminator.
 * Afterwards there is none, and everything goes to the other side. Neither side reads while the other
 * has too much to send. The end of one direction is passed on and the other goes on; a connection that
 * breaks is passed on as one that breaks. Try it with:
 * curl --socks5-hostname 127.0.0.1:1080 http://example.org/
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { type InetAddress, SHUT_WR, SO_LINGER, SOL_SOCKET, type Socket } from '@asyncore/socket';

const VERSION = 5;
const CONNECT = 1;
const [IPV4, NAME, IPV6] = [1, 3, 4];
const [NO_AUTHENTICATION, PASSWORD, NOTHING_ACCEPTABLE] = [0, 2, 0xff];
const [SUCCEEDED, FAILED, NOT_SUPPORTED, NO_SUCH_ADDRESS_TYPE] = [0, 1, 7, 8];
/** What the client hears when an attempt fails. */
const REPLIES: Record<string, number> = {
  ENETUNREACH: 3,
  EHOSTUNREACH: 4,
  ENOTFOUND: 4,
  ECONNREFUSED: 5,
};
/** Seconds for the handshake, and for the attempt to connect. */
const PATIENCE = 30;

/** Who may use the proxy. */
export interface Account {
  user: string;
  password: string;
}

/** One side of a connection that is passed on. */
abstract class Side extends async_chat {
  ac_out_high_water = 65536;
  other: Side | null = null;
  #isPaused = false;
  #hasEnded = false;

  collect_incoming_data(data: Buffer) {
    if (this.other?.push(data) === false) this.#isPaused = true;
  }

  handle_drain() {
    if (this.other !== null) this.other.#isPaused = false;
  }

  readable() {
    return super.readable() && !this.#isPaused;
  }

  handle_eof() {
    this.#hasEnded = true;
    if (this.other === null) this.close();
    else if (this.other.#hasEnded) this.#finish(this.other);
    else this.other.shutdown(SHUT_WR);
  }

  #finish(other: Side): void {
    other.close_when_done();
    this.close_when_done();
  }

  /** All was sent, or the connection broke. */
  handle_close() {
    if (this.close_reason === null) this.close();
    else for (const side of [this, this.other]) if (side !== null) side.#break();
  }

  #break(): void {
    // With a linger time of 0 the peer sees a reset, and does not take this for the end of the data.
    if (this.fileno() >= 0) this.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
    this.close();
  }

  /** They talk to each other: a peer may be silent, but one that has vanished is noticed. */
  protected open(): void {
    this.timeout = 0;
    this.set_keep_alive({ idle: 60 });
  }
}

/** The side of the host that a client asked for. */
class Far extends Side {
  readonly near: Client;

  constructor(near: Client) {
    super();
    this.near = near;
    this.other = near;
    this.timeout = PATIENCE;
  }

  handle_connect() {
    this.open();
    this.near.reached(this.getsockname() as InetAddress);
  }

  handle_connect_error(error: unknown) {
    this.close();
    const [first = error] = error instanceof AggregateError ? error.errors : [];
    this.near.refused(REPLIES[(first as NodeJS.ErrnoException).code ?? ''] ?? FAILED);
  }
}

export class Client extends Side {
  readonly #account: Account | null;
  readonly #handshake = this.#shakeHands();
  #isDone = false;

  constructor(sock: Socket, account: Account | null) {
    super(sock);
    this.#account = account;
    this.timeout = PATIENCE;
    this.#awaitNext(Buffer.alloc(0));
  }

  collect_incoming_data(data: Buffer) {
    if (this.#isDone) super.collect_incoming_data(data);
    else this._collect_incoming_data(data);
  }

  found_terminator() {
    if (!this.closing) this.#awaitNext(this._get_data());
  }

  #awaitNext(data: Buffer): void {
    const { value, done } = this.#handshake.next(data);
    this.#isDone = done === true;
    this.set_terminator(value ?? null);
  }

  /** Yields the number of bytes that it needs, and gets them. */
  *#shakeHands(): Generator<number, void, Buffer> {
    const [version, count] = yield 2;
    if (version !== VERSION || count === 0) return this.close();
    const methods = yield count;
    const wanted = this.#account === null ? NO_AUTHENTICATION : PASSWORD;
    if (!methods.includes(wanted)) return this.#goodbye(VERSION, NOTHING_ACCEPTABLE);
    this.push(Buffer.of(VERSION, wanted));
    if (this.#account !== null) {
      const user = yield* this.#text(2);
      const password = yield* this.#text(1);
      // RFC 1929: 0 is success.
      if (user !== this.#account.user || password !== this.#account.password) {
        return this.#goodbye(1, 1);
      }
      this.push(Buffer.of(1, 0));
    }
    const [, command, , type] = yield 4;
    if (command !== CONNECT) return this.refused(NOT_SUPPORTED);
    let host: string;
    if (type === IPV4) host = (yield 4).join('.');
    else if (type === IPV6) host = ipv6(yield 16);
    else if (type === NAME) host = yield* this.#text(1);
    else return this.refused(NO_SUCH_ADDRESS_TYPE);
    const port = (yield 2).readUInt16BE();
    this.#connect(host, port);
  }

  /** Text whose length is the last of `skip` bytes before it. */
  *#text(skip: number): Generator<number, string, Buffer> {
    const length = (yield skip)[skip - 1];
    return length === 0 ? '' : (yield length).toString();
  }

  #connect(host: string, port: number): void {
    const far = new Far(this);
    this.other = far;
    try {
      far.create_connection([host, port]);
    } catch {
      far.close(); // no name, or port 0
      this.refused(FAILED);
    }
  }

  reached([host, port]: InetAddress): void {
    this.open();
    this.#reply(SUCCEEDED, host, port);
  }

  refused(why: number): void {
    this.#reply(why, '0.0.0.0', 0);
    this.close_when_done();
  }

  #reply(code: number, host: string, port: number): void {
    const address = host.includes(':') ? [IPV6, ...new Uint8Array(16)] : [IPV4, ...numbers(host)];
    this.push(Buffer.of(VERSION, code, 0, ...address, port >> 8, port & 0xff));
  }

  #goodbye(...bytes: number[]): void {
    this.push(Buffer.of(...bytes));
    this.close_when_done();
  }
}

function numbers(host: string): number[] {
  return host.split('.').map(Number);
}

/** 16 bytes as eight groups of hexadecimal digits. */
function ipv6(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':');
}

export class Socks5Proxy extends dispatcher {
  readonly account: Account | null;

  constructor(host: string, port: number, account: Account | null = null) {
    super();
    this.account = account;
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new Client(sock, this.account);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '1080' },
      user: { type: 'string' },
      password: { type: 'string' },
    },
  });
  const { user, password } = values;
  if ((user === undefined) !== (password === undefined)) {
    throw new Error('--user and --password go together');
  }
  const account = user !== undefined && password !== undefined ? { user, password } : null;
  const server = new Socks5Proxy(values.host, Number(values.port), account);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`connecting for others on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
