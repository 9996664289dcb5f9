/**
 * Finds mistakes in a program's classes that nothing else would show, because the default handlers are
 * silent, as asyncore's are. Each mistake of a class is reported once, as a warning of the process.
 */
import { debuglog } from 'node:util';
import { type Address, AF_UNIX, type Socket, type Transport } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { socket_map } from '../channel.js';
import { written } from '../diagnostics/lines.js';
import { Channels } from '../loop/channels.js';
import type { dispatcher } from './dispatcher.js';

type Channel = dispatcher<Transport>;

const told = new WeakMap<object, Set<string>>();

function warn(channel: Channel, mistake: string): void {
  const { constructor: Class } = channel;
  const already = told.get(Class) ?? new Set();
  told.set(Class, already);
  if (already.has(mistake)) return;
  already.add(mistake);
  process.emitWarning(`${Class.name} ${mistake}`, 'AsyncoreWarning');
}

/** The library's own methods, which a field of a subclass may hide; dispatcher.ts puts them here. */
export const methods = new Set<string>();

/**
 * The names of the handlers that the library calls: those of dispatcher, and of its sister packages'
 * classes.
 */
function handlers(): string[] {
  return [...methods, 'handle_overflow', 'handle_drain'].filter((name) => /^handle_/.test(name));
}

/** The names of methods of a channel's own classes that look like handlers but are not. */
function strangers(channel: Channel): string[] {
  const known = handlers();
  const names = new Set<string>();
  for (let of: object | null = channel; of !== null; of = Object.getPrototypeOf(of)) {
    for (const name of Object.getOwnPropertyNames(of)) if (/^handle/i.test(name)) names.add(name);
  }
  return [...names].filter((name) => !known.includes(name));
}

const unhandled = new WeakMap<object, Map<string, boolean>>();

/** A default handler was called: true if the class has the handler under another name. Looks once for each class. */
export function unhandled_event(channel: Channel, handler: string): boolean {
  const { constructor: Class } = channel;
  const looked = unhandled.get(Class) ?? new Map<string, boolean>();
  unhandled.set(Class, looked);
  const known = looked.get(handler);
  if (known !== undefined) return known;
  const misspelt = strangers(channel).find((name) => isLike(name, handler));
  if (misspelt !== undefined) tellOf(channel, misspelt, handler);
  looked.set(handler, misspelt !== undefined);
  return misspelt !== undefined;
}

function tellOf(channel: Channel, misspelt: string, handler: string): void {
  warn(channel, `has ${misspelt}, which nothing calls: did you mean ${handler}?`);
}

/** A listener without a handler for what it accepts. */
export function unhandled_connection(channel: Channel): void {
  warn(channel, 'has no handle_accepted(sock, address): it closes what it accepts');
}

const debug = debuglog('asyncore');
const examined = new WeakSet<object>();

/** Looks at a channel when it is first asked: at its class once, and at whether it has been made to listen. */
export function examine(channel: Channel, isIdle: boolean): void {
  if (!examined.has(channel.constructor)) {
    examined.add(channel.constructor);
    tellHidden(channel);
    tellReset(channel);
    if (channel.debug || debug.enabled) tellMisspelt(channel);
  }
  if (isIdle) awaitListen(channel);
}

/** A field that has the name of a method, as `log = []`. */
function tellHidden(channel: Channel): void {
  for (const name of Object.keys(channel)) {
    const isHidden = methods.has(name) && typeof Reflect.get(channel, name) !== 'function';
    if (isHidden) warn(channel, `has a field "${name}", which hides the method of that name`);
  }
}

/** The classes of which a channel was looked at when the constructor of `dispatcher` returned. */
const begun = new WeakSet<object>();
/** What that channel had then: what methods have set that the constructor calls and the class overrides. */
const early = new WeakMap<object, [name: string, value: unknown][]>();
const OURS = new Set(['_map', '_fileno']);

/** Called when the constructor of `dispatcher` returns. The fields of subclasses are set after that. */
export function note_early(channel: Channel): void {
  if (begun.has(channel.constructor)) return;
  begun.add(channel.constructor);
  const set = Object.entries(channel).filter(([name]) => !OURS.has(name));
  if (set.length > 0) early.set(channel, set);
}

/** A field that resets what an override of such a method has set. */
function tellReset(channel: Channel): void {
  for (const [name, value] of early.get(channel) ?? []) {
    if (Object.is(Reflect.get(channel, name), value) || !hasField(channel, name)) continue;
    warn(
      channel,
      `has a field "${name}", which resets what add_channel or the like had set while super(sock) ran: ` +
        `declare it without a field ("declare ${name}" in TypeScript, nothing in JavaScript)`,
    );
  }
  early.delete(channel);
}

function hasField(channel: Channel, name: string): boolean {
  // Not a variable of a method, nor a static member: those have a word before the name.
  const field = new RegExp(`([{};\n]|\\*/)\\s*${name.replaceAll(/\W/g, '\\$&')}\\s*(=(?!=)|;|\n)`);
  for (let of: unknown = channel.constructor; typeof of === 'function'; ) {
    if (field.test(String(of))) return true;
    of = Object.getPrototypeOf(of);
  }
  return false;
}

function tellMisspelt(channel: Channel): void {
  for (const name of strangers(channel)) {
    const handler = handlers().find((known) => isLike(name, known));
    if (handler !== undefined) tellOf(channel, name, handler);
  }
}

/** How long, in seconds, a bound socket may take to listen. */
const SOON = 1;

function awaitListen(channel: Channel): void {
  if (!accepts(channel)) return;
  const { socket } = channel;
  clock
    .setTimeout(() => {
      const address = channel.socket === socket ? addressOf(socket as Socket | null) : null;
      if (address === null || channel.accepting || channel.connecting || channel.connected) return;
      warn(channel, `is bound to ${written(address)}, and accepts nothing: call listen()`);
    }, SOON * 1000)
    .unref();
}

/** The library's handlers for a listener; dispatcher.ts puts them here. */
export const of_listeners: { accept?: unknown; accepted?: unknown } = {};

function accepts(channel: Channel): boolean {
  const { handle_accept, handle_accepted } = channel;
  return handle_accept !== of_listeners.accept || handle_accepted !== of_listeners.accepted;
}

/** Where it is bound; null when it is not, or closed. */
function addressOf(socket: Socket | null): Address | null {
  if (socket === null || socket.fileno() < 0 || typeof socket.getsockname !== 'function')
    return null;
  const address = socket.getsockname();
  if (socket.family === AF_UNIX) return address.length === 0 ? null : address;
  return address[1] === 0 ? null : address;
}

let isExpecting = false;

/** A channel was put into a map. Warns if the process ends before a loop has served any channel. */
export function expect_loop(): void {
  if (isExpecting) return;
  isExpecting = true;
  process.once('beforeExit', () => {
    if (Channels.areServed || process.exitCode) return; // a program that has failed has said so itself
    const one = Array.from(socket_map.values()).find((channel) => {
      const { accepting, connecting, connected } = channel as Partial<Channel>;
      return accepting || connecting || connected;
    });
    if (one === undefined) return;
    const what = `the process ends, but no loop has served its channels, such as ${one}`;
    process.emitWarning(`${what}: await loop()`, 'AsyncoreWarning');
  });
}

/** Whether `name` is `known` with up to two letters wrong, left out, added or exchanged, or in camelCase. */
function isLike(name: string, known: string): boolean {
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return snake === known || distance(snake, known) <= 2;
}

/** How many letters to change, leave out, add, or exchange with their neighbour: `raed` and `read` have 1. */
function distance(a: string, b: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1));
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}
