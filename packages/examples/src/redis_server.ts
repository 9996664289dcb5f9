/**
 * A Redis server: strings that may expire, all in memory, for redis-cli and redis-benchmark.
 *
 *     redis_server [--host 127.0.0.1] [--port 6379]
 *
 * Clients send many requests without waiting for answers, so one chunk of input may hold hundreds.
 * Without a terminator, async_chat hands on chunks as they come, and the requests that are whole are
 * parsed where they lie. What is cut off at the end of a chunk is awaited with a terminator: a line
 * with '\n', a bulk string, however long, with the number of bytes that it lacks. Answers are pushed
 * one by one, and leave together. Try it with: redis-cli SET greeting hello EX 60
 */
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';

// Redis's own limits, in bytes; and as many arguments as it took before version 7.
const LONGEST_LINE = 64 * 1024;
const LONGEST_BULK = 512 * 1024 * 1024;
const LONGEST_REQUEST = 1024 * 1024 * 1024;
const MOST_ARGUMENTS = 1024 * 1024;

/** In bytes. A key may have to be compared with all of a pattern at each of its characters. */
const LONGEST_PATTERN = 256;

/** Longer bulk strings are received into memory of their own. */
const LONG = 64 * 1024;

/** What is wrong with a request, for whoever sent it. */
class Refusal extends Error {}

/** Bytes, as a latin1 string unless they are many: strings cost less than Buffers, here. */
type Bytes = string | Buffer;

function textOf(bytes: Bytes): string {
  return typeof bytes === 'string' ? bytes : bytes.toString('latin1');
}

/** A copy of a part of the input. A slice of a string would keep the whole chunk in memory. */
function copyOf<T extends Bytes>(bytes: T): T {
  return (typeof bytes === 'string' ? ` ${bytes}`.slice(1) : bytes) as T;
}

// ---- what is stored ----

interface Entry {
  value: Bytes;
  /** When it expires, in milliseconds since 1970. */
  deadline: number;
}

const database = new Map<string, Entry>();

function find(key: string): Entry | undefined {
  const entry = database.get(key);
  if (entry === undefined || entry.deadline === Infinity || entry.deadline > Date.now()) {
    return entry;
  }
  database.delete(key);
  return undefined;
}

function store(key: string, value: Bytes, deadline: number): void {
  const entry = database.get(key);
  if (entry === undefined) {
    database.set(copyOf(key), { value: copyOf(value), deadline });
  } else {
    entry.value = copyOf(value);
    entry.deadline = deadline;
  }
}

// ---- the protocol ----

export class RedisHandler extends async_chat {
  #args: Bytes[] = [];
  /** How many arguments of the request have come, how many it has, and their bytes. */
  #given = 0;
  #count = 0;
  #size = 0;
  /** What was cut off at the end of a chunk: a line, a bulk string with the line before it … */
  #cut = '';
  /** … or a long bulk string, and how much of it has come. */
  #long: Buffer | null = null;
  #filled = 0;

  constructor(sock: Socket) {
    super(sock);
    this.use_encoding = true; // latin1: a character is a byte
    this.ac_out_high_water = 1024 * 1024;
  }

  collect_incoming_data(data: Buffer) {
    if (this.closing) return;
    if (this.#long !== null) this.#filled += data.copy(this.#long, this.#filled);
    else if (this.get_terminator() === null) this.#parse(data.toString('latin1'));
    else this.#cut += data.toString('latin1');
  }

  #parse(text: string): void {
    let at = 0;
    while (at < text.length && !this.closing) {
      const next = text.indexOf('\n', at) + 1;
      if (next === 0) {
        this.#awaitLine(text.slice(at));
        return;
      }
      if (this.#count > 0) {
        at = this.#bulk(text, at, next);
      } else {
        if (text[at] === '*') this.#begin(numberIn(text, at, next));
        else this.#inline(text.slice(at, next));
        at = next;
      }
    }
  }

