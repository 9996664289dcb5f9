import { async_chat } from '@asyncore/chat';
import {
  type Address,
  type InetAddress,
  SO_OOBINLINE,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';
import { type tls_options, with_tls } from '@asyncore/tls';
import type { Command } from './command.js';
import { commands } from './commands.js';
import { DataPort } from './data_port.js';
import { FACTS, type Fact } from './listing.js';
import { refusal } from './replies.js';
import { withoutTelnet, withTelnet } from './telnet.js';
import { BROKEN, type Transfer } from './transfer.js';

/** A path has 4096 bytes at most, of which any may be doubled. */
const LONGEST_LINE = 8300;
/** So many commands may wait for a transfer to end. Then nothing more is parsed. */
const MOST_WAITING = 64;
/** What is answered while a transfer runs. All else waits, so that the answers come in order. */
const AT_ONCE = ['ABOR', 'STAT'];

/** Who may log in. */
export interface Account {
  user: string;
  password: string;
}

/** What holds for all sessions. */
export interface FTPSettings {
  /** The folder that is served, as `rootOf` gives it. */
  root: string;
  /** Null for anybody, who calls himself anonymous and may change nothing. */
  account: Account | null;
  /** The key and certificate, of AUTH TLS. The data connections have the same, so that sessions resume. */
  tls: tls_options | null;
  isSecureFromStart: boolean;
  /** Neither a password nor data in the clear. */
  requiresTls: boolean;
  /** So many seconds a client may be silent, and a transfer stand still. */
  patience: number;
  /** In seconds: so long anybody may take to log in. */
  loginTime: number;
  /** In seconds: so long a passive port waits for its client. */
  passiveTime: number;
}

/** A session: commands in lines, and what they leave behind. */
export class FTPHandler extends with_tls(async_chat<Socket>) {
  readonly settings: FTPSettings;
  readonly port: DataPort;
  /** The addresses of both ends. A client that has gone is not asked again. */
  readonly here: InetAddress;
  readonly peer: InetAddress;
  /** What USER said; null before it. */
  user: string | null = null;
  isKnown = false;
  wrongPasswords = 0;
  folder = '/';
  isText = true;
  /** What REST said, in bytes. */
  restart = 0;
  /** What RNFR said. */
  renamed: string | null = null;
  /** EPSV ALL was said. */
  isExtendedOnly = false;
  facts: readonly Fact[] = FACTS;
  isSecure = false;
  /** PBSZ was said; PROT P. */
  hasBufferSize = false;
  isPrivate = false;
  transfer: Transfer | null = null;
  /** Commands that wait for the transfer's end. */
  #waiting: string[] = [];
  #resume: (() => void) | null = null;

  constructor(sock: Socket, address: Address, settings: FTPSettings) {
    super(sock);
    this.settings = settings;
    this.addr = address;
    this.peer = address as InetAddress; // the listener has no other kind
    this.here = sock.getsockname() as InetAddress;
    this.port = new DataPort(settings.passiveTime, () => ({
      patience: settings.patience,
      tls: this.isPrivate ? settings.tls : null,
    }));
    this.use_encoding = true;
    this.timeout = settings.patience;
    this.max_incoming = LONGEST_LINE;
    this.ac_out_high_water = 65536;
    this.set_terminator('\r\n');
    // The urgent byte of ABOR's Telnet signal belongs to the line: read elsewhere, it would be missing.
    if (SO_OOBINLINE !== undefined) this.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1);
    if (settings.tls && settings.isSecureFromStart) this.secure(settings.tls);
    this.call_later(
      settings.loginTime,
      () => this.isKnown || this.leave('421 nobody has logged in'),
    );
    this.reply('220 files');
  }

  // ---- what comes ----

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator(): void | Promise<void> {
    const line = withoutTelnet(this._get_data().toString('latin1'));
    if (this.closing) return;
    if (this.transfer === null || AT_ONCE.includes(verbOf(line))) {
      this.#obey(line);
      return;
    }
    this.#waiting.push(line);
    if (this.#waiting.length < MOST_WAITING) return;
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  handle_overflow() {
    this.reply('500 the line is too long');
  }

  /** The urgent byte is in the line. */
  handle_expt() {}

  handle_timeout() {
    // The second time what we said last was not read.
    if (this.closing) super.handle_timeout();
    else if (this.transfer === null) this.leave('421 nothing was said for too long');
  }

  /** It is closed then. Many clients end without close_notify, which cuts no command short. */
  handle_tls_error(error: unknown) {
    const { code } = Object(error) as NodeJS.ErrnoException;
    if (code !== 'ERR_TLS_NO_CLOSE_NOTIFY') this.log_info(`TLS with ${this.peer[0]}: ${error}`);
  }

  close() {
    super.close();
    this.#waiting = [];
    this.port.close();
    this.transfer?.end(BROKEN); // nobody is there to be told
  }

  // ---- commands ----

  #obey(line: string): void {
    try {
      const answer = this.#answer(line);
      if (answer) this.reply(answer);
    } catch (error) {
      const answer = refusal(error);
      if (answer === null) throw error;
      this.reply(answer);
    }
  }

  /** What to answer; nothing where that comes later. */
  #answer(line: string): string | undefined {
    const verb = verbOf(line);
    const argument = line.slice(verb.length + 1);
    const command: Command | undefined = commands[verb];
    if (verb !== 'RNTO') this.renamed = null;
    if (command === undefined) return '500 no such command';
    if (/[\0\r\n]/.test(line)) return '501 a line end or a NUL is in the line';
    if (command.argument === 'one' && argument === '') return `501 ${verb} of what?`;
    if (command.argument === 'none' && argument.trim() !== '') return `501 ${verb} stands alone`;
    if (!command.isOpen && !this.isKnown) return '530 say USER and PASS first';
    if (command.writes && this.settings.account === null) return '550 nothing can be changed here';
    return command.run(this, argument);
  }

  // ---- for commands ----

  reply(text: string): void {
    if (this.connected && !this.closing) this.push(`${withTelnet(text)}\r\n`);
  }

  /** Says so, and ends. */
  leave(text: string): void {
    this.reply(text);
    this.close_when_done();
  }

  /** It speaks TLS from here on, and everything is as at the start. */
  secure(options: tls_options): void {
    this.start_tls(options); // what came in the clear behind AUTH is dropped
    this.#waiting = []; // here too
    this.isSecure = true;
    this.isKnown = false;
    this.user = null;
    this.port.close();
  }

  /** From now on, and not for a connection that is there already: it would be of the other kind. */
  protect(isPrivate: boolean): void {
    this.isPrivate = isPrivate;
    this.port.close();
  }

  /** Waits for the client's data connection; gives where. */
  listen(): InetAddress {
    return this.port.listen(this.here, this.peer);
  }

  /** The transfer begins when there is a connection for it. */
  start(transfer: Transfer): void {
    this.transfer = transfer;
    this.reply(`150 ${this.isText ? 'text' : 'bytes'} over a data connection`);
    this.port.use(transfer);
  }

  /** Of a transfer, once: the commands that have waited for its end come next. */
  ended(answer: string): void {
    this.transfer = null;
    this.reply(answer);
    this.#goOn();
  }

  #goOn(): void {
    while (this.transfer === null && !this.closing) {
      const line = this.#waiting.shift();
      if (line === undefined) break;
      this.#obey(line);
    }
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#resume?.();
    this.#resume = null;
  }
}

function verbOf(line: string): string {
  const [verb] = /^[a-z]*/i.exec(line) ?? [];
  return verb === undefined ? '' : verb.toUpperCase();
}
