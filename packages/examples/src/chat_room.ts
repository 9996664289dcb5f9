/**
 * Chat rooms for telnet and nc, which any number of servers share.
 *
 *     chat_room [--host 127.0.0.1] [--port 8080] [--redis redis://[[USER]:PASSWORD@]HOST[:PORT]]
 *
 * Commands: /join ROOM, /rooms, /who, /quit. Each line goes to everybody in the room; one who does
 * not read misses lines when ac_out_high_water bytes are waiting, and nobody has to wait for them.
 * With --redis what is said goes through Redis's publish/subscribe (6 and later, for RESP3), so that
 * rooms reach over all servers, whose names are each server's own. Without Redis, or while it is out
 * of reach, a server's rooms are its own, too. Try it with: nc 127.0.0.1 8080
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import {
  AF_INET,
  family_of,
  type InetAddress,
  SO_KEEPALIVE,
  SOL_SOCKET,
  type Socket,
} from '@asyncore/socket';

const LONGEST_LINE = 1000;
const LOBBY = 'lobby';
/** Seconds between two looks whether Redis answers, or can be reached again. */
const BEAT = 2;

// Redis's channels: for what is said in a room, who is asked for in a room, and answers to a server.
const SAY = 'chat_room:say:';
const WHO = 'chat_room:who:';
const TO = 'chat_room:to:';

/** Names of people and rooms. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_.-]{0,19}$/u;

/**
 * What telnet says about itself: these are never bytes of UTF-8. What begins and does not end takes the
 * rest along, for to look for the end from each of many beginnings would take a very long time.
 */
const TELNET = /\xff(?:[\xfb-\xfe].|\xfa.*?(?:\xff\xf0|$)|.)/gs;

/** What would move the cursor, ring the bell, colour the screen or turn the direction of writing. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text without anything that could play tricks on somebody's terminal. */
function plain(bytes: Buffer): string {
  const typed = bytes.toString('latin1').replaceAll(TELNET, '');
  const text = Buffer.from(typed, 'latin1').toString().replaceAll('\t', ' ');
  return text.replaceAll(CONTROL, '').trim();
}

// ---- who is there ----

class Member extends async_chat {
  name = '';
  room = '';
  #server: ChatServer;
  #isSlow = false;
  #missed = 0;

  constructor(sock: Socket, server: ChatServer) {
    super(sock);
    this.#server = server;
    this.max_incoming = LONGEST_LINE;
    this.ac_in_buffer_size = 4096; // so that what comes at once, told to all, stays below the next
    this.ac_out_high_water = 256 * 1024;
    this.set_terminator('\n');
    this.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
    this.tell('What is your name?');
  }

  tell(line: string): void {
    if (this.closing || !this.connected) return;
    if (this.#isSlow) this.#missed += 1;
    else this.#isSlow = !this.push(Buffer.from(`${line}\r\n`));
  }

  handle_drain() {
    const missed = this.#missed;
    this.#isSlow = false;
    this.#missed = 0;
    if (missed > 0) this.tell(`* You read too slowly and missed ${missed} lines`);
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const line = plain(this._get_data());
    if (this.closing || line === '') return;
    const [command, argument = ''] = line.split(/ +/);
    if (command === '/quit') this.#quit();
    else if (this.name === '') this.#introduce(line);
    else if (command === '/join') this.#join(argument);
    else if (command === '/rooms') this.#server.rooms(this);
    else if (command === '/who') this.#server.who(this);
    else if (command.startsWith('/')) this.tell('* Commands: /join ROOM, /rooms, /who, /quit');
    else this.#server.say(this.room, `${this.name}: ${line}`);
  }

  handle_overflow() {
    this.tell(`* A line has at most ${LONGEST_LINE} bytes`);
  }

  #introduce(name: string): void {
    if (!NAME.test(name)) {
      this.tell('* A name is up to 20 letters and digits. What is yours?');
    } else if (this.#server.isTaken(name)) {
      this.tell(`* ${name} is somebody else. What is your name?`);
    } else {
      this.name = name;
      this.tell(`* Hello, ${name}. There is also /join ROOM, /rooms, /who, /quit`);
      this.#server.enter(this, LOBBY);
    }
  }

  #join(room: string): void {
    if (!NAME.test(room)) {
      this.tell('* The name of a room is up to 20 letters and digits');
    } else if (room !== this.room) {
      this.#server.leave(this);
      this.#server.enter(this, room);
    }
  }

  #quit(): void {
    this.tell('* Bye');
    this.close_when_done();
    this.#server.leave(this);
  }

  handle_close() {
    this.#server.leave(this);
    this.close();
  }
}

export class ChatServer extends dispatcher {
  #rooms = new Map<string, Set<Member>>();
  /** Who is in a room, by name: to ask all of them would cost much for each name that is tried. */
  #members = new Map<string, Member>();
  #redis: RedisLink | null = null;
  /** Marks what this server publishes, since Redis brings that back to it as well. */
  #id = randomUUID();