  #begin(count: number): void {
    if (!(count <= MOST_ARGUMENTS)) {
      this.#refuse('invalid multibulk length');
    } else if (count > 0) {
      this.#count = count;
      this.#args = new Array(Math.min(count, 100)); // growing an array costs more than filling it
    }
  }

  /** Takes the bulk string whose line is at `at`, and gives the place behind it. */
  #bulk(text: string, at: number, start: number): number {
    const length = numberIn(text, at, start);
    const end = start + length;
    if (text[at] !== '$') this.#refuse(`expected '$', got '${text[at]}'`);
    else if (!(length >= 0 && length <= LONGEST_BULK)) this.#refuse('invalid bulk length');
    else if (end + 2 <= text.length) this.#argument(text.slice(start, end));
    else if (length <= LONG) this.#awaitRest(text.slice(at), end + 2 - text.length);
    else this.#awaitLong(text.slice(start), length);
    return end + 2;
  }

  #awaitLine(cut: string): void {
    this.#cut = cut;
    this.max_incoming = LONGEST_LINE - cut.length;
    if (this.max_incoming > 0) this.set_terminator('\n');
    else this.handle_overflow();
  }

  #awaitRest(cut: string, missing: number): void {
    this.#cut = cut;
    this.set_terminator(missing);
  }

  #awaitLong(cut: string, length: number): void {
    this.#long = Buffer.allocUnsafeSlow(length + 2);
    this.#filled = this.#long.write(cut, 'latin1');
    this.set_terminator(length + 2 - this.#filled);
  }

  found_terminator() {
    const { max_incoming } = this;
    this.max_incoming = 0;
    this.set_terminator(null);
    if (this.#long !== null) {
      this.#argument(this.#long.subarray(0, -2));
      this.#long = null;
    } else {
      this.#parse(max_incoming > 0 ? `${this.#cut}\n` : this.#cut);
    }
  }

  handle_overflow() {
    const count = this.#cut.startsWith('*') ? 'mbulk count string' : 'inline request';
    this.#refuse(`too big ${this.#count > 0 ? 'bulk count string' : count}`);
  }

  #argument(bytes: Bytes): void {
    this.#args[this.#given++] = bytes;
    this.#size += bytes.length;
    if (this.#size > LONGEST_REQUEST) {
      this.close();
    } else if (this.#given === this.#count) {
      this.#given = this.#count = this.#size = 0;
      this.#execute(this.#args);
    }
  }

  #inline(line: string): void {
    const args = words(line);
    if (args === null) this.#refuse('unbalanced quotes in request');
    else if (args.length > 0) this.#execute(args);
  }

  #execute(args: Bytes[]): void {
    const name = textOf(args[0]);
    const command = commands.get(name) ?? commands.get(name.toUpperCase());
    try {
      if (command === undefined) throw new Refusal(unknown(name, args));
      const [least, most, run] = command;
      if (args.length < least || args.length > most) throw new Refusal(wrongCount(name));
      run(this, args);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.error(error.message);
    }
  }

  #refuse(reason: string): void {
    this.error(`Protocol error: ${reason}`);
    this.close_when_done();
  }

  // ---- answers ----

  status(text: string) {
    this.push(`+${text}\r\n`);
  }

  error(text: string) {
    this.push(`-ERR ${text.replaceAll(/[\r\n]/g, ' ')}\r\n`);
  }

  integer(number: number | bigint) {
    this.push(`:${number}\r\n`);
  }

  bulk(bytes: Bytes | undefined) {
    if (bytes === undefined) {
      this.push('$-1\r\n');
    } else if (typeof bytes === 'string') {
      this.push(`$${bytes.length}\r\n${bytes}\r\n`);
    } else {
      this.push(`$${bytes.length}\r\n`);
      this.push(bytes);
      this.push('\r\n');
    }
  }

  array(items: Bytes[]) {
    this.push(`*${items.length}\r\n`);
    for (const item of items) this.bulk(item);
  }
}

/** The number in a line like '*3\r\n', that at `at` and before `next`; NaN if it is none. */
function numberIn(text: string, at: number, next: number): number {
  let number = 0;
  for (let i = at + 1; i < next - 2; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9) || (number === 0 && i > at + 1)) {
      return /^.-[1-9]\d*\r$/s.test(text.slice(at, next - 1)) ? -1 : Number.NaN;
    }
    number = number * 10 + digit;
  }
  return next - at > 3 && text[next - 2] === '\r' ? number : Number.NaN;
}

