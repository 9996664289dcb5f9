/**
 * Takes syslog messages by UDP and by TCP, and prints a line for each: who, facility, severity, text.
 *
 *     syslog_receiver [--host 127.0.0.1] [--udp 5514] [--tcp 5514]
 *
 * By UDP a datagram is a message (RFC 5426). By TCP a message ends with its line, or is preceded by
 * its length (RFC 6587): its first byte says which, and so what the next terminator is. Control
 * characters are shown as \xNN, so that nobody forges a line. Try it with:
 * logger --server 127.0.0.1 --port 5514 hello
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, family_of, type InetAddress, SOCK_DGRAM, type Socket } from '@asyncore/socket';

const LONGEST = 65_536;
/** Seconds after which a sender that has said nothing is let go. */
const PATIENCE = 3600;
const FACILITIES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console clock'.split(
    ' ',
  );
const SEVERITIES = 'emerg alert crit err warning notice info debug'.split(' ');

export type Take = (line: string) => void;

/** `<34>text` as `auth.crit text`. Without a priority it is user.notice: RFC 3164, 4.3.3. */
export function described(message: Buffer): string {
  const [, digits, text] = /^<(\d{1,3})>(.*)$/s.exec(message.toString()) ?? [];
  const priority = Number(digits);
  if (digits === undefined || priority > 191) return `user.notice ${printable(String(message))}`;
  const facility = FACILITIES[priority >> 3] ?? `local${(priority >> 3) - 16}`;
  return `${facility}.${SEVERITIES[priority & 7]} ${printable(text)}`;
}

function printable(text: string): string {
  return text
    .trimEnd()
    .replaceAll(
      /\p{Cc}|\p{Cf}/gu,
      (sign) => `\\x${(sign.codePointAt(0) as number).toString(16).padStart(2, '0')}`,
    );
}

export class SyslogDatagrams extends dispatcher {
  readonly take: Take;

  constructor(host: string, port: number, take: Take) {
    super();
    this.take = take;
    this.create_socket(family_of(host) ?? AF_INET, SOCK_DGRAM);
    this.bind([host, port]);
  }

  writable() {
    return false;
  }

  handle_read() {
    const [data, sender] = this.recvfrom(LONGEST);
    this.take(`${(sender as InetAddress)[0]} ${described(data)}`);
  }
}

/** One connection, whose messages begin with "<" or with their length. */
export class SyslogHandler extends async_chat {
  max_incoming = LONGEST;
  #awaits: 'first byte' | 'length' | 'message' = 'first byte';
  #first = '';

  readonly from: string;
  readonly take: Take;

  constructor(sock: Socket, from: string, take: Take) {
    super(sock);
    this.from = from;
    this.take = take;
    this.timeout = PATIENCE;
    this.set_terminator(1);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const data = this._get_data();
    if (this.#awaits === 'first byte') this.#begin(data.toString('latin1'));
    else if (this.#awaits === 'length')
      this.#awaitBytes(Number(this.#first + data.toString('latin1')));
    else this.#message(Buffer.concat([Buffer.from(this.#first, 'latin1'), data]));
  }

  #begin(first: string): void {
    if (first === '\n') {
      this.set_terminator(1);
      return;
    }
    this.#first = first;
    const isDigit = first >= '1' && first <= '9';
    this.#awaits = isDigit ? 'length' : 'message';
    this.set_terminator(isDigit ? ' ' : '\n');
  }

  #awaitBytes(length: number): void {
    if (!Number.isInteger(length) || length > LONGEST) {
      this.log_info(`${this.from} sends no length before its message`, 'error');
      this.close();
      return;
    }
    this.#first = '';
    this.#awaits = 'message';
    this.set_terminator(length);
  }

  #message(message: Buffer): void {
    this.take(`${this.from} ${described(message)}`);
    this.#awaits = 'first byte';
    this.set_terminator(1);
  }
}

export class SyslogServer extends dispatcher {
  readonly take: Take;

  constructor(host: string, port: number, take: Take) {
    super();
    this.take = take;
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket, address: InetAddress) {
    new SyslogHandler(sock, address[0], this.take);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      udp: { type: 'string', default: '5514' },
      tcp: { type: 'string', default: '5514' },
    },
  });
  const take: Take = (line) => console.log(line);
  const datagrams = new SyslogDatagrams(values.host, Number(values.udp), take);
  const server = new SyslogServer(values.host, Number(values.tcp), take);
  const [[, udp], [, tcp]] = [datagrams.getsockname(), server.getsockname()] as InetAddress[];
  console.log(`taking messages on ${values.host}, UDP port ${udp}, TCP port ${tcp}`);
  await loop();
}
