/** The connection to Redis, and the answers and messages that come over it. */
import { async_chat } from '@asyncore/chat';
import { AF_INET, family_of } from '@asyncore/socket';

/** Seconds between two looks whether Redis answers, or can be reached again. */
const BEAT = 2;

/** What it asks of the server, and tells it. */
export interface Listener {
  /** What to listen to. */
  channels(): string[];
  hear(channel: string, message: Buffer): void;
  /** Whether other servers can be reached has changed. */
  reached(others: boolean): void;
}

type Reply = Buffer | Error | null | Reply[];

/** A connection to Redis that is made again when it breaks: https://redis.io/docs/reference/protocol-spec */
export class RedisLink extends async_chat {
  #url: URL;
  #server: Listener;
  #isLinked = false;
  #wasLost = false;
  /** It has answered since the last beat. */
  #isAlive = false;
  /** Who waits for an answer: they come in the order of the commands. */
  #waiting: ((reply: Reply) => void)[] = [];
  /** The arrays being read, each in the one before it. */
  #arrays: { kind: string; length: number; items: Reply[] }[] = [];
  #isBulk = false;

  constructor(url: URL, server: Listener) {
    super();
    this.#url = url;
    this.#server = server;
    this.max_incoming = 1024 * 1024;
    this.ac_out_high_water = 1024 * 1024;
    this.#open();
    setInterval(() => this.#beat(), BEAT * 1000);
  }

  #open(): void {
    const host = this.#url.hostname.replaceAll(/[[\]]/g, '');
    this.#isAlive = false;
    try {
      this.create_socket(family_of(host) ?? AF_INET);
      this.connect([host, Number(this.#url.port || 6379)]);
    } catch (error) {
      this.handle_connect_error(error);
    }
  }

  #beat(): void {
    if (this.fileno() < 0) {
      this.#open();
    } else if (this.#isAlive) {
      this.#isAlive = false;
      this.#ask(['PING'], () => {});
    } else {
      this.#lose('no answer');
    }
  }

  #lose(reason: string): void {
    this.close();
    if (!this.#wasLost) this.log(`Redis: ${reason}; trying again`);
    if (this.#isLinked) this.#server.reached(false);
    this.#isLinked = false;
    this.#wasLost = true;
  }

  handle_connect_error(error: unknown) {
    this.#lose((error as Error).message);
  }

  handle_close() {
    this.#lose('the connection was closed');
  }

  handle_connect() {
    const { username, password } = this.#url;
    const user = decodeURIComponent(username || 'default');
    this.#waiting = [];
    this.#arrays = [];
    this.#isBulk = false;
    this.incoming = [];
    this.set_terminator('\r\n');
    const login = password ? ['AUTH', user, decodeURIComponent(password)] : [];
    this.#ask(['HELLO', '3', ...login], () => {
      this.#isLinked = true;
      this.command('SUBSCRIBE', ...this.#server.channels());
      if (this.#wasLost) this.#server.reached(true);
      this.#wasLost = false;
    });
  }

  publish(channel: string, message: string): void {
    if (this.#isLinked) this.#ask(['PUBLISH', channel, message], () => {});
  }

  /** Asks which channels are listened to, of those that begin so. False if it cannot. */
  channels(prefix: string, answer: (channels: string[]) => void): boolean {
    if (!this.#isLinked) return false;
    this.#ask(['PUBSUB', 'CHANNELS', `${prefix}*`], (reply) => {
      answer((reply as Reply[]).map(String));
    });
    return true;
  }

  /** For commands that are answered by messages, if at all. Others go through #ask. */
  command(...args: string[]): void {
    if (!this.connected) return;
    const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
    const keepsUp = this.push(Buffer.from(`*${args.length}\r\n${parts.join('')}`));
    if (!keepsUp) this.#lose('it does not keep up');
  }

  #ask(args: string[], answer: (reply: Reply) => void): void {
    this.#waiting.push(answer);
    this.command(...args);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const data = this._get_data();
    const text = data.toString();
    const [kind, rest] = [text[0], text.slice(1)];
    if (this.#isBulk) {
      this.#isBulk = false;
      this.set_terminator('\r\n');
      this.#value(data.subarray(0, -2));
    } else if (kind === '$' && rest !== '-1') {
      this.#isBulk = true;
      this.set_terminator(Number(rest) + 2);
    } else if (/[*>%]/.test(kind)) {
      this.#arrays.push({ kind, length: Number(rest) * (kind === '%' ? 2 : 1), items: [] });
      this.#endArrays();
    } else {
      this.#value(kind === '-' ? new Error(rest) : data.subarray(1));
    }
  }

  #value(value: Reply): void {
    const array = this.#arrays.at(-1);
    if (array === undefined) {
      this.#reply(value);
    } else {
      array.items.push(value);
      this.#endArrays();
    }
  }

  #endArrays(): void {
    const array = this.#arrays.at(-1);
    if (array === undefined || array.items.length < array.length) return;
    this.#arrays.pop();
    if (array.kind === '>') this.#message(array.items);
    else this.#value(array.items);
  }

  #reply(reply: Reply): void {
    if (reply instanceof Error) this.#lose(reply.message);
    else this.#waiting.shift()?.(reply);
    this.#isAlive = true;
  }

  #message([kind, channel, message]: Reply[]): void {
    if (String(kind) === 'message') this.#server.hear(String(channel), message as Buffer);
  }
}

export function linkTo(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'redis:' || url.hostname === '') {
    throw new Error('--redis must be like redis://127.0.0.1:6379');
  }
  return url;
}
