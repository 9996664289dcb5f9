/** A session: lines in, answers out, and what is known of the client between them. */
import { hostname } from 'node:os';
import { async_chat } from '@asyncore/chat';
import type { Socket } from '@asyncore/socket';
import { type tls_options, with_tls } from '@asyncore/tls';
import { type Account, isSame } from './account.js';
import type { Deliver } from './deliveries.js';
import { addressOf, pathAfter } from './envelope.js';
import { trace } from './trace.js';

const LONGEST_COMMAND = 2048;
/** RFC 4954, 4: without its end. */
const LONGEST_RESPONSE = 12288 - 2;
const MOST_RECIPIENTS = 1000;
const MOST_WRONG_PASSWORDS = 3;
const KEPT = '250 kept';

/** What a session asks of its server. */
export interface Settings {
  /** The most bytes that a mail may have. */
  readonly size: number;
  /** So many seconds a client may be silent. */
  readonly patience: number;
  readonly account: Account | null;
  /** The key and certificate of STARTTLS. */
  readonly tls: tls_options | null;
  readonly isSecureFromStart: boolean;
  readonly deliver: Deliver;
}

export class SMTPHandler extends with_tls(async_chat<Socket>) {
  #settings: Settings;
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

  constructor(sock: Socket, settings: Settings) {
    super(sock);
    this.#settings = settings;
    this.use_encoding = true;
    this.timeout = settings.patience;
    this.#awaitCommand();
    this.ac_out_high_water = 65536;
    this.set_terminator('\r\n');
    if (settings.tls && settings.isSecureFromStart) this.#secure(settings.tls);
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
    this.max_incoming = this.#settings.account ? LONGEST_RESPONSE : LONGEST_COMMAND;
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
    const extensions = [`SIZE ${this.#settings.size}`, '8BITMIME', 'PIPELINING', 'SMTPUTF8'];
    if (this.#settings.tls && !this.#isSecure) extensions.push('STARTTLS');
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
    if (this.#settings.tls === null) return '502 there is no TLS here';
    if (rest !== '') return '501 STARTTLS';
    if (this.#isSecure) return '503 it is TLS already';
    if (this.#sender !== null) return '503 not within a mail';
    this.push('220 go on\r\n');
    this.#secure(this.#settings.tls);
    this.#reset();
    this.#client = '';
    this.#isKnown = false;
    return '';
  }

  // ---- who it is: RFC 4954 ----

  get #mayAuthenticate(): boolean {
    const { account } = this.#settings;
    return account !== null && (this.#isSecure || account.inClear === true);
  }

  #auth(rest: string): string {
    const [, mechanism = '', initial] = /^(\S+)(?: +(\S+))?$/.exec(rest) ?? [];
    if (this.#settings.account === null) return '502 there is nobody to be';
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
    const { account } = this.#settings;
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
    if (this.#settings.account?.isRequired && !this.#isKnown) return '530 say AUTH first';
    if (this.#sender !== null) return '503 one mail at a time';
    if (sender === undefined) return '501 MAIL FROM:<address>';
    let isUtf8 = false;
    for (const parameter of parameters.split(' ').filter(Boolean)) {
      if (/^SMTPUTF8$/i.test(parameter)) {
        isUtf8 = true;
        continue;
      }
      const [, size] = /^SIZE=(\d{1,20})$/i.exec(parameter) ?? [];
      if (Number(size) > this.#settings.size) return '552 the mail is too big';
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
    this.max_incoming = this.#settings.size;
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
    if (this.#size <= this.#settings.size) lines.push(text);
    return '';
  }

  #finish(lines: string[]): string | Promise<string> {
    const [sender, recipients, isUtf8] = [this.#sender ?? '', this.#recipients, this.#isUtf8];
    this.#reset();
    if (this.#size > this.#settings.size) return '552 the mail is too big';
    const body = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
    const text = Buffer.concat([Buffer.from(this.#trace(sender, recipients)), body]);
    const data = Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1');
    const mail = { sender, recipients, text, data, peer: this.#peer, isUtf8 };
    try {
      const answer = this.#settings.deliver(mail);
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

  #trace(sender: string, recipients: string[]): string {
    const address = Array.isArray(this.addr) ? `[${this.#peer}]` : this.#peer;
    return trace(sender, recipients, `${this.#client} (${address})`, this.#protocol);
  }
}

/** What delivery gave, where that is an answer: it may be a function that gives anything else. */
function answerOr(given: unknown): string {
  return typeof given === 'string' && given !== '' ? given : KEPT;
}
