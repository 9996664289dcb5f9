/** Passes mail on to another server, as PureProxy of Python's smtpd: a client, one for each mail. */
import { async_chat } from '@asyncore/chat';
import { type Deliver, type Mail, withPeer } from './deliveries.js';

/** In seconds: so long the other server may be silent. */
const PATIENCE = 60;
const LONGEST_LINE = 2048;
const UNREACHABLE = '451 the next server does not answer';

/**
 * The next server's answer to the mail becomes that to the client, so that nothing is lost: what it
 * refuses is refused. The header gets an X-Peer.
 */
export function relayTo(host: string, port: number): Deliver {
  return (mail) => new Promise((resolve) => void new RelayClient([host, port], mail, resolve));
}

/** What was said, and what is to come for it. */
type Step = (code: number, lines: string[]) => void;

class RelayClient extends async_chat {
  #mail: Mail;
  #done: (answer: string) => void;
  /** Of the answer that is coming, which may have several lines. */
  #lines: string[] = [];
  #step: Step;
  #left: string[];
  #accepted = 0;
  /** The last refusal of a recipient. */
  #refusal = '';

  constructor(where: [host: string, port: number], mail: Mail, done: (answer: string) => void) {
    super();
    this.#mail = mail;
    this.#done = done;
    this.#left = [...mail.recipients];
    this.#step = () => this.#say('EHLO localhost', this.#greeted);
    this.use_encoding = true;
    this.encoding = 'utf8';
    this.timeout = PATIENCE;
    this.max_incoming = LONGEST_LINE;
    this.set_terminator('\r\n');
    this.create_connection(where);
  }

  handle_connect() {}

  handle_connect_error() {
    this.#end(UNREACHABLE);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const line = this._get_data().toString();
    this.#lines.push(line);
    if (/^\d{3}-/.test(line)) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#step(Number(line.slice(0, 3)), lines);
  }

  handle_error() {
    this.#end(UNREACHABLE);
  }

  handle_close() {
    this.#end(UNREACHABLE);
  }

  #end(answer: string): void {
    this.#done(answer); // the first one counts
    this.close();
  }

  #say(text: string, next: Step): void {
    this.#step = next;
    this.push(`${text}\r\n`);
  }

  #greeted: Step = (code, lines) => {
    const { sender, isUtf8 } = this.#mail;
    const knowsUtf8 = lines.some((line) => /^250.SMTPUTF8$/i.test(line));
    if (code === 250 && (knowsUtf8 || !isUtf8)) {
      this.#say(`MAIL FROM:<${sender}>${isUtf8 ? ' SMTPUTF8' : ''}`, this.#sent);
    } else if (code === 250) this.#end('550 the next server does not take UTF-8');
    else if (code >= 500) this.#say('HELO localhost', this.#helo);
    else this.#end(UNREACHABLE);
  };

  #helo: Step = (code) => {
    if (code !== 250) this.#end(UNREACHABLE);
    else if (this.#mail.isUtf8) this.#end('550 the next server does not take UTF-8');
    else this.#say(`MAIL FROM:<${this.#mail.sender}>`, this.#sent);
  };

  #sent: Step = (code, lines) => {
    if (code === 250) this.#next();
    else this.#end(refusal(lines));
  };

  /** The next recipient; behind the last one the mail. */
  #next(): void {
    const recipient = this.#left.shift();
    if (recipient !== undefined) this.#say(`RCPT TO:<${recipient}>`, this.#named);
    else if (this.#accepted > 0) this.#say('DATA', this.#begun);
    else this.#end(this.#refusal);
  }

  #named: Step = (code, lines) => {
    if (code === 250 || code === 251) this.#accepted += 1;
    else {
      this.#refusal = refusal(lines);
      this.log_info(`one recipient was refused: ${this.#refusal}`);
    }
    this.#next();
  };

  #begun: Step = (code, lines) => {
    if (code !== 354) {
      this.#end(refusal(lines));
      return;
    }
    const text = withPeer(this.#mail.data, this.#mail.peer).map((line) => {
      return `${line.startsWith('.') ? '.' : ''}${line}\r\n`;
    });
    this.#step = this.#over;
    this.push(Buffer.from(`${text.join('')}.\r\n`, 'latin1'));
  };

  #over: Step = (code, lines) => {
    this.#done(code === 250 ? '250 passed on' : refusal(lines));
    this.push('QUIT\r\n');
    this.close_when_done();
  };
}

/** As it was said, in one line, if it is a refusal. */
function refusal(lines: string[]): string {
  const text = lines.at(-1) ?? '';
  return /^[45]\d\d [ -~]*$/.test(text) ? text : UNREACHABLE;
}