  constructor(host: string, port: number, redis?: URL) {
    super();
    this.create_server([host, port]);
    if (redis !== undefined) this.#redis = new RedisLink(redis, this);
  }

  handle_accepted(sock: Socket) {
    new Member(sock, this);
  }

  isTaken(name: string): boolean {
    return this.#members.has(folded(name));
  }

  enter(member: Member, room: string): void {
    const members = this.#rooms.get(room) ?? new Set();
    if (members.size === 0) {
      this.#rooms.set(room, members);
      this.#redis?.command('SUBSCRIBE', ...channelsOf(room));
    }
    member.room = room;
    members.add(member);
    this.#members.set(folded(member.name), member);
    this.say(room, `* ${member.name} enters ${room}`);
  }

  leave(member: Member): void {
    const { room, name } = member;
    const members = this.#rooms.get(room);
    if (!members?.delete(member)) return;
    this.#members.delete(folded(name));
    this.say(room, `* ${name} leaves ${room}`);
    if (members.size > 0) return;
    this.#rooms.delete(room);
    this.#redis?.command('UNSUBSCRIBE', ...channelsOf(room));
  }

  say(room: string, line: string): void {
    this.#tell(room, line);
    this.#publish(`${SAY}${room}`, line);
  }

  #tell(room: string, line: string): void {
    for (const member of this.#rooms.get(room) ?? []) member.tell(line);
  }

  rooms(member: Member): void {
    const answer = (rooms: string[]) => member.tell(`* Rooms: ${rooms.sort().join(', ')}`);
    if (!this.#redis?.rooms(answer)) answer([...this.#rooms.keys()]);
  }

  /** Every server answers for its own people. */
  who(member: Member): void {
    member.tell(this.#present(member.room));
    this.#publish(`${WHO}${member.room}`, member.name);
  }

  #present(room: string): string {
    const names = [...(this.#rooms.get(room) ?? [])].map(({ name }) => name);
    return `* In ${room}: ${names.sort().join(', ')}`;
  }

  // ---- the other servers ----

  #publish(channel: string, text: string): void {
    this.#redis?.publish(channel, `${this.#id} ${text}`);
  }

  /** What to listen to. */
  channels(): string[] {
    return [`${TO}${this.#id}`, ...[...this.#rooms.keys()].flatMap(channelsOf)];
  }

  hear(channel: string, message: Buffer): void {
    const [, id, text] = /^(\S+) (.*)$/.exec(plain(message)) ?? [];
    if (id === undefined || id === this.#id) return;
    if (channel.startsWith(SAY)) {
      this.#tell(channel.slice(SAY.length), text);
    } else if (channel.startsWith(WHO)) {
      this.#publish(`${TO}${id}`, `${text} ${this.#present(channel.slice(WHO.length))}`);
    } else {
      const [name] = text.split(' ', 1);
      this.#members.get(folded(name))?.tell(text.slice(name.length + 1));
    }
  }

  /** Whether other servers can be reached has changed. */
  reached(others: boolean): void {
    const line = others ? 'share these rooms now' : 'are out of reach';
    for (const room of this.#rooms.keys()) this.#tell(room, `* The other servers ${line}`);
  }
}

function channelsOf(room: string): string[] {
  return [`${SAY}${room}`, `${WHO}${room}`];
}

function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

// ---- Redis ----

type Reply = Buffer | Error | null | Reply[];

/** A connection to Redis that is made again when it breaks: https://redis.io/docs/reference/protocol-spec */
class RedisLink extends async_chat {
  #url: URL;
  #server: ChatServer;
  #isLinked = false;
  #wasLost = false;
  /** It has answered since the last beat. */
  #isAlive = false;
  /** Who waits for an answer: they come in the order of the commands. */
  #waiting: ((reply: Reply) => void)[] = [];
  /** The arrays being read, each in the one before it. */
  #arrays: { kind: string; length: number; items: Reply[] }[] = [];
  #isBulk = false;

  constructor(url: URL, server: ChatServer) {
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

  /** Asks which rooms there are on any server. False if it cannot. */
  rooms(answer: (rooms: string[]) => void): boolean {
    if (!this.#isLinked) return false;
    this.#ask(['PUBSUB', 'CHANNELS', `${SAY}*`], (reply) => {
      answer((reply as Reply[]).map((channel) => String(channel).slice(SAY.length)));
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

function linkTo(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'redis:' || url.hostname === '') {
    throw new Error('--redis must be like redis://127.0.0.1:6379');
  }
  return url;
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      redis: { type: 'string' },
    },
  });
  const redis = values.redis === undefined ? undefined : linkTo(values.redis);
  const server = new ChatServer(values.host, Number(values.port), redis);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(`chatting on ${host.includes(':') ? `[${host}]` : host}:${port}`);
  await loop();
}
