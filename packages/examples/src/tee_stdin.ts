/**
 * Sends standard input to a server and prints what comes back, as nc does.
 *
 *     tee_stdin [--host 127.0.0.1] [--port 8080]
 *
 * In a terminal, standard input and output are one open file, which the shell uses too. The channels
 * make it non-blocking; once both are closed it is as before. So Ctrl-C closes them and ends quietly.
 */
import { parseArgs } from 'node:util';
import { close_all, dispatcher_with_send, loop } from '@asyncore/core';
import { file_dispatcher, file_wrapper } from '@asyncore/file';
import { SHUT_WR } from '@asyncore/socket';

/** Standard output. */
class Output extends dispatcher_with_send<file_wrapper> {
  readable() {
    return false;
  }

  /** Nobody reads what we print any more. */
  handle_close() {
    close_all();
  }
}

/** The server. Reads no faster than can be printed. */
class Server extends dispatcher_with_send {
  output = new Output(new file_wrapper(1));
  error: Error | null = null;

  constructor(host: string, port: number) {
    super();
    this.create_connection([host, port]);
  }

  handle_connect() {}

  handle_connect_error(error: Error) {
    this.error = error;
    close_all();
  }

  readable() {
    return !this.output.writable();
  }

  handle_read() {
    this.output.send(this.recv(65536));
  }

  handle_write() {
    super.handle_write();
    this.#endIfDone();
  }

  /** There is no more input. What the server still answers is printed. */
  finish() {
    this.closing = true;
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (!this.closing || this.writable()) return;
    try {
      this.shutdown(SHUT_WR);
    } catch (error) {
      // The server has reset the connection: reading will tell, and there may be something to print.
      if ((error as NodeJS.ErrnoException).code !== 'ENOTCONN') throw error;
    }
  }

  handle_close() {
    close_all();
  }
}

/** Standard input. Reads no faster than can be sent. */
class Input extends file_dispatcher {
  server: Server;

  constructor(server: Server) {
    super(0);
    this.server = server;
  }

  readable() {
    return !this.server.writable();
  }

  handle_read() {
    this.server.send(this.recv(65536));
  }

  handle_close() {
    this.close();
    this.server.finish();
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
  const server = new Server(values.host, Number(values.port));
  new Input(server);
  process.once('SIGINT', () => {
    process.exitCode = 130;
    close_all();
  });
  await loop();
  if (server.error) throw server.error;
}
