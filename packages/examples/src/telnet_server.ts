/**
 * A telnet server (RFC 854) with a little shell: option negotiation and urgent data.
 *
 *     telnet_server [--host 127.0.0.1] [--port 2323] [--timeout 300]
 *
 *     count    counts until it is interrupted      size    tells how large your window is
 *     help     tells what there is                 quit    ends
 *
 * It asks the client to send each key as it is typed (ECHO, SGA), and for the size of its window
 * (NAWS). Ctrl-C interrupts: the client sends IAC IP, and then a Synch, whose last byte is urgent: it
 * overtakes what was sent before, and everything up to it is thrown away but the commands. SO_OOBINLINE
 * leaves that byte where it belongs. Try it with: telnet 127.0.0.1 2323
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop, type timer } from '@asyncore/core';
import { type InetAddress, SO_OOBINLINE, SOL_SOCKET, type Socket } from '@asyncore/socket';

const [IAC, DONT, DO, WONT, WILL, SB, AYT, IP, DM, SE] = [
  255, 254, 253, 252, 251, 250, 246, 244, 242, 240,
];
const [ECHO, SGA, NAWS] = [1, 3, 31];
const LONGEST_LINE = 200;
/** A subnegotiation that is longer is forgotten. */
const MOST_PARAMETERS = 32;

/** Takes the commands out of what a client sends. RFC 854 */
class TelnetParser {
  #parse = this.#text;
  #command = 0;
  #parameters: number[] = [];

  readonly on: TelnetHandler;

  constructor(on: TelnetHandler) {
    this.on = on;
  }

  feed(data: Uint8Array): void {
    for (const byte of data) this.#parse(byte);
  }

  #text(byte: number): void {
    if (byte === IAC) this.#parse = this.#afterIAC;
    else this.on.key(byte);
  }

  #afterIAC(byte: number): void {
    this.#parse = this.#text;
    if (byte === IAC) this.on.key(byte);
    else if (byte >= WILL && byte <= DONT) {
      this.#command = byte;
      this.#parse = this.#option;
    } else if (byte === SB) {
      this.#parameters = [];
      this.#parse = this.#parameter;
    } else {
      this.on.command(byte);
    }
  }

  #option(byte: number): void {
    this.#parse = this.#text;
    this.on.negotiate(this.#command, byte);
  }

  #parameter(byte: number): void {
    if (byte === IAC) this.#parse = this.#afterParameter;
    else if (this.#parameters.length <= MOST_PARAMETERS) this.#parameters.push(byte);
  }

  #afterParameter(byte: number): void {
    this.#parse = this.#parameter;
    if (byte === IAC) {
      this.#parameters.push(byte);
    } else {
      this.#parse = this.#text;
      if (byte === SE && this.#parameters.length <= MOST_PARAMETERS) {
        this.on.parameters(this.#parameters);
      }
    }
  }
}

export class TelnetHandler extends async_chat {
  ac_out_high_water = 65536;
  use_encoding = true;
  readonly #parser = new TelnetParser(this);
  #counting: timer | null = null;
  #line = '';
  #size = '';
  /** An urgent byte is on its way: what comes before it is thrown away. */
  #isSynching = false;
  #wasReturn = false;

  constructor(sock: Socket, patience: number) {
    super(sock);
    this.timeout = patience;
    this.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1);
    this.push(Buffer.of(IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, NAWS));
    this.push('try "help"\r\n> ');
  }

  collect_incoming_data(data: Buffer) {
    this.#parser.feed(data);
  }

  handle_expt() {
    this.#isSynching = true;
  }

  // ---- what the parser finds ----

  key(byte: number): void {
    if (this.#isSynching || this.closing) return;
    const isEnd = byte === 13 || (byte === 10 && !this.#wasReturn);
    this.#wasReturn = byte === 13; // CR LF, or CR NUL, is one end
    if (isEnd) this.#enter();
    else if (byte === 3) this.#interrupt();
    else if (byte === 4 && this.#line === '') this.#run('quit');
    else if (byte === 8 || byte === 127) this.#erase();
    else if (byte >= 32 && byte < 127 && this.#line.length < LONGEST_LINE) {
      this.#line += String.fromCharCode(byte);
      this.push(Buffer.of(byte));
    }
  }

  command(byte: number): void {
    if (byte === DM) this.#isSynching = false;
    else if (byte === IP) this.#interrupt();
    else if (byte === AYT) this.push('\r\n[yes]\r\n');
  }

  /** What we offered or asked for is agreed; anything else is refused, once: a refusal needs no answer. */
  negotiate(command: number, option: number): void {
    if (command === WILL && option !== NAWS) this.push(Buffer.of(IAC, DONT, option));
    if (command === DO && option !== ECHO && option !== SGA) {
      this.push(Buffer.of(IAC, WONT, option));
    }
  }

  parameters([option, ...bytes]: number[]): void {
    if (option !== NAWS || bytes.length !== 4) return;
    const size = Buffer.from(bytes);
    this.#size = `${size.readUInt16BE(0)} columns, ${size.readUInt16BE(2)} lines`;
  }

  // ---- the shell ----

  #erase(): void {
    if (this.#line === '') return;
    this.#line = this.#line.slice(0, -1);
    this.push('\b \b');
  }

  #enter(): void {
    const line = this.#line.trim();
    this.#line = '';
    this.push('\r\n');
    this.#run(line);
  }

  #run(command: string): void {
    this.#stop();
    if (command === 'count') {
      this.#count();
    } else if (command === 'quit') {
      this.push('bye\r\n');
      this.close_when_done();
    } else {
      this.push(`${this.#answer(command)}> `);
    }
  }

  #answer(command: string): string {
    if (command === '') return '';
    if (command === 'help') return 'count, size, quit; Ctrl-C interrupts\r\n';
    if (command === 'size') return `${this.#size || 'you have not told'}\r\n`;
    return 'there is no such command: try "help"\r\n';
  }

  #count(): void {
    let i = 0;
    this.#counting = this.call_every(0.1, () => {
      i += 1;
      if (!this.push(`${i}\r\n`)) this.#interrupt(); // nobody reads
    });
  }

  #stop(): void {
    this.#counting?.cancel();
    this.#counting = null;
  }

  #interrupt(): void {
    this.#stop();
    this.#line = '';
    this.push('^C\r\n> ');
  }
}

export class TelnetServer extends dispatcher {
  readonly #patience: number;

  constructor(host: string, port: number, patience = 300) {
    super();
    this.#patience = patience;
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket) {
    new TelnetHandler(sock, this.#patience);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '2323' },
      timeout: { type: 'string', default: '300' },
    },
  });
  const timeout = Number(values.timeout);
  if (!(timeout > 0)) throw new Error('--timeout must be a number of seconds');
  const server = new TelnetServer(values.host, Number(values.port), timeout);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`telnet on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
