/**
 * An echo server that logs each event with its time, in the design of Python's socketserver.
 *
 *     logging_echo_server [--host 127.0.0.1] [--port 8080] [--allow ADDRESS]...
 *
 * A server asks verify_request about each connection and lets process_request make a handler for it.
 * Subclass the server to change how connections are taken; give it another handlerClass to change
 * what is said on them. With --allow it takes connections from these addresses only.
 */
import { inspect, parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, family_of, type InetAddress, type Socket } from '@asyncore/socket';

/** Of a client that had gone before it was accepted, some systems tell no address. */
function nameOf(address: InetAddress | ''): string {
  if (address === '') return 'unknown';
  const [host, port] = address;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A dispatcher whose messages, those of the library too, come with the time. */
class logging_dispatcher extends dispatcher {
  log_info(message: unknown, type = 'info') {
    console.log(`${new Date().toISOString()} ${type} ${this.constructor.name} ${message}`);
  }
}

export class LoggingEchoHandler extends logging_dispatcher {
  /** What is still to be sent back. */
  buffer: Buffer = Buffer.alloc(0);
  readonly client: string;

  constructor(sock: Socket, client_address: InetAddress | '', _server: LoggingEchoServer) {
    super(sock);
    this.client = nameOf(client_address);
    this.log_info(`${this.client} connected`);
  }

  /** Reads nothing more until everything is sent back. */
  readable() {
    return this.buffer.length === 0;
  }

  handle_read() {
    this.buffer = this.recv(8192);
    if (this.buffer.length === 0) return;
    // In quotes and with escapes, so that nobody can write log lines of his own.
    const text = inspect(this.buffer.toString('latin1'), { breakLength: Infinity });
    this.log_info(`${this.client} sent ${this.buffer.length} bytes: ${text}`);
  }

  writable() {
    return this.buffer.length > 0;
  }

  handle_write() {
    const sent = this.send(this.buffer);
    this.buffer = this.buffer.subarray(sent);
    this.log_info(`${this.client} got ${sent} bytes back`);
  }

  handle_close() {
    this.log_info(`${this.client} is gone`);
    this.close();
  }
}

/** What the server makes of a connection it has taken. */
export type HandlerClass = new (
  sock: Socket,
  client_address: InetAddress,
  server: LoggingEchoServer,
) => dispatcher;

export class LoggingEchoServer extends logging_dispatcher {
  allow_reuse_address = true;
  request_queue_size = 5;
  readonly server_address: InetAddress;
  readonly handlerClass: HandlerClass;

  constructor(server_address: InetAddress, handlerClass: HandlerClass = LoggingEchoHandler) {
    super();
    this.server_address = server_address;
    this.handlerClass = handlerClass;
    this.create_socket(family_of(server_address[0]) ?? AF_INET);
  }

  /** Not the constructor, as in Python, binds and activates: a subclass's fields are set after it. */
  async serve_forever(): Promise<void> {
    this.server_bind();
    this.server_activate();
    await loop({ map: this._map });
  }

  server_bind() {
    if (this.allow_reuse_address) this.set_reuse_addr();
    this.bind(this.server_address);
    this.log_info(`bound to ${nameOf(this.getsockname() as InetAddress)}`);
  }

  server_activate() {
    this.listen(this.request_queue_size);
    this.log_info(`listening on ${nameOf(this.getsockname() as InetAddress)}`);
  }

  handle_accepted(sock: Socket, client_address: InetAddress) {
    if (this.verify_request(sock, client_address)) {
      this.process_request(sock, client_address);
    } else {
      this.log_info(`${nameOf(client_address)} refused`);
      sock.close();
    }
  }

  /** Whether to take the connection. */
  verify_request(_sock: Socket, _client_address: InetAddress): boolean {
    return true;
  }

  process_request(sock: Socket, client_address: InetAddress) {
    new this.handlerClass(sock, client_address, this);
  }

  handle_close() {
    this.log_info('closed');
    this.close();
  }
}

/** Takes connections from some addresses only. */
class SelectiveServer extends LoggingEchoServer {
  readonly allowed: string[];

  constructor(server_address: InetAddress, allowed: string[]) {
    super(server_address);
    this.allowed = allowed;
  }

  verify_request(_sock: Socket, [host]: InetAddress) {
    return this.allowed.includes(host);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      allow: { type: 'string', multiple: true },
    },
  });
  const address: InetAddress = [values.host, Number(values.port)];
  const server = values.allow
    ? new SelectiveServer(address, values.allow)
    : new LoggingEchoServer(address);
  await server.serve_forever();
}