/** The words of an inline request, which may be quoted; null where a quotation does not end. */
function words(line: string): string[] | null {
  const word =
    /[\t-\r ]*(?![\t-\r ])([^\t-\r "']*)(?:"((?:\\.|[^\\"])*)"|'((?:\\'|[^'])*)')?(?=[\t-\r ])/sy;
  const found: string[] = [];
  let end = line.length; // without the spaces, which /[\t-\r ]*$/ would look for far too often
  while (end > 0 && /[\t-\r ]/.test(line[end - 1])) end -= 1;
  while (word.lastIndex < end) {
    const match = word.exec(line);
    if (match === null) return null;
    const [, plain, double = '', single = ''] = match;
    found.push(plain + double.replaceAll(ESCAPE, unescaped) + single.replaceAll("\\'", "'"));
  }
  return found;
}

const ESCAPE = /\\(?:x([0-9a-f]{2})|(.))/gis;
const ESCAPED: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };

function unescaped(_: string, code: string | undefined, letter: string): string {
  return code === undefined
    ? (ESCAPED[letter] ?? letter)
    : String.fromCharCode(Number.parseInt(code, 16));
}

// ---- the commands ----

/** The least and the most words of a request, the command's name included, and what it does. */
type Command = [least: number, most: number, run: (client: RedisHandler, args: Bytes[]) => void];

const commands = new Map<string, Command>([
  ['PING', [1, 2, ping]],
  ['ECHO', [2, 2, (client, [, text]) => client.bulk(text)]],
  ['SET', [3, Infinity, set]],
  ['GET', [2, 2, (client, [, key]) => client.bulk(find(textOf(key))?.value)]],
  ['DEL', [2, Infinity, remove]],
  ['EXISTS', [2, Infinity, exists]],
  ['INCR', [2, 2, increment]],
  ['EXPIRE', [3, 3, expire]],
  ['TTL', [2, 2, timeToLive]],
  ['KEYS', [2, 2, keys]],
  ['FLUSHALL', [1, Infinity, flush]],
  ['QUIT', [1, Infinity, quit]],
  ['COMMAND', [1, Infinity, describe]],
  ['CONFIG', [2, Infinity, configure]],
  ['INFO', [1, Infinity, inform]],
  // How requests of HTTP begin: some page has made its reader's browser, or a proxy, send this.
  ['POST', [1, Infinity, drop]],
  ['HOST:', [1, Infinity, drop]],
]);

function ping(client: RedisHandler, [, text]: Bytes[]): void {
  if (text === undefined) client.status('PONG');
  else client.bulk(text);
}

function set(client: RedisHandler, args: Bytes[]): void {
  const key = textOf(args[1]);
  let deadline = Infinity;
  let condition = '';
  for (let i = 3; i < args.length; i++) {
    const option = textOf(args[i]).toUpperCase();
    if (condition === '' && (option === 'NX' || option === 'XX')) {
      condition = option;
    } else if (deadline === Infinity && /^[EP]X$/.test(option) && i + 1 < args.length) {
      i += 1;
      deadline = deadlineIn(args[i], option === 'EX' ? 1000 : 1, 'set');
    } else {
      throw new Refusal('syntax error');
    }
  }
  if (condition !== '' && (condition === 'XX') !== (find(key) !== undefined)) {
    client.bulk(undefined);
  } else {
    store(key, args[2], deadline);
    client.status('OK');
  }
}

function remove(client: RedisHandler, args: Bytes[]): void {
  const found = args
    .slice(1)
    .map(textOf)
    .filter((key) => find(key) && database.delete(key));
  client.integer(found.length);
}

function exists(client: RedisHandler, args: Bytes[]): void {
  client.integer(args.slice(1).filter((key) => find(textOf(key))).length);
}

function increment(client: RedisHandler, [, key]: Bytes[]): void {
  const entry = find(textOf(key));
  const number = integerOf(entry?.value ?? '0') + 1n;
  if (number === 2n ** 63n) throw new Refusal('increment or decrement would overflow');
  store(textOf(key), `${number}`, entry?.deadline ?? Infinity);
  client.integer(number);
}

function expire(client: RedisHandler, [, key, seconds]: Bytes[]): void {
  const deadline = deadlineIn(seconds, 1000, 'expire');
  const entry = find(textOf(key));
  if (entry !== undefined) entry.deadline = deadline;
  client.integer(entry === undefined ? 0 : 1);
}

function timeToLive(client: RedisHandler, [, key]: Bytes[]): void {
  const entry = find(textOf(key));
  if (entry === undefined) client.integer(-2);
  else if (entry.deadline === Infinity) client.integer(-1);
  else client.integer(Math.round((entry.deadline - Date.now()) / 1000));
}

function keys(client: RedisHandler, [, pattern]: Bytes[]): void {
  const fits = glob(textOf(pattern));
  client.array([...database.keys()].filter((key) => fits(key) && find(key)));
}

function flush(client: RedisHandler, [, how = 'SYNC', ...more]: Bytes[]): void {
  if (!/^a?sync$/i.test(textOf(how)) || more.length > 0) throw new Refusal('syntax error');
  database.clear();
  client.status('OK');
}

function quit(client: RedisHandler): void {
  client.status('OK');
  client.close_when_done();
}

function drop(client: RedisHandler): void {
  client.discard_buffers();
  client.close_when_done();
}

/** redis-cli asks for all commands as it starts, and can do without an answer. */
function describe(client: RedisHandler, [, what = '']: Bytes[]): void {
  if (/^count$/i.test(textOf(what))) client.integer(commands.size);
  else client.array([]);
}

const settings = new Map([
  ['save', ''],
  ['appendonly', 'no'],
]);

/** As far as redis-benchmark asks. */
function configure(client: RedisHandler, [, what, ...patterns]: Bytes[]): void {
  if (!/^get$/i.test(textOf(what))) {
    throw new Refusal(`unknown subcommand '${textOf(what)}'. Try CONFIG HELP.`);
  }
  const fit = patterns.map((pattern) => glob(textOf(pattern)));
  client.array([...settings].filter(([name]) => fit.some((fits) => fits(name))).flat());
}

function inform(client: RedisHandler): void {
  client.bulk(`# Server\r\nredis_version:7.0.0\r\n# Keyspace\r\ndb0:keys=${database.size}\r\n`);
}

/** A 64-bit integer. */
function integerOf(bytes: Bytes): bigint {
  const text = textOf(bytes);
  const number = /^(0|-?[1-9]\d{0,18})$/.test(text) ? BigInt(text) : 2n ** 64n;
  if (number === BigInt.asIntN(64, number)) return number;
  throw new Refusal('value is not an integer or out of range');
}

function deadlineIn(time: Bytes, unit: number, command: string): number {
  const number = Number(integerOf(time));
  const deadline = Date.now() + number * unit;
  const isPast = command === 'set' && number <= 0;
  if (!isPast && Math.abs(deadline) < 2 ** 63) return deadline;
  throw new Refusal(`invalid expire time in '${command}' command`);
}

function unknown(name: string, args: Bytes[]): string {
  let shown = '';
  for (let i = 1; i < args.length && shown.length < 128; i++) {
    shown += `'${textOf(args[i]).slice(0, 128 - shown.length)}' `;
  }
  return `unknown command '${name.slice(0, 128)}', with args beginning with: ${shown}`;
}

function wrongCount(name: string): string {
  return `wrong number of arguments for '${name.toLowerCase()}' command`;
}

/** Whether a key fits a pattern of *, ?, [a-z], [^a] and \\x, in time in proportion to both lengths. */
function glob(pattern: string): (key: string) => boolean {
  if (pattern.length > LONGEST_PATTERN) throw new Refusal('the pattern is too long');
  const tokens = (pattern.match(/\[\^?(?:\\.|[^\\\]])*\]?|\\.|./gs) ?? []).map(charTest);
  return (key) => {
    let [token, star, mark] = [0, -1, 0];
    for (let at = 0; at < key.length; ) {
      if (tokens[token] === '*') {
        star = token++;
        mark = at;
      } else if (token < tokens.length && (tokens[token] as CharTest)(key[at])) {
        token++;
        at++;
      } else if (star >= 0) {
        token = star + 1;
        at = ++mark;
      } else {
        return false;
      }
    }
    return tokens.slice(token).every((rest) => rest === '*');
  };
}

type CharTest = (char: string) => boolean;

function charTest(token: string): CharTest | '*' {
  if (token === '*') return '*';
  if (token === '?') return () => true;
  if (!token.startsWith('[')) return (char) => char === token.at(-1);
  const [, not, body] = /^\[(\^?)(.*?)\]?$/s.exec(token) ?? [];
  const ranges = [...body.matchAll(/\\?(.)(?:-\\?(.))?/gs)].map(([, a, b = a]) => [a, b].sort());
  return (char) => ranges.some(([from, to]) => from <= char && char <= to) !== (not === '^');
}

// ---- the server ----

export class RedisServer extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_server([host, port]);
    this.set_keep_alive({ idle: 300 }); // for all connections, as Redis has it
  }

  handle_accepted(sock: Socket) {
    new RedisHandler(sock);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '6379' },
    },
  });
  const server = new RedisServer(values.host, Number(values.port));
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`serving Redis on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
