/**
 * An SMTP sink: takes all mail, for whomever it is, and keeps it in a maildir or an mbox file.
 *
 *     smtp_sink --maildir FOLDER | --mbox FILE [--host 127.0.0.1] [--port 2525] [--size 10485760]
 *               [--timeout 300]
 *
 * A protocol of lines: async_chat looks for '\r\n', here and nowhere else, so that no other line end
 * can smuggle in a second mail. A line over max_incoming is discarded, answered with 500, and the next
 * one is understood again. Clients may send many commands at once: the answers leave together.
 */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { type Address, AF_INET, AF_INET6, type InetAddress, type Socket } from '@asyncore/socket';

const LONGEST_COMMAND = 2048;
const MOST_RECIPIENTS = 1000;

/** An address in angle brackets, which may be empty or have a quoted part, and what follows it. */
const PATH = /^ *<((?:"(?:\\[ -~]|[ !#-[\]-~])*"|[!#-;=?-~])*)>(?: (.*))?$/;

export interface Mail {
  /** Where to report that it cannot be delivered; may be empty. */
  sender: string;
  recipients: string[];
  /** Header and body in lines that end in '\n'. */
  text: Buffer;
}

// ---- the protocol ----

export class SMTPHandler extends async_chat {
  #server: SMTPServer;
  /** What the client calls itself; empty until it has. */
  #client = '';
  #sender: string | null = null;
  #recipients: string[] = [];
  /** The text of a mail, as it comes; null outside of DATA. In latin1: a character is a byte. */
  #lines: string[] | null = null;
  #size = 0;

  constructor(sock: Socket, server: SMTPServer) {
    super(sock);
    this.#server = server;
    this.use_encoding = true;
    this.timeout = server.patience;
    this.max_incoming = LONGEST_COMMAND;
    this.ac_out_high_water = 65536;
    this.set_terminator('\r\n');
    this.push(`220 ${hostname()} takes all mail\r\n`);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const line = this._get_data().toString('latin1');
    if (this.closing) return;
    const answer = this.#lines === null ? this.#command(line) : this.#text(line, this.#lines);
    if (answer !== '') this.push(`${answer}\r\n`);
  }

  handle_overflow() {
    if (this.#lines === null) this.push('500 the line is too long\r\n');
    else this.#size = Infinity;
  }

  /** What to answer. */
  #command(line: string): string {
    const [, verb = '', argument = ''] = /^([a-z]+)( .*)?$/i.exec(line) ?? [];
    const rest = argument.trim();
    switch (verb.toUpperCase()) {
      case 'HELO':
        return this.#hello(rest, []);
      case 'EHLO':
        return this.#hello(rest, [`SIZE ${this.#server.size}`, '8BITMIME', 'PIPELINING']);
      case 'MAIL':
        return this.#mail(rest);
      case 'RCPT':
        return this.#recipient(rest);
      case 'DATA':
        return this.#data(rest);
      case 'RSET':
        this.#reset();
        return '250 forgotten';
      case 'NOOP':
        return '250 fine';
      case 'VRFY':
        return '252 cannot tell, but takes its mail';
      case 'QUIT':
        this.push(`221 ${hostname()} closes\r\n`);
        this.close_when_done();
        return '';
      default:
        return '500 no such command';
    }
  }

  #hello(name: string, extensions: string[]): string {
    if (!/^[!-~]+$/.test(name)) return '501 who are you?';
    this.#reset();
    this.#client = name;
    const lines = [hostname(), ...extensions];
    return lines.map((text, i) => `250${i === lines.length - 1 ? ' ' : '-'}${text}`).join('\r\n');
  }

  #reset(): void {
    this.#sender = null;
    this.#recipients = [];
  }

  #mail(rest: string): string {
    const [, sender, parameters = ''] = pathAfter('FROM:', rest);
    if (this.#client === '') return '503 say HELO first';
    if (this.#sender !== null) return '503 one mail at a time';
    if (sender === undefined) return '501 MAIL FROM:<address>';
    for (const parameter of parameters.split(' ').filter(Boolean)) {
      const [, size] = /^SIZE=(\d{1,20})$/i.exec(parameter) ?? [];
      if (Number(size) > this.#server.size) return '552 the mail is too big';
      if (size === undefined && !/^BODY=(7BIT|8BITMIME)$/i.test(parameter)) {
        return `555 no such parameter: ${parameter}`;
      }
    }
    this.#sender = sender;
    return '250 go on';
  }

  #recipient(rest: string): string {
    const [, recipient, parameters] = pathAfter('TO:', rest);
    if (this.#sender === null) return '503 say MAIL first';
    if (!recipient) return '501 RCPT TO:<address>';
    if (parameters) return `555 no such parameter: ${parameters}`;
    if (this.#recipients.length === MOST_RECIPIENTS) return '452 too many recipients';
    this.#recipients.push(recipient);
    return '250 go on';
  }

  #data(rest: string): string {
    if (rest !== '') return '501 DATA';
    if (this.#recipients.length === 0) return '503 say RCPT first';
    this.#lines = [];
    this.#size = 0;
    this.max_incoming = this.#server.size;
    return '354 go on, and end with a dot on a line of its own';
  }

  #text(line: string, lines: string[]): string {
    if (line === '.') {
      this.#lines = null;
      this.max_incoming = LONGEST_COMMAND;
      return this.#finish(lines);
    }
    const text = line.startsWith('.') ? line.slice(1) : line;
    this.#size += text.length + 2;
    if (this.#size <= this.#server.size) lines.push(`${text}\n`);
    return '';
  }

  #finish(lines: string[]): string {
    const [sender, recipients] = [this.#sender ?? '', this.#recipients];
    this.#reset();
    if (this.#size > this.#server.size) return '552 the mail is too big';
    const text = Buffer.from(`${this.#trace(sender, recipients)}${lines.join('')}`, 'latin1');
    try {
      this.#server.deliver({ sender, recipients, text });
      return '250 kept';
    } catch (error) {
      this.log_info(`cannot keep a mail: ${error}`, 'error');
      return '452 cannot keep it now';
    }
  }

  /** The header lines that whoever delivers a mail puts above it. */
  #trace(sender: string, recipients: string[]): string {
    const address = Array.isArray(this.addr) ? `[${this.addr[0]}]` : 'unknown';
    const date = new Date().toUTCString().replace('GMT', '+0000');
    return [
      `Return-Path: <${sender}>\n`,
      ...recipients.map((recipient) => `Delivered-To: ${recipient}\n`),
      `Received: from ${this.#client} (${address}) by ${hostname()} with SMTP; ${date}\n`,
    ].join('');
  }
}

function pathAfter(keyword: string, text: string): RegExpExecArray | [] {
  const found = text.slice(0, keyword.length).toUpperCase() === keyword;
  return (found && PATH.exec(text.slice(keyword.length))) || [];
}

// ---- where the mail goes ----

export type Deliver = (mail: Mail) => void;

/** A file for each mail in FOLDER/new, written elsewhere first: it is there whole or not at all. */
export function maildir(folder: string): Deliver {
  for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(folder, name), { recursive: true });
  let count = 0;
  return ({ text }) => {
    const name = `${Date.now()}.P${process.pid}Q${++count}.${hostname().replaceAll(/[/:]/g, '_')}`;
    writeFileSync(join(folder, 'tmp', name), text, { flag: 'wx' });
    renameSync(join(folder, 'tmp', name), join(folder, 'new', name));
  };
}

/** All in one file, each after a line that begins with "From ". Lines that look like it get a ">". */
export function mbox(file: string): Deliver {
  return ({ sender, text }) => {
    const [day, date, month, year, time] = new Date().toUTCString().split(/,? /);
    const from = `From ${sender.replaceAll(' ', '_') || 'MAILER-DAEMON'} `;
    const quoted = text.toString('latin1').replaceAll(/(^|\n)(>*From )/g, '$1>$2');
    const entry = `${from}${day} ${month} ${date} ${time} ${year}\n${quoted}\n`;
    appendFileSync(file, entry, 'latin1');
  };
}

// ---- the server ----

export class SMTPServer extends dispatcher {
  constructor(
    host: string,
    port: number,
    readonly deliver: Deliver,
    /** The most bytes that a mail may have. */
    readonly size = 10 * 1024 * 1024,
    /** So many seconds a client may be silent: RFC 5321, 4.5.3.2.7. */
    readonly patience = 300,
  ) {
    super();
    this.create_socket(host.includes(':') ? AF_INET6 : AF_INET);
    this.set_reuse_addr();
    this.bind([host, port]);
    this.listen();
  }

  handle_accepted(sock: Socket, address: Address) {
    // The socket of a client that has gone no longer knows its address.
    new SMTPHandler(sock, this).addr = address;
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '2525' },
      size: { type: 'string', default: '10485760' },
      timeout: { type: 'string', default: '300' },
      maildir: { type: 'string' },
      mbox: { type: 'string' },
    },
  });
  const [size, timeout] = [Number(values.size), Number(values.timeout)];
  if (!(Number.isInteger(size) && size > 0)) throw new Error(`--size must be a number of bytes`);
  if (!(timeout > 0)) throw new Error('--timeout must be a number of seconds');
  if ((values.maildir === undefined) === (values.mbox === undefined)) {
    throw new Error('say where to keep the mail: --maildir FOLDER or --mbox FILE');
  }
  const deliver = values.mbox === undefined ? maildir(values.maildir as string) : mbox(values.mbox);
  const server = new SMTPServer(values.host, Number(values.port), deliver, size, timeout);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`taking mail on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
