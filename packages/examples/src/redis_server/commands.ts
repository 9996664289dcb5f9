/** What each command does, and what it refuses. */
import { type Bytes, textOf } from './bytes.js';
import { database, find, store } from './database.js';
import { glob } from './glob.js';
import { Refusal } from './refusal.js';

/** Whom a command answers: each method is a kind of answer. */
export interface Client {
  status(text: string): void;
  error(text: string): void;
  integer(number: number | bigint): void;
  bulk(bytes: Bytes | undefined): void;
  array(items: Bytes[]): void;
  close_when_done(): void;
  discard_buffers(): void;
}

/** The least and the most words of a request, the command's name included, and what it does. */
type Command = [least: number, most: number, run: (client: Client, args: Bytes[]) => void];

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

/** Does what a request asks, or answers what is wrong with it. */
export function execute(client: Client, args: Bytes[]): void {
  const name = textOf(args[0]);
  const command = commands.get(name) ?? commands.get(name.toUpperCase());
  try {
    if (command === undefined) throw new Refusal(unknown(name, args));
    const [least, most, run] = command;
    if (args.length < least || args.length > most) throw new Refusal(wrongCount(name));
    run(client, args);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    client.error(error.message);
  }
}

function ping(client: Client, [, text]: Bytes[]): void {
  if (text === undefined) client.status('PONG');
  else client.bulk(text);
}

function set(client: Client, args: Bytes[]): void {
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

function remove(client: Client, args: Bytes[]): void {
  const found = args
    .slice(1)
    .map(textOf)
    .filter((key) => find(key) && database.delete(key));
  client.integer(found.length);
}

function exists(client: Client, args: Bytes[]): void {
  client.integer(args.slice(1).filter((key) => find(textOf(key))).length);
}

function increment(client: Client, [, key]: Bytes[]): void {
  const entry = find(textOf(key));
  const number = integerOf(entry?.value ?? '0') + 1n;
  if (number === 2n ** 63n) throw new Refusal('increment or decrement would overflow');
  store(textOf(key), `${number}`, entry?.deadline ?? Infinity);
  client.integer(number);
}

function expire(client: Client, [, key, seconds]: Bytes[]): void {
  const deadline = deadlineIn(seconds, 1000, 'expire');
  const entry = find(textOf(key));
  if (entry !== undefined) entry.deadline = deadline;
  client.integer(entry === undefined ? 0 : 1);
}

function timeToLive(client: Client, [, key]: Bytes[]): void {
  const entry = find(textOf(key));
  if (entry === undefined) client.integer(-2);
  else if (entry.deadline === Infinity) client.integer(-1);
  else client.integer(Math.round((entry.deadline - Date.now()) / 1000));
}

function keys(client: Client, [, pattern]: Bytes[]): void {
  const fits = glob(textOf(pattern));
  client.array([...database.keys()].filter((key) => fits(key) && find(key)));
}

function flush(client: Client, [, how = 'SYNC', ...more]: Bytes[]): void {
  if (!/^a?sync$/i.test(textOf(how)) || more.length > 0) throw new Refusal('syntax error');
  database.clear();
  client.status('OK');
}

function quit(client: Client): void {
  client.status('OK');
  client.close_when_done();
}

function drop(client: Client): void {
  client.discard_buffers();
  client.close_when_done();
}

/** redis-cli asks for all commands as it starts, and can do without an answer. */
function describe(client: Client, [, what = '']: Bytes[]): void {
  if (/^count$/i.test(textOf(what))) client.integer(commands.size);
  else client.array([]);
}

const settings = new Map([
  ['save', ''],
  ['appendonly', 'no'],
]);

/** As far as redis-benchmark asks. */
function configure(client: Client, [, what, ...patterns]: Bytes[]): void {
  if (!/^get$/i.test(textOf(what))) {
    throw new Refusal(`unknown subcommand '${textOf(what)}'. Try CONFIG HELP.`);
  }
  const fit = patterns.map((pattern) => glob(textOf(pattern)));
  client.array([...settings].filter(([name]) => fit.some((fits) => fits(name))).flat());
}

function inform(client: Client): void {
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
