/**
 * An SMTP server that keeps mail, for whomever it is, prints it or passes it on to another server.
 *
 *     smtp_server --sink FILE | --maildir FOLDER | --mbox FILE | --print | --relay HOST:PORT
 *                 [--host HOST] [--port 2525]
 *                 [--user USER --password PASSWORD [--require-auth] [--auth-in-clear]]
 *                 [--cert FILE --key FILE [--tls]] [--size 10485760] [--timeout 300]
 *
 * With a certificate it offers STARTTLS, or speaks TLS from the start with --tls; with a user it takes
 * AUTH PLAIN and LOGIN, inside TLS only unless --auth-in-clear says otherwise. Without --host it listens
 * on 127.0.0.1 and ::1.
 *
 * A protocol of lines: async_chat looks for '\r\n', here and nowhere else, so that no other line end
 * can smuggle in a second mail. A line over max_incoming is discarded, answered with 500, and the next
 * one is understood again. Clients may send many commands at once: the answers leave together. Those
 * behind STARTTLS are dropped by start_tls: whoever put them there, they were not encrypted. What
 * becomes of a mail is in smtp_server/deliveries.ts and smtp_server/relay.ts.
 */
import { isUtf8 } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { type Address, type InetAddress, OSError, type Socket } from '@asyncore/socket';
import { type tls_options, with_tls } from '@asyncore/tls';
import { type Deliver, type Mail, maildir, mbox, printed, sink } from './smtp_server/deliveries.js';
import { relayTo } from './smtp_server/relay.js';

export { type Deliver, type Mail, maildir, mbox, printed, relayTo, sink };

const LONGEST_COMMAND = 2048;
/** RFC 4954, 4: without its end. */
const LONGEST_RESPONSE = 12288 - 2;
const MOST_RECIPIENTS = 1000;
const MOST_WRONG_PASSWORDS = 3;
const BACKLOG = 511;
const KEPT = '250 kept';

