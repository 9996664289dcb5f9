/**
 * SMTPChannel of CPython's smtpd, for programs that are ported: its attributes, its methods to override and
 * its answers. CPython's own tests drive it. These faults of smtpd are put right: it stays in DATA after
 * 552, never ends an empty mail, closes on bytes that are not UTF-8, and shares the limits of all channels.
 *
 * https://docs.python.org/3.11/library/smtpd.html
 */
import { isUtf8 } from 'node:buffer';
import { hostname } from 'node:os';
import { async_chat } from '@asyncore/chat';
import type { channel_map } from '@asyncore/core';
import type { Address, Socket } from '@asyncore/socket';
import { addressIn, parametersIn } from './smtpd_arguments.js';

/** What smtpd's classes take by keyword. */
export interface smtpd_options {
  /** The most bytes that a mail may have; 0 for no limit. Default 32 MiB. */
  data_size_limit?: number;
  map?: channel_map | null;
  /** Default false. */
  enable_SMTPUTF8?: boolean;
  /** Whether process_message gets a string. Default false: bytes. */
  decode_data?: boolean;
}

export const DATA_SIZE_DEFAULT = 33554432;
const MOST_RECIPIENTS = 1000;
const COMMANDS = 'EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY';

/** What a mail's commands said besides. Nothing with decode_data. */
export interface message_options {
  mail_options?: string[];
  rcpt_options?: string[];
}

/** What a channel asks of its server. */
export interface message_processor {
  process_message(
    peer: Address,
    mailfrom: string,
    rcpttos: string[],
    data: string | Buffer,
    options: message_options,
  ): unknown;
}

export class SMTPChannel extends async_chat<Socket> {
  readonly COMMAND = 0;
  readonly DATA = 1;
  command_size_limit = 512;
  command_size_limits = new Map<string, number>();
  smtp_server: message_processor;
  conn: Socket;
  data_size_limit: number;
  enable_SMTPUTF8: boolean;
  _decode_data: boolean;
  fqdn = hostname();
  peer: Address;
  seen_greeting = '';
  extended_smtp = false;
  smtp_state: unknown = this.COMMAND;
  mailfrom: string | null = null;
  rcpttos: string[] = [];
  mail_options: string[] = [];
  rcpt_options: string[] = [];
  require_SMTPUTF8 = false;
  num_bytes = 0;
  received_data: string | Buffer = '';
  received_lines: Buffer[] = [];
  /** The lines of a mail that have come. */
  #lines: Buffer[] = [];

  constructor(server: message_processor, conn: Socket, addr: Address, options: smtpd_options = {}) {
    checkOptions(options);
    super(conn, options.map ?? null);
    this.smtp_server = server;
    this.conn = conn;
    this.addr = addr;
    this.data_size_limit = options.data_size_limit ?? DATA_SIZE_DEFAULT;
    this.enable_SMTPUTF8 = options.enable_SMTPUTF8 ?? false;
    this._decode_data = options.decode_data ?? false;
    this.peer = addr;
    this.ac_out_high_water = 65536;
    this.use_encoding = true;
    this.encoding = 'utf8';
    this.set_terminator('\r\n');
    this.push(`220 ${this.fqdn} asyncore smtpd`);
  }

  /** Puts a line end behind a string, as smtpd does. */
  override push(data: string | Uint8Array): boolean {
    return super.push(typeof data === 'string' ? `${data}\r\n` : data);
  }

