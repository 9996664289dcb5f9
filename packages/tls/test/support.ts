/** What the tests of TLS stand on: channels that say what they are told, and both ends of a connection. */
import { once } from 'node:events';
import {
  connect as connectPlain,
  createServer,
  type Socket as NodeSocket,
  type Server,
} from 'node:net';
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import type { Address, Socket } from '@asyncore/socket';
import { LOCAL } from '@asyncore/test-support/certificates';
import { Stage } from '@asyncore/test-support/stage';
import { type tls_options, with_tls } from '@asyncore/tls';
import { onTestFinished } from 'vitest';

export { onEveryPoller, type UsePoll } from '@asyncore/test-support/stage';
export { Stage };

export const SERVER: tls_options = { key: LOCAL.key, cert: LOCAL.cert };
export const CLIENT: tls_options = { ca: LOCAL.cert, servername: 'localhost' };

/** A channel that says what it is told. */
export class Channel extends with_tls(dispatcher_with_send<Socket>) {
  override linger_time = 0.2;
  readonly received: Buffer[] = [];
  size = 0;

  constructor(
    readonly stage: Stage,
    readonly who: string,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }

  say(what: string): void {
    this.stage.say(`${this.who} ${what}`);
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1');
  }

  override handle_connect(): void {}
  override handle_secure(): void {
    this.say('secure');
  }
  override handle_read(): void {
    const data = this.recv(65536);
    if (data.length === 0) return;
    this.received.push(data);
    this.size += data.length;
    this.say(`read ${this.size > 100 ? 'much' : this.text}`);
  }
  override handle_error(error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    this.say(`error ${code ?? message}`);
    this.close();
  }
  override handle_close(): void {
    this.say('close');
    this.close();
  }
  override log_info(message: unknown, type = 'info'): void {
    if (type !== 'warning') this.say(`${type}: ${message}`);
  }
}

/** An async_chat that says its lines. */
export class Lines extends with_tls(async_chat<Socket>) {
  override linger_time = 0.2;
  readonly lines: string[] = [];

  constructor(
    readonly stage: Stage,
    readonly who: string,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
    this.set_terminator('\r\n');
  }

  say(what: string): void {
    this.stage.say(`${this.who} ${what}`);
  }

  override collect_incoming_data(data: Buffer): void {
    this._collect_incoming_data(data);
  }
  override found_terminator(): void {
    const line = String(this._get_data());
    this.lines.push(line);
    this.say(line);
    this.found(line);
  }
  found(_line: string): void {}
  override handle_connect(): void {}
  override handle_secure = Channel.prototype.handle_secure;
  override handle_error = Channel.prototype.handle_error;
  override handle_close = Channel.prototype.handle_close;
  override log_info = Channel.prototype.log_info;
}

/** A listener that makes something of each connection. */
export class Door extends dispatcher {
  constructor(
    stage: Stage,
    readonly make: (sock: Socket, address: Address) => void,
  ) {
    super(null, stage.map);
    this.create_socket();
    this.bind(['127.0.0.1', 0]);
    this.listen();
  }

  get port(): number {
    return Number(this.getsockname()[1]);
  }

  override handle_accepted(sock: Socket, address: Address): void {
    this.make(sock, address);
  }
}

/** The next connection to a door of `stage`, and the client's socket. */
export async function pair(stage: Stage): Promise<[server: Socket, client: Socket]> {
  const got: Socket[] = [];
  const door = new Door(stage, (sock) => {
    got.push(sock);
    stage.say('paired');
  });
  const near = new dispatcher(null, new Map());
  near.create_socket();
  near.connect(door.getsockname());
  await stage.until(() => got.length > 0);
  door.close();
  stage.trace.length = 0;
  return [got[0], near.socket as Socket];
}

/** Both ends of a TLS connection after the handshake. */
export async function secured(
  stage: Stage,
  server: tls_options = SERVER,
  client: tls_options = CLIENT,
): Promise<[server: Channel, client: Channel]> {
  const [far, near] = await pair(stage);
  const ends: [Channel, Channel] = [
    new Channel(stage, 'server', far),
    new Channel(stage, 'client', near),
  ];
  ends[0].start_tls({ isServer: true, ...server });
  ends[1].start_tls({ isServer: false, ...client });
  await stage.until(
    () => stage.trace.includes('server secure') && stage.trace.includes('client secure'),
  );
  return ends;
}

/** A plain client of a port, closed with the test. */
export async function plain(port: number): Promise<NodeSocket> {
  const socket = connectPlain(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** A plain server that calls `each`; gives its port. */
export async function plainServer(each: (socket: NodeSocket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    onTestFinished(() => void socket.destroy());
    each(socket);
  });
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}
