/**
 * A server that ends gracefully: nobody new comes in, and what is running is finished.
 *
 *     graceful_shutdown [--host 127.0.0.1] [--port 8080] [--deadline 10]
 *
 * Each line is a number of seconds: a job that takes so long, and is answered when it is done. SIGTERM
 * or SIGINT (Ctrl-C) closes the listener. The server still answers what was asked by then, and closes
 * each connection when it has its answers. A second signal, or the deadline, in seconds, cuts off what is left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { close_all, dispatcher, loop, poll2, socket_map } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';

class JobHandler extends async_chat {
  #running = 0;
  #isFinishing = false;

  constructor(sock: Socket) {
    super(sock);
    this.use_encoding = true;
    this.max_incoming = 80;
    this.set_terminator('\n');
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const seconds = Number(this._get_data());
    if (this.#isFinishing) return;
    // Not awaited here: jobs run side by side, and an async handler would hold the next line back.
    this.#answer(seconds).catch((error) => this.handle_error(error));
  }

  async #answer(seconds: number): Promise<void> {
    this.#running += 1;
    const answer = await job(seconds);
    this.#running -= 1;
    if (!this.connected) return;
    this.push(answer);
    if (this.#isFinishing) this.finish();
  }

  /** The peer has asked for everything. */
  handle_eof() {
    this.finish();
  }

  /** Takes no more jobs, and closes when those that run are answered. */
  finish(): void {
    this.#isFinishing = true;
    if (this.#running === 0 && !this.closing) this.close_when_done();
  }
}

async function job(seconds: number): Promise<string> {
  if (!(seconds >= 0 && seconds <= 3600)) return 'say a number of seconds\n';
  // Without ref it does not keep the program running when all connections are gone.
  await delay(seconds * 1000, undefined, { ref: false });
  return `done in ${seconds} s\n`;
}

export class JobServer extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new JobHandler(sock);
  }

  finish(): void {
    // Who is in the queue has connected, and would be reset: they are let in.
    for (let next = this.accept(); next !== null; next = this.accept()) {
      this.handle_accepted(next[0]);
    }
    this.close();
    poll2(); // one pass, to read what has been asked by now
    for (const channel of socket_map.values()) (channel as JobHandler).finish();
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      deadline: { type: 'string', default: '10' },
    },
  });
  const deadline = Number(values.deadline);
  if (!(deadline >= 0)) throw new Error('--deadline must be a number of seconds');
  const server = new JobServer(values.host, Number(values.port));
  const cutOff = (why: string) => {
    console.error(`${why}: ${socket_map.size} cut off`);
    process.exitCode = 1;
    close_all();
  };
  const stop = (signal: string) => {
    if (!server.accepting) {
      cutOff(`${signal} again`);
      return;
    }
    server.finish();
    console.log(`${signal}: finishing`);
    setTimeout(cutOff, deadline * 1000, 'deadline').unref();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`taking jobs on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