/** An address in angle brackets, which may be empty or have a quoted part, and what follows it. */
const PATH = /^ *<((?:"(?:\\[ -~]|[ !#-[\]-~\x80-\xff])*"|[!#-;=?-~\x80-\xff])*)>(?: (.*))?$/;

/** Who may send. */
export interface Account {
  user: string;
  password: string;
  /** Only after AUTH is mail taken. */
  isRequired?: boolean;
  /** AUTH is taken without TLS too. */
  inClear?: boolean;
}

// ---- the protocol ----

export class SMTPHandler extends with_tls(async_chat<Socket>) {
  #server: SMTPServer;
  /** What the client calls itself; empty until it has. */
  #client = '';
  #sender: string | null = null;
  #recipients: string[] = [];
  /** MAIL said SMTPUTF8. */
  #isUtf8 = false;
  #isSecure = false;
  #isKnown = false;
  #wrongPasswords = 0;
  /** Takes the answer to a challenge of AUTH, in base64; null outside of it. */
  #response: ((text: string) => string) | null = null;
  /** The text of a mail, as it comes; null outside of DATA. In latin1: a character is a byte. */
  #lines: string[] | null = null;
  #size = 0;

  constructor(sock: Socket, server: SMTPServer) {
    super(sock);
    this.#server = server;
    this.use_encoding = true;
    this.timeout = server.patience;
    this.#awaitCommand();
    this.ac_out_high_water = 65536;
    this.set_terminator('\r\n');
    if (server.tls && server.isSecureFromStart) this.#secure(server.tls);
    this.push(`220 ${hostname()} takes all mail\r\n`);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator(): void | Promise<void> {
    const line = this._get_data().toString('latin1');
    if (this.closing) return;
    const answer =
      this.#lines !== null
        ? this.#text(line, this.#lines)
        : this.#response !== null
          ? this.#respond(line, this.#response)
          : this.#command(line);
    // While the promise is pending nothing more is parsed: the answers come in order.
    if (typeof answer !== 'string') return answer.then((later) => this.#answer(later));
    this.#answer(answer);
  }

  #answer(text: string): void {
    if (text !== '' && this.connected) this.push(`${text}\r\n`);
  }

  handle_overflow() {
    this.#response = null;
    if (this.#lines === null) this.push('500 the line is too long\r\n');
    else this.#size = Infinity;
  }

  handle_tls_error(error: unknown) {
    this.log_info(`TLS with ${this.addr}: ${error}`); // it is closed then
  }

  #awaitCommand(): void {
    this.max_incoming = this.#server.account ? LONGEST_RESPONSE : LONGEST_COMMAND;
  }

  #secure(options: tls_options): void {
    this.start_tls(options);
    this.#isSecure = true;
  }

  /** What to answer. */
  #command(line: string): string {
    const [, verb = '', argument = ''] = /^([a-z]+)( .*)?$/i.exec(line) ?? [];
    const rest = argument.trim();
    if (line.length > LONGEST_COMMAND && verb.toUpperCase() !== 'AUTH') {
      return '500 the line is too long';
    }
    switch (verb.toUpperCase()) {
      case 'HELO':
        return this.#hello(rest, []);
      case 'EHLO':
        return this.#hello(rest, this.#extensions());
      case 'STARTTLS':
        return this.#startTls(rest);
      case 'AUTH':
        return this.#auth(rest);
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

  #extensions(): string[] {
    const extensions = [`SIZE ${this.#server.size}`, '8BITMIME', 'PIPELINING', 'SMTPUTF8'];
    if (this.#server.tls && !this.#isSecure) extensions.push('STARTTLS');
    if (this.#mayAuthenticate) extensions.push('AUTH PLAIN LOGIN');
    return extensions;
  }

  #reset(): void {
    this.#sender = null;
    this.#recipients = [];
    this.#isUtf8 = false;
  }

  // ---- TLS: RFC 3207 ----

  #startTls(rest: string): string {
    if (this.#server.tls === null) return '502 there is no TLS here';
    if (rest !== '') return '501 STARTTLS';
    if (this.#isSecure) return '503 it is TLS already';
    if (this.#sender !== null) return '503 not within a mail';
    this.push('220 go on\r\n');
    this.#secure(this.#server.tls);
    this.#reset();
    this.#client = '';
    this.#isKnown = false;
    return '';
  }

  // ---- who it is: RFC 4954 ----

  get #mayAuthenticate(): boolean {
    const { account } = this.#server;
    return account !== null && (this.#isSecure || account.inClear === true);
  }

  #auth(rest: string): string {
    const [, mechanism = '', initial] = /^(\S+)(?: +(\S+))?$/.exec(rest) ?? [];
    if (this.#server.account === null) return '502 there is nobody to be';
    if (this.#client === '') return '503 say EHLO first';
    if (this.#isKnown) return '503 you are known already';
    if (this.#sender !== null) return '503 not within a mail';
    if (!this.#mayAuthenticate) return '538 say STARTTLS first';
    switch (mechanism.toUpperCase()) {
      case 'PLAIN':
        return this.#ask('', (text) => this.#plain(text), initial);
      case 'LOGIN':
        return this.#ask('Username:', (user) => this.#login(user), initial);
      default:
        return mechanism === '' ? '501 AUTH PLAIN or AUTH LOGIN' : '504 only PLAIN and LOGIN';
    }
  }

  #ask(challenge: string, take: (text: string) => string, initial?: string): string {
    if (initial !== undefined) return this.#respond(initial === '=' ? '' : initial, take);
    this.#response = take;
    return `334 ${Buffer.from(challenge).toString('base64')}`;
  }

  #respond(line: string, take: (text: string) => string): string {
    this.#response = null;
    if (line === '*') return '501 as you like';
    const bytes = Buffer.from(line, 'base64');
    if (bytes.toString('base64') !== line) return '501 that is not base64';
    return take(bytes.toString());
  }

  #plain(text: string): string {
    const [, user, password, ...more] = text.split('\0');
    if (password === undefined || more.length > 0) return '501 that is not PLAIN';
    return this.#check(user, password);
  }

  #login(user: string): string {
    return this.#ask('Password:', (password) => this.#check(user, password));
  }

  #check(user: string, password: string): string {
    const { account } = this.#server;
    const isRight = isSame(user, account?.user) && isSame(password, account?.password);
    if (isRight) {
      this.#isKnown = true;
      return '235 welcome';
    }
    this.#wrongPasswords += 1;
    if (this.#wrongPasswords < MOST_WRONG_PASSWORDS) return '535 wrong';
    this.push('421 too often\r\n');
    this.close_when_done();
    return '';
  }

  // ---- a mail ----

  #mail(rest: string): string {
    const [, sender, parameters = ''] = pathAfter('FROM:', rest);
    if (this.#client === '') return '503 say HELO first';
    if (this.#server.account?.isRequired && !this.#isKnown) return '530 say AUTH first';
    if (this.#sender !== null) return '503 one mail at a time';
    if (sender === undefined) return '501 MAIL FROM:<address>';
    let isUtf8 = false;
    for (const parameter of parameters.split(' ').filter(Boolean)) {
      if (/^SMTPUTF8$/i.test(parameter)) {
        isUtf8 = true;
        continue;
      }
      const [, size] = /^SIZE=(\d{1,20})$/i.exec(parameter) ?? [];
      if (Number(size) > this.#server.size) return '552 the mail is too big';
      if (size === undefined && !/^BODY=(7BIT|8BITMIME)$/i.test(parameter)) {
        return `555 no such parameter: ${parameter}`;
      }
    }
    const address = addressOf(sender, isUtf8);
    if (address === null) return '501 MAIL FROM:<address>';
    this.#isUtf8 = isUtf8;
    this.#sender = address;
    return '250 go on';
  }

  #recipient(rest: string): string {
    const [, recipient, parameters] = pathAfter('TO:', rest);
    if (this.#sender === null) return '503 say MAIL first';
    if (!recipient) return '501 RCPT TO:<address>';
    if (parameters) return `555 no such parameter: ${parameters}`;
    if (this.#recipients.length === MOST_RECIPIENTS) return '452 too many recipients';
    const address = addressOf(recipient, this.#isUtf8);
    if (address === null) return '501 RCPT TO:<address>';
    this.#recipients.push(address);
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

  #text(line: string, lines: string[]): string | Promise<string> {
    if (line === '.') {
      this.#lines = null;
      this.#awaitCommand();
      return this.#finish(lines);
    }
    const text = line.startsWith('.') ? line.slice(1) : line;
    this.#size += text.length + 2;
    if (this.#size <= this.#server.size) lines.push(text);
    return '';
  }

  #finish(lines: string[]): string | Promise<string> {
    const [sender, recipients, isUtf8] = [this.#sender ?? '', this.#recipients, this.#isUtf8];
    this.#reset();
    if (this.#size > this.#server.size) return '552 the mail is too big';
    const body = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
    const text = Buffer.concat([Buffer.from(this.#trace(sender, recipients)), body]);
    const data = Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
    const mail = { sender, recipients, text, data, peer: this.#peer, isUtf8 };
    try {
      const answer = this.#server.deliver(mail);
      if (!(answer instanceof Promise)) return answerOr(answer);
      return answer.then(answerOr, (error) => this.#cannotKeep(error));
    } catch (error) {
      return this.#cannotKeep(error);
    }
  }

  #cannotKeep(error: unknown): string {
    this.log_info(`cannot keep a mail: ${error}`, 'error');
    return '452 cannot keep it now';
  }

  get #peer(): string {
    return Array.isArray(this.addr) ? String(this.addr[0]) : 'unknown';
  }

  /** RFC 3848. */
  get #protocol(): string {
    if (!this.#isSecure && !this.#isKnown) return 'SMTP';
    return `ESMTP${this.#isSecure ? 'S' : ''}${this.#isKnown ? 'A' : ''}`;
  }

  /** The header lines that whoever delivers a mail puts above it. */
  #trace(sender: string, recipients: string[]): string {
    const address = Array.isArray(this.addr) ? `[${this.#peer}]` : this.#peer;
    const date = new Date().toUTCString().replace('GMT', '+0000');
    return [
      `Return-Path: <${sender}>\n`,
      ...recipients.map((recipient) => `Delivered-To: ${recipient}\n`),
      `Received: from ${this.#client} (${address}) by ${hostname()} with ${this.#protocol}; ${date}\n`,
    ].join('');
  }
}

/** What delivery gave, where that is an answer: it may be a function that gives anything else. */
function answerOr(given: unknown): string {
  return typeof given === 'string' && given !== '' ? given : KEPT;
}

/** What was received as latin1; null unless it is ASCII, or UTF-8 where that was announced. */
function addressOf(path: string, mayBeUtf8: boolean): string | null {
  const bytes = Buffer.from(path, 'latin1');
  if (bytes.every((byte) => byte < 0x80)) return path;
  return mayBeUtf8 && isUtf8(bytes) ? bytes.toString() : null;
}

/** Takes the same time, whatever is wrong. */
function isSame(given: string, wanted = ''): boolean {
  const [one, other] = [given, wanted].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(one, other);
}

function pathAfter(keyword: string, text: string): RegExpExecArray | [] {
  const found = text.slice(0, keyword.length).toUpperCase() === keyword;
  return (found && PATH.exec(text.slice(keyword.length))) || [];
}

// ---- the server ----

export interface SMTPOptions {
  /** The most bytes that a mail may have. Default 10 MiB. */
  size?: number;
  /** So many seconds a client may be silent. Default 300: RFC 5321, 4.5.3.2.7. */
  patience?: number;
  account?: Account | null;
  /** The key and certificate of STARTTLS. */
  tls?: tls_options | null;
  isSecureFromStart?: boolean;
}

export class SMTPServer extends dispatcher {
  readonly size: number;
  readonly patience: number;
  readonly account: Account | null;
  readonly tls: tls_options | null;
  readonly isSecureFromStart: boolean;

  readonly deliver: Deliver;

  constructor(host: string, port: number, deliver: Deliver, options: SMTPOptions = {}) {
    super();
    this.deliver = deliver;
    this.size = options.size ?? 10 * 1024 * 1024;
    this.patience = options.patience ?? 300;
    this.account = options.account ?? null;
    this.tls = options.tls ?? null;
    this.isSecureFromStart = options.isSecureFromStart ?? false;
    this.create_server([host, port], { backlog: BACKLOG });
  }

  handle_accepted(sock: Socket, address: Address) {
    // The socket of a client that has gone no longer knows its address.
    new SMTPHandler(sock, this).addr = address;
  }
}

/** On `host`, else on both addresses of this machine's own, as far as it has them. */
function listen(
  host: string | undefined,
  port: number,
  deliver: Deliver,
  options: SMTPOptions,
): SMTPServer[] {
  const first = new SMTPServer(host ?? '127.0.0.1', port, deliver, options);
  if (host !== undefined) return [first];
  try {
    const [, chosen] = first.getsockname() as InetAddress;
    return [first, new SMTPServer('::1', chosen, deliver, options)];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof OSError) || (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT')) {
      throw error;
    }
    return [first]; // IPv6 is off
  }
}

/** What the options for it mean, of which one is given. */
const PLACES: Record<string, (where: string) => Deliver> = {
  sink,
  maildir,
  mbox,
  print: () => printed(),
  relay: (where) => relayTo(...hostAndPort(where)),
};

function deliverTo(places: Record<string, string | boolean | undefined>): Deliver {
  const given = Object.keys(PLACES).filter((place) => places[place] !== undefined);
  if (given.length !== 1) {
    throw new Error(
      'say where the mail goes: --sink FILE, --maildir FOLDER, --mbox FILE, --print or --relay HOST:PORT',
    );
  }
  return PLACES[given[0]](String(places[given[0]]));
}

function hostAndPort(where: string): [host: string, port: number] {
  const [, host, port] = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(where) ?? [];
  if (host === undefined) throw new Error('--relay HOST:PORT');
  return [host, Number(port)];
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string' },
      port: { type: 'string', default: '2525' },
      size: { type: 'string', default: '10485760' },
      timeout: { type: 'string', default: '300' },
      sink: { type: 'string' },
      maildir: { type: 'string' },
      mbox: { type: 'string' },
      print: { type: 'boolean' },
      relay: { type: 'string' },
      user: { type: 'string' },
      password: { type: 'string' },
      'require-auth': { type: 'boolean', default: false },
      'auth-in-clear': { type: 'boolean', default: false },
      cert: { type: 'string' },
      key: { type: 'string' },
      tls: { type: 'boolean', default: false },
    },
  });
  const [size, patience] = [Number(values.size), Number(values.timeout)];
  if (!(Number.isInteger(size) && size > 0)) throw new Error(`--size must be a number of bytes`);
  if (!(patience > 0)) throw new Error('--timeout must be a number of seconds');
  const { user, password, cert, key } = values;
  if ((user === undefined) !== (password === undefined)) {
    throw new Error('--user and --password go together');
  }
  if ((cert === undefined) !== (key === undefined)) throw new Error('--cert and --key go together');
  const isRequired = values['require-auth'];
  const inClear = values['auth-in-clear'];
  if (isRequired && user === undefined) throw new Error('--require-auth needs --user');
  if (values.tls && cert === undefined) throw new Error('--tls needs --cert and --key');
  const servers = listen(values.host, Number(values.port), deliverTo(values), {
    size,
    patience,
    account: user && password !== undefined ? { user, password, isRequired, inClear } : null,
    tls: cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : null,
    isSecureFromStart: values.tls,
  });
  for (const server of servers) {
    const [host, port] = server.getsockname() as InetAddress;
    console.log(`taking mail on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  }
  await loop();
}
