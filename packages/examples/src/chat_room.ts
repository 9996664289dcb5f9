/**
 * Chat rooms for telnet and nc, which any number of servers share.
 *
 *     chat_room [--host 127.0.0.1] [--port 8080] [--redis redis://[[USER]:PASSWORD@]HOST[:PORT]]
 *
 * Commands: /join ROOM, /rooms, /who, /quit. Each line goes to everybody in the room; a
 * member who does not read misses lines while ac_out_high_water bytes are waiting, so nobody else waits.
 * With --redis the lines go through Redis's publish/subscribe (6 and later, for RESP3), so that all
 * servers share their rooms; each server has members' names of its own. Without Redis, or while it is
 * out of reach, each server has rooms of its own, too. Try it with: nc 127.0.0.1 8080
 *
 * In chat_room/:
 *
 *     member.ts      somebody who is there, and what may be typed
 *     plain.ts       what is left of that on its way to others
 *     redis_link.ts  the connection to Redis
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { dispatcher, loop } from '@asyncore/core';
import type { InetAddress, Socket } from '@asyncore/socket';
import { Member } from './chat_room/member.js';
import { plain } from './chat_room/plain.js';
import { linkTo, RedisLink } from './chat_room/redis_link.js';

// Redis's channels: for what is said in a room, who is asked for in a room, and answers to a server.
const SAY = 'chat_room:say:';
const WHO = 'chat_room:who:';
const TO = 'chat_room:to:';

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
    const isAsked = this.#redis?.channels(SAY, (channels) => {
      answer(channels.map((channel) => channel.slice(SAY.length)));
    });
    if (!isAsked) answer([...this.#rooms.keys()]);
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
