/** Somebody who is there: lines in, lines out. */
import { async_chat } from '@asyncore/chat';
import { SO_KEEPALIVE, SOL_SOCKET, type Socket } from '@asyncore/socket';
import { plain } from './plain.js';

const LONGEST_LINE = 1000;
const LOBBY = 'lobby';

/** Names of people and rooms. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}_.-]{0,19}$/u;

/** What somebody asks of the server. */
export interface Rooms {
  isTaken(name: string): boolean;
  enter(member: Member, room: string): void;
  leave(member: Member): void;
  say(room: string, line: string): void;
  rooms(member: Member): void;
  who(member: Member): void;
}

export class Member extends async_chat {
  name = '';
  room = '';
  #server: Rooms;
  #isSlow = false;
  #missed = 0;

  constructor(sock: Socket, server: Rooms) {
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