  #answer(text: unknown): void {
    if (typeof text === 'string' && text !== '' && this.connected) this.push(text);
  }

  get max_command_size_limit(): number {
    return Math.max(this.command_size_limit, ...this.command_size_limits.values());
  }

  #setPostDataState(): void {
    this.smtp_state = this.COMMAND;
    this.mailfrom = null;
    this.rcpttos = [];
    this.require_SMTPUTF8 = false;
    this.num_bytes = 0;
    this.#lines = [];
  }

  #setRsetState(): void {
    this.#setPostDataState();
    this.received_data = '';
    this.received_lines = [];
  }

  // ---- lines ----

  collect_incoming_data(data: Buffer): void {
    const isData = this.smtp_state === this.DATA;
    const limit = isData ? this.data_size_limit : this.max_command_size_limit;
    const isTooMuch = limit > 0 && this.num_bytes > limit;
    this.num_bytes += data.length;
    if (!isTooMuch) this.received_lines.push(data);
    // So much that the dot which ends a mail is still known.
    else if (this.received_lines.length < 2) this.received_lines.push(data.subarray(0, 2));
  }

  found_terminator(): void | Promise<void> {
    const line = Buffer.concat(this.received_lines);
    this.received_lines = [];
    const answer = this.#answerTo(line);
    if (answer instanceof Promise) return answer.then((text) => this.#answer(text));
    this.#answer(answer);
  }

  #answerTo(line: Buffer): unknown {
    if (this.smtp_state === this.DATA) return this.#text(line);
    const size = this.num_bytes;
    this.num_bytes = 0;
    return this.smtp_state === this.COMMAND ? this.#command(line, size) : '451 Internal confusion';
  }

  #command(line: Buffer, size: number): unknown {
    if (line.length === 0 || !isUtf8(line)) return '500 Error: bad syntax';
    const [, word, rest] = /^([^ ]*)(.*)$/s.exec(line.toString()) ?? [];
    const command = word.toUpperCase();
    const limit = (this.extended_smtp && this.command_size_limits.get(command)) || 0;
    if (size > Math.max(limit, this.command_size_limit)) {
      return '500 Error: line too long';
    }
    const method: unknown = Reflect.get(this, `smtp_${command}`);
    if (typeof method === 'function') return method.call(this, rest.trim());
    return `500 Error: command "${command}" not recognized`;
  }

  #text(line: Buffer): unknown {
    if (!(line.length === 1 && line[0] === 0x2e)) {
      const isTooMuch = this.data_size_limit > 0 && this.num_bytes > this.data_size_limit;
      this.num_bytes += 2; // the end of the line
      if (!isTooMuch) this.#lines.push(line[0] === 0x2e ? line.subarray(1) : line);
      return '';
    }
    const size = this.num_bytes - 1 - (this.num_bytes > 1 ? 2 : 0); // without the last line end and the dot
    if (this.data_size_limit > 0 && size > this.data_size_limit) {
      this.#setPostDataState();
      return '552 Error: Too much mail data';
    }
    const data = Buffer.from(
      this.#lines.map((each) => each.toString('latin1')).join('\n'),
      'latin1',
    );
    this.received_data = this._decode_data ? data.toString() : data;
    const { mail_options, rcpt_options } = this;
    const status = this.smtp_server.process_message(
      this.peer,
      this.mailfrom ?? '',
      this.rcpttos,
      this.received_data,
      this._decode_data ? {} : { mail_options, rcpt_options },
    );
    const answer = (text: unknown) => {
      this.#setPostDataState();
      return text ? String(text) : '250 OK';
    };
    return status instanceof Promise ? status.then(answer) : answer(status);
  }

  // ---- commands: what a method gives is the answer, unless it pushes one itself ----

  smtp_HELO(arg: string): string {
    if (arg === '') return '501 Syntax: HELO hostname';
    if (this.seen_greeting) return '503 Duplicate HELO/EHLO';
    this.#setRsetState();
    this.seen_greeting = arg;
    return `250 ${this.fqdn}`;
  }

  smtp_EHLO(arg: string): string {
    if (arg === '') return '501 Syntax: EHLO hostname';
    if (this.seen_greeting) return '503 Duplicate HELO/EHLO';
    this.#setRsetState();
    this.seen_greeting = arg;
    this.extended_smtp = true;
    let limit = this.command_size_limit;
    this.push(`250-${this.fqdn}`);
    if (this.data_size_limit) {
      this.push(`250-SIZE ${this.data_size_limit}`);
      limit += 26;
    }
    if (!this._decode_data) this.push('250-8BITMIME');
    if (this.enable_SMTPUTF8) {
      this.push('250-SMTPUTF8');
      limit += 10;
    }
    this.command_size_limits.set('MAIL', limit);
    return '250 HELP';
  }

  smtp_NOOP(arg: string): string {
    return arg === '' ? '250 OK' : '501 Syntax: NOOP';
  }

  smtp_QUIT(_arg: string): void {
    this.push('221 Bye');
    this.close_when_done();
  }

  smtp_RSET(arg: string): string {
    if (arg !== '') return '501 Syntax: RSET';
    this.#setRsetState();
    return '250 OK';
  }

  smtp_HELP(arg: string): string {
    const rest: Record<string, string> = {
      EHLO: ' hostname',
      HELO: ' hostname',
      MAIL: ` FROM: <address>${this.#extended}`,
      RCPT: ` TO: <address>${this.#extended}`,
      DATA: '',
      RSET: '',
      NOOP: '',
      QUIT: '',
      VRFY: ' <address>',
    };
    const command = arg.toUpperCase();
    if (arg === '') return `250 Supported commands: ${COMMANDS}`;
    if (Object.hasOwn(rest, command)) return `250 Syntax: ${command}${rest[command]}`;
    return `501 Supported commands: ${COMMANDS}`;
  }

  get #extended(): string {
    return this.extended_smtp ? ' [SP <mail-parameters>]' : '';
  }

  smtp_VRFY(arg: string): string {
    if (arg === '') return '501 Syntax: VRFY <address>';
    if (addressIn(arg) === null) return `502 Could not VRFY ${arg}`;
    return '252 Cannot VRFY user, but will accept message and attempt delivery';
  }

  smtp_EXPN(_arg: string): string {
    return '502 EXPN not implemented';
  }

  smtp_MAIL(arg: string): string {
    if (!this.seen_greeting) return '503 Error: send HELO first';
    const syntax = `501 Syntax: MAIL FROM: <address>${this.#extended}`;
    const found = addressIn(arg, 'FROM:');
    if (found === null) return syntax;
    if (!this.extended_smtp && found.rest !== '') return syntax;
    if (this.mailfrom) return '503 Error: nested MAIL command';
    this.mail_options = found.rest.toUpperCase().split(/\s+/).filter(Boolean);
    const parameters = parametersIn(this.mail_options);
    if (parameters === null) return syntax;
    const take = (name: string) => {
      const value = parameters.get(name);
      parameters.delete(name);
      return value;
    };
    const body = this._decode_data ? '7BIT' : (take('BODY') ?? '7BIT');
    if (body !== '7BIT' && body !== '8BITMIME') {
      return '501 Error: BODY can only be one of 7BIT, 8BITMIME';
    }
    const utf8 = this.enable_SMTPUTF8 ? take('SMTPUTF8') : undefined;
    if (typeof utf8 === 'string') return '501 Error: SMTPUTF8 takes no arguments';
    const size = take('SIZE');
    if (size !== undefined && !/^\d+$/.test(String(size))) return syntax;
    if (this.data_size_limit && Number(size) > this.data_size_limit) {
      return '552 Error: message size exceeds fixed maximum message size';
    }
    if (parameters.size > 0) {
      return '555 MAIL FROM parameters not recognized or not implemented';
    }
    this.require_SMTPUTF8 = utf8 === true;
    this.mailfrom = found.address;
    return '250 OK';
  }

  smtp_RCPT(arg: string): string {
    if (!this.seen_greeting) return '503 Error: send HELO first';
    if (!this.mailfrom) return '503 Error: need MAIL command';
    const syntax = `501 Syntax: RCPT TO: <address>${this.#extended}`;
    const found = addressIn(arg, 'TO:');
    if (found === null) return syntax;
    if (!this.extended_smtp && found.rest !== '') return syntax;
    this.rcpt_options = found.rest.toUpperCase().split(/\s+/).filter(Boolean);
    const parameters = parametersIn(this.rcpt_options);
    if (parameters === null) return syntax;
    if (parameters.size > 0) {
      return '555 RCPT TO parameters not recognized or not implemented';
    }
    if (this.rcpttos.length >= MOST_RECIPIENTS) return '452 Error: too many recipients';
    this.rcpttos.push(found.address);
    return '250 OK';
  }

  smtp_DATA(arg: string): string {
    if (!this.seen_greeting) return '503 Error: send HELO first';
    if (this.rcpttos.length === 0) return '503 Error: need RCPT command';
    if (arg !== '') return '501 Syntax: DATA';
    this.smtp_state = this.DATA;
    return '354 End data with <CR><LF>.<CR><LF>';
  }
}

/** @throws RangeError as smtpd's ValueError */
export function checkOptions({ enable_SMTPUTF8, decode_data }: smtpd_options): void {
  if (enable_SMTPUTF8 && decode_data) {
    throw new RangeError('decode_data and enable_SMTPUTF8 cannot both be true');
  }
}
