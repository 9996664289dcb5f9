/**
 * A store of things by name: lines are commands, and one of them says how many bytes follow it.
 *
 *     store_server [--host 127.0.0.1] [--port 8081]
 *
 *     put NAME LENGTH, then LENGTH bytes    answered with: kept
 *     get NAME                              answered with: LENGTH, then the bytes; or: none
 *     quit
 *
 * The terminator says what comes next: an end of line, or a number of bytes. A terminator that is set in
 * found_terminator applies to the next input, even if that has come already. Try it with: nc 127.0.0.1 8081
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';

const LINE_ENDS = ['\r\n', '\n'];
const LONGEST_LINE = 1000;
const LARGEST_THING = 10_000_000;

export class StoreHandler extends async_chat {
  #things: Map<string, Buffer>;
  /** What the bytes that come are to be called; null while lines come. */
  #name: string | null = null;

  constructor(sock: Socket, things: Map<string, Buffer>) {
    super(sock);
    this.#things = things;
    this.ac_out_high_water = 1_000_000;
    this.#awaitLine();
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const data = this._get_data();
    if (this.closing) return; // what comes behind quit
    if (this.#name === null) this.#command(data.toString());
    else this.#keep(this.#name, data);
  }

  #awaitLine(): void {
    this.#name = null;
    this.max_incoming = LONGEST_LINE;
    this.set_terminator(LINE_ENDS);
  }

  #command(line: string): void {
    const [command, name = '', length = ''] = line.split(' ');
    if (command === 'put' && /^\d{1,15}$/.test(length)) this.#awaitThing(name, Number(length));
    else if (command === 'get') this.#show(this.#things.get(name));
    else if (command === 'quit') this.close_when_done();
    else this.#answer('what?');
  }

  #awaitThing(name: string, length: number): void {
    this.#name = name;
    this.max_incoming = LARGEST_THING; // a longer one closes the channel: see handle_overflow
    if (length > 0) this.set_terminator(length);
    else this.#keep(name, Buffer.alloc(0)); // a terminator of 0 would mean none
  }

  #keep(name: string, thing: Buffer): void {
    this.#things.set(name, thing);
    this.#awaitLine();
    this.#answer('kept');
  }

  #show(thing: Buffer | undefined): void {
    this.#answer(thing === undefined ? 'none' : String(thing.length));
    if (thing !== undefined) this.push(thing);
  }

  #answer(line: string): void {
    this.push(Buffer.from(`${line}\r\n`));
  }
}

export class StoreServer extends dispatcher {
  #things = new Map<string, Buffer>();

  constructor(host: string, port: number) {
    super();
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new StoreHandler(sock, this.#things);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8081' },
    },
  });
  const server = new StoreServer(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`keeping things on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
