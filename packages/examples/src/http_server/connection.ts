/** A connection: requests in, their answers out, one after the other. */
import { closeSync } from 'node:fs';
import { async_chat, file_producer } from '@asyncore/chat';
import { SHUT_WR, type Socket } from '@asyncore/socket';
import { type Answer, plain } from './answer.js';
import { PIECE } from './file_answer.js';
import { REASONS, Refusal } from './refusal.js';
import { type Request, requestOf, UNCLEAN } from './request.js';
import { answerTo } from './resource.js';

/** In bytes. */
const LONGEST_HEAD = 16 * 1024;

/** What a connection asks of its server. */
export interface Site {
  readonly root: string;
  /** How long a client may take for a request, or rest between two, in seconds. */
  readonly patience: number;
  log_request(client: HTTPHandler, head: string, status: number, length?: number): void;
}

export class HTTPHandler extends async_chat {
  #site: Site;
  #head = '';
  /** Whose body is being received. */
  #request: Request | null = null;
  /** What is still to be pushed of an answer, and the file it comes from. */
  #body: Iterator<Uint8Array | file_producer> | null = null;
  /** A file is on its way. Its end settles the promise, and until then no further request is looked at. */
  #file: { sent: Promise<void>; end: () => void } | null = null;
  #fd: number | undefined;
  #keepAlive = true;
  /** The last answer was pushed. */
  #leaving = false;
  /**
   * Starts again when a request begins, when its answer begins, and when the client takes some of an
   * answer. Unlike `timeout` it goes on while a request comes byte by byte and never ends.
   */
  #timer: NodeJS.Timeout;

  constructor(sock: Socket, site: Site) {
    super(sock);
    this.#site = site;
    this.#timer = setTimeout(() => this.#timeIsUp(), site.patience * 1000);
    this.use_encoding = true;
    this.ac_out_high_water = PIECE / 2;
    this.max_incoming = LONGEST_HEAD;
    this.set_terminator('\r\n\r\n');
  }

  collect_incoming_data(data: Buffer) {
    if (this.#leaving || this.#request !== null) return; // nobody here wants a body
    if (this.#head === '') this.#timer.refresh();
    const text = data.toString('latin1');
    this.#head += text;
    // Looked for at once, since a client whose lines end in '\n' alone never ends its head.
    if (UNCLEAN.test(text)) this.#refuse(400);
  }

  found_terminator(): Promise<void> | undefined {
    if (this.#leaving) return undefined;
    try {
      const request = this.#request ?? requestOf(this.#head);
      if (this.#request === null && request.length > 0) this.#receiveBody(request);
      else this.#respond(request);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(error.status);
    }
    return this.#file?.sent;
  }

  handle_overflow() {
    if (!this.#leaving) this.#refuse(431);
  }

  #timeIsUp(): void {
    if (this.#head !== '') this.#refuse(408);
    else this.close();
  }

  #receiveBody(request: Request): void {
    this.#request = request;
    this.max_incoming = 0;
    this.set_terminator(request.length);
    if (request.fields.get('expect')?.toLowerCase() === '100-continue') {
      this.push('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  #respond(request: Request): void {
    if (this.#request !== null) {
      this.#request = null;
      this.max_incoming = LONGEST_HEAD;
      this.set_terminator('\r\n\r\n');
    }
    this.#keepAlive = request.keepAlive;
    this.#answer(answerTo(request, this.#site.root), request.method === 'HEAD');
  }

  /** Answers a request that cannot be understood, and closes: nor could what comes after it. */
  #refuse(status: number): void {
    this.#keepAlive = false;
    this.#answer(plain(status));
  }

  #answer({ status, fields = '', length, body = [], fd }: Answer, headOnly = false): void {
    this.#site.log_request(this, this.#head, status, length);
    this.#head = '';
    this.push(
      `HTTP/1.1 ${status} ${REASONS[status]}\r\nDate: ${now()}\r\n${fields}` +
        (length === undefined ? '' : `Content-Length: ${length}\r\n`) +
        `Connection: ${this.#keepAlive ? 'keep-alive' : 'close'}\r\n\r\n`,
    );
    this.#fd = fd;
    this.#body = (headOnly ? [] : body)[Symbol.iterator]();
    this.#pushBody();
  }

  #pushBody(): void {
    if (this.#body === null) return;
    for (;;) {
      const { done, value } = this.#body.next();
      if (done) break;
      if (value instanceof file_producer) {
        this.#pushFile(value);
        return;
      }
      if (!this.push(value)) return;
    }
    this.#closeFile();
    if (!this.#keepAlive) this.#leaving = true;
  }

  #pushFile(file: file_producer): void {
    if (this.#file === null) {
      let end = () => {};
      const sent = new Promise<void>((resolve) => {
        end = resolve;
      });
      this.#file = { sent, end };
    }
    this.push_with_producer(file);
    this.push_with_producer(this.#behindFile());
  }

  /** A producer of nothing. Its turn comes when the file before it has been sent. */
  #behindFile() {
    let isSent = false;
    return {
      more: () => {
        isSent = true;
        this.#pushBody();
        return '';
      },
      /** The client has gone: what it asked for besides is not looked at any more. */
      return: () => {
        if (isSent) return;
        this.#leaving = true;
        this.#closeFile();
      },
    };
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#body = null;
    this.#file?.end();
    this.#file = null;
  }

  handle_drain() {
    if (this.#file === null) this.#pushBody();
    this.#leave();
  }

  initiate_send() {
    super.initiate_send();
    this.#timer.refresh();
    this.#leave();
  }

  /**
   * Ends our half of the connection when all is sent. The other half is read to its end and thrown
   * away, for to close before would reset the connection, and the client could lose the answer.
   */
  #leave(): void {
    if (!this.#leaving || this.writable()) return;
    try {
      this.shutdown(SHUT_WR);
    } catch {
      this.close(); // the client has gone
    }
  }

  close() {
    this.#leaving = false;
    clearTimeout(this.#timer);
    super.close(); // which sends what the kernel takes, of the file too
    this.#closeFile();
  }
}

let second = 0;
let date = '';

/** The time as HTTP has it. */
function now(): string {
  const time = Math.floor(Date.now() / 1000);
  if (time !== second) {
    second = time;
    date = new Date(time * 1000).toUTCString();
  }
  return date;
}
