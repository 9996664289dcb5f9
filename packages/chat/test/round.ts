/**
 * Some connections whose two ends do anything at all, as a seed decides, and a model of what must
 * come of it: what one end sends arrives at the other in order, whole if the end was orderly;
 * handle_close comes once, and nothing after it or after close(). A listener has never more connections
 * than max_connections, and serves everybody in the end. In rounds that end impatiently nobody but a
 * `timeout` closes what is left: all of it, and none that has just moved.
 *
 * A channel may give its descriptor to another one (detach), or begin another connection, from within its
 * handlers too: nothing of the former one is told or sent there. After a shutdown nothing is taken. A handler
 * of input may be async, and then runs alone.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { async_chat } from '@asyncore/chat';
import { type channel_map, close_all, dispatcher, loop, poll, poll2 } from '@asyncore/core';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { Random } from '@asyncore/test-support/random';
import { chat, type End, plain, type Role, type Stage } from './ends.js';
import { HELD, Story, TERMINATORS } from './story.js';

const SIZES = [0, 1, 2, 10, 100, 5000, 70_000, 300_000];
/** Long enough for a machine that is busy; a round that hangs is a failure. */
const PATIENCE = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 10) * 1000;
/** Values of `timeout`, in seconds: while there is something to do none is to be reached. */
const TIMEOUTS = [0, 60];
const SHORT = 0.005;
const onLinux = process.platform === 'linux';
const FAMILIES = [AF_INET, ...(onLinux ? [AF_UNIX] : []), ...(hasInet6() ? [AF_INET6] : [])];

/** Of no stream. */
const LATE = Buffer.from('late');

interface Player extends Role {
  readonly end: End;
  /** It is about to begin another connection. */
  isChanging: boolean;
}

export class Round implements Stage {
  readonly map: channel_map = new Map();
  readonly #descriptors = descriptors();
  readonly random: Random;
  readonly #ends: Player[] = [];
  readonly #stories: Story[] = [];
  #connections = 0;
  readonly #lines: string[] = [];
  /** Clients by their address, until their listener has them. */
  readonly #expected = new Map<string, Story>();
  readonly #listeners: ReturnType<Round['listener']>[];
  readonly #isImpatient: boolean;
  #timeouts = TIMEOUTS;
  #isSettling = false;
  /** How much more may be done: handlers that do something bring about others. */
  #budget: number;
  #depth = 0;
  #failure = '';

  constructor(
    seed: number,
    readonly use_poll: boolean | undefined,
  ) {
    this.random = new Random(seed);
    this.log(`-- seed ${seed}`);
    this.#budget = 20 + this.random.below(150);
    this.#isImpatient = this.random.chance(0.1);
    this.#listeners = FAMILIES.map((family) => this.listener(family));
  }

  log(line: string): void {
    this.#lines.push(line);
  }

  /** Kept until the round is over: what a handler throws would go to handle_error. */
  fail(why: string): void {
    const [, number] = /^(\d+)[ab]:/.exec(why) ?? [];
    const lines = this.#lines.filter(
      (line) => !number || /^-|pass/.test(line) || ends(line, number),
    );
    this.#failure ||= `${why}\n${lines.slice(-60).join('\n')}`;
  }

  /** Plays it. Throws an Error that says what the model did not expect. */
  async play(): Promise<void> {
    try {
      while (this.#budget > 0 && this.#failure === '') {
        this.#act();
        if (this.random.chance(0.4))
          await this.#loop({ timeout: 0, count: 1 + this.random.below(3) });
        if (this.random.chance(0.05)) await new Promise((resolve) => setImmediate(resolve));
      }
      await this.#settle();
      if (this.#failure === '') this.#endAll();
      await this.#loop({ signal: AbortSignal.timeout(PATIENCE) }).catch(() =>
        this.fail(`still open: ${[...this.map.values()].join(', ')}`),
      );
      for (const story of this.#stories) this.#judge(story);
      const left = descriptors() - this.#descriptors;
      if (left !== 0) this.fail(`${left} descriptors are left`);
    } finally {
      close_all(this.map, true);
    }
    if (this.#failure !== '') throw new Error(this.#failure);
  }

  #loop(options: { timeout?: number; count?: number; signal?: AbortSignal }): Promise<void> {
    return loop({ map: this.map, use_poll: this.use_poll, ...options });
  }

  /** Everybody reads until everything has come, and everybody was served. */
  async #settle(): Promise<void> {
    this.log('-- nothing new');
    this.#budget = 0;
    this.#isSettling = true;
    if (this.#isImpatient) this.#timeouts = [SHORT];
    for (const { end, story } of this.#ends) {
      story.isPaused = false;
      end.timeout = this.random.pick(this.#timeouts);
      this.#hurry(end);
    }
    const end = performance.now() + PATIENCE;
    for (;;) {
      const late = this.#stories.find((story) => story.isBehind);
      const waiting = [...this.#expected.values()].find((story) => !story.isOver);
      const { name } = late ?? waiting ?? {};
      if (name === undefined) return;
      if (performance.now() > end) {
        return this.fail(`${name}: ${late ? 'not all has come' : 'nobody has accepted it'}`);
      }
      if (!late) this.#makeRoom();
      await this.#loop({ timeout: 0.1, count: 1 });
    }
  }

  #hurry(end: End): void {
    if (end instanceof async_chat) end.ac_in_buffer_size = end.ac_out_buffer_size = 65_536;
    else end.readSize = 65_536;
  }

  /** One connection of each listener that is full ends. */
  #makeRoom(): void {
    for (const listener of this.#listeners) {
      if (!listener.isFull) continue;
      const player = listener.players.find(({ story }) => !story.isOver);
      if (player && !player.story.isDone) this.#finish(player.end, player.story);
    }
  }

  #endAll(): void {
    this.log('-- the end');
    for (const { end, story } of this.#ends) {
      if (!story.isOver && !story.isDone && !this.#isImpatient) this.#finish(end, story);
    }
    for (const listener of this.#listeners) listener.close();
  }

  #judge(story: Story): void {
    const { name, closes, isClosed, peer } = story;
    if (closes !== (isClosed ? closes : 1)) this.fail(`${name}: ${closes} times handle_close`);
    // Neither closed before it had seen everything, nor got a reset for what it sent to one who had gone.
    const hasStayed = !isClosed && !story.isDone && story.sent === peer?.peerSent;
    if (peer?.isOrderly && hasStayed && story.received < peer.sent - HELD) {
      this.fail(`${name}: ${story.received} bytes came of ${peer.sent}`);
    }
  }

  // ---- what may be done ----

  #act(): void {
    if (this.#budget-- <= 0 || this.#depth > 3) return;
    const open = this.#ends.filter(({ story }) => !story.isOver);
    this.#depth += 1;
    try {
      if (open.length < 2 || this.random.chance(0.06)) this.#open();
      else this.#do(this.random.pick(open));
    } finally {
      this.#depth -= 1;
    }
  }

  /** From inside of a handler. */
  perhaps(): void {
    while (this.#budget > 0 && this.random.chance(0.2)) this.#act();
    if (this.#budget > 0 && this.random.chance(0.01)) throw new Error('mine');
  }

  /** Some handlers of input are async: what they do after an await is as if it were done from outside. */
  later(role: Role, story: Story): Promise<void> | undefined {
    if (role.story !== story) return; // it has given its connection away
    if (this.#budget <= 0 || story.isOver || !this.random.chance(0.1)) return;
    this.log(`${story.name} awaits`);
    const turns = this.random.below(4);
    const wait = async () => {
      await null;
      for (let i = 0; i < turns; i++) await new Promise(setImmediate);
      this.log(`${story.name} goes on`);
      try {
        if (!story.isOver) this.perhaps();
      } finally {
        if (story.pending === promise) story.pending = null;
      }
    };
    const promise = wait();
    story.pending = promise;
    return promise;
  }

  #do(player: Player): void {
    const { end, story } = player;
    const { name } = story;
    const random = this.random;
    const what = random.below(110);
    if (what < 50) {
      if (story.isShut) this.#pushLate(end, story);
      if (story.isDone || story.isHalf) return;
      const data = story.bytes(random.pick(SIZES));
      this.log(`push ${name} ${data.length}`);
      if (end instanceof async_chat) this.#push(end, story, data);
      else end.send(data);
    } else if (what < 60) {
      story.isPaused = !story.isPaused;
      this.log(`pause ${name} ${story.isPaused}`);
    } else if (what < 72) {
      if (!(end instanceof async_chat) || story.isCollecting) return;
      const terminator = random.pick(TERMINATORS);
      this.log(`terminator ${name} ${JSON.stringify(terminator)}`);
      end.set_terminator(terminator);
      end.terminator = terminator;
    } else if (what < 78) {
      if (!story.isDone) this.#finish(end, story);
    } else if (what < 81) {
      this.log(`half ${name}`);
      if (!end.connected || story.isDone || story.isHalf) return;
      story.isHalf = true;
      story.isOrderly = true;
      try {
        end.shutdown(SHUT_WR);
        story.isShut = !story.isOver;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOTCONN') throw error;
      }
    } else if (what < 84) {
      this.log(`close ${name}`);
      story.isOrderly &&= !end.writable() && story.producers === 0;
      end.close();
    } else if (what < 86) {
      this.log(`reset ${name}`);
      end.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
      story.isOrderly = false;
      end.close();
    } else if (what < 88) {
      this.log('a pass within');
      (random.chance(0.5) ? poll : poll2)(0, this.map);
    } else if (what < 92) {
      end.timeout = random.pick(this.#timeouts);
      this.log(`timeout ${name} ${end.timeout}`);
    } else if (what < 104) {
      this.#detach(player);
    } else {
      this.#begin(player);
    }
  }

  /** After shutdown(SHUT_WR) it is refused; were it sent, other bytes would come. */
  #pushLate(end: End, story: Story): void {
    this.log(`push ${story.name} too late`);
    const taken = end.send(LATE) + end.sendmsg([LATE]);
    if (taken !== 0) this.fail(`${story.name}: ${taken} bytes were taken after the shutdown`);
    if (end instanceof async_chat) end.push(LATE);
  }

  /** Its descriptor goes to another channel, which goes on with the same story. */
  #detach(player: Player): void {
    const { end, story } = player;
    if (!end.connected || story.isDone || story.isHalf || story.isCollecting) return;
    if (end instanceof async_chat) story.came(end._take_input());
    const fd = this.#gives(`detach ${story.name}`, () => end.detach());
    if (fd === null || fd < 0) return; // sending what was given has ended it
    player.story = this.#over();
    story.pending = null; // the other channel's
    story.isShut = false; // a producer may have shut it down meanwhile, of which the other one does not know
    this.#start(story, Socket.from_fd(fd));
  }

  /** A story of a channel that is to be told nothing. */
  #over(): Story {
    const story = new Story('nobody', this);
    story.isClosed = true;
    return story;
  }

  /** What a call gives that comes after the output; null if that does not go out, and all is as before. */
  #gives<T>(what: string, call: () => T): T | null {
    try {
      const given = call();
      this.log(what);
      return given;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      this.log(`${what} has to wait`);
      return null;
    }
  }

  /** The channel gets another connection, whether or not it has one. */
  #begin(player: Player): void {
    const { end, story } = player;
    if (player.isChanging || this.#connections > 20) return;
    // What was given before there was a connection is for the next attempt.
    if (!story.isOver && !end.connected) return;
    player.isChanging = true;
    try {
      if (this.random.chance(0.5)) {
        this.#leave(player, story);
        this.#connect(player);
      } else {
        this.#exchange(player, story, end.socket as Socket | null);
      }
    } finally {
      player.isChanging = false;
    }
  }

  /** What create_socket does to a connection that is there still: what has no room is lost. */
  #leave({ end }: Player, story: Story): void {
    this.log(`leave ${story.name}`);
    story.isOrderly &&= !end.writable() && story.producers === 0;
    if (!story.isOver) story.gone();
  }

  /** By set_socket, which sends what was given, or throws. The former socket is closed by us. */
  #exchange(player: Player, story: Story, former: Socket | null): void {
    const { end } = player;
    const [ours, theirs] = socketpair();
    const given = this.#gives(`set_socket ${story.name}`, () => {
      end.set_socket(ours);
      return true;
    });
    if (given === null) {
      ours.close();
      theirs.close();
      return;
    }
    if (!story.isOver) story.gone();
    former?.close();
    end.connected = true;
    const [a, b] = this.#pair();
    player.story = a;
    this.#start(b, theirs);
  }

  #push(end: async_chat, story: Story, data: Buffer): void {
    const random = this.random;
    if (random.chance(0.6)) {
      end.push(data);
      return;
    }
    const size = 1 + random.below(data.length + 1);
    const round = this;
    function* pieces(): Generator<Buffer> {
      for (let at = 0; at < data.length; at += size) {
        if (random.chance(0.02)) round.#act();
        yield data.subarray(at, at + size);
      }
      story.producers -= 1;
    }
    async function* laterPieces(): AsyncGenerator<Buffer> {
      for (const piece of pieces()) {
        await null;
        yield piece;
      }
    }
    const producer = random.pick([() => data, pieces, laterPieces])();
    if (producer !== data) story.producers += 1;
    end.push_with_producer(producer);
  }

  #finish(end: End, story: Story): void {
    this.log(`close_when_done ${story.name}`);
    story.isDone = true;
    story.isOrderly = true;
    end.close_when_done();
  }

  // ---- connections ----

  #story(name: string): Story {
    const story = new Story(name, this);
    this.#stories.push(story);
    return story;
  }

  /** The stories of two ends that are connected. */
  #pair(): [a: Story, b: Story] {
    const number = this.#connections++;
    const [a, b] = [this.#story(`${number}a`), this.#story(`${number}b`)];
    this.log(`pair ${a.name} ${b.name}`);
    a.peer = b;
    b.peer = a;
    return [a, b];
  }

  #open(): void {
    if (this.#connections > 12) return;
    // Sometimes a channel that is over begins anew.
    const former = this.#ends.filter(({ story, isChanging }) => story.isOver && !isChanging);
    if (former.length > 0 && this.random.chance(0.3)) {
      this.#begin(this.random.pick(former));
    } else if (this.random.chance(0.5)) {
      const [a, b] = this.#pair();
      const [ours, theirs] = socketpair();
      this.#start(a, ours);
      this.#start(b, theirs);
    } else {
      this.#connect(this.#start(this.#over()));
    }
  }

  #connect(player: Player): void {
    const { end } = player;
    const { family, address } = this.random.pick(this.#listeners);
    end.create_socket(family);
    const story = this.#story(`${this.#connections++}a`);
    player.story = story;
    this.log(`connect ${story.name} to ${address}`);
    if (family === AF_UNIX) {
      // It has no name by itself, and is connected at once.
      const name = free(family);
      end.bind(name);
      this.#expected.set(String(name), story);
    }
    try {
      end.connect(address);
    } catch (error) {
      end.handle_error(error);
    }
    if (family !== AF_UNIX) this.#expected.set(String(end.getsockname()), story);
  }

  #start(story: Story, sock: Socket | null = null): Player {
    const role = { story };
    const end = this.random.chance(0.6) ? chat(this, role, sock) : plain(this, role, sock);
    end.timeout = this.random.pick(this.#timeouts);
    if (this.random.chance(0.7)) {
      const { readable } = end;
      end.readable = () => !role.story.isPaused && readable.call(end);
    }
    if (this.#isSettling) this.#hurry(end);
    const player = Object.assign(role, { end, isChanging: false });
    this.#ends.push(player);
    return player;
  }

  listener(family: number) {
    const round = this;
    class Listener extends dispatcher {
      readonly family = family;
      override max_connections = round.random.pick([0, 1, 2, 5]);
      readonly players: Player[] = [];
      readonly #accepted = new Set<Socket>();

      get address(): Address {
        return this.getsockname();
      }

      get #open(): number {
        return [...this.#accepted].filter((sock) => sock.fileno() >= 0).length;
      }

      get isFull(): boolean {
        return this.max_connections > 0 && this.#open >= this.max_connections;
      }

      override handle_accepted(sock: Socket, address: Address): void {
        if (this.isFull) round.fail(`more than ${this.max_connections} connections`);
        this.#accepted.add(sock);
        const client = round.#expected.get(String(address));
        if (client === undefined) throw new Error('nobody has connected');
        round.#expected.delete(String(address));
        const story = round.#story(client.name.replace('a', 'b'));
        story.peer = client;
        client.peer = story;
        round.log(`accept ${story.name}`);
        this.players.push(round.#start(story, sock));
        round.perhaps();
      }
      override handle_error(error: Error): void {
        if (error.message !== 'mine') round.fail(`the listener: ${error.stack}`);
      }
    }
    const listener = new Listener(null, this.map);
    listener.create_socket(family);
    listener.bind(free(family));
    listener.listen(100);
    return listener;
  }
}

let names = 0;

/** An address that nobody has; of Unix sockets an abstract name, which leaves no file. */
function free(family: number): Address {
  if (family === AF_UNIX) return `\0asyncore fuzz ${process.pid} ${++names}`;
  return [family === AF_INET6 ? '::1' : '127.0.0.1', 0];
}

/** Whether a line is of this connection's ends. */
function ends(line: string, number: string): boolean {
  return new RegExp(`\\b${number}[ab]\\b`).test(line);
}

/** How many sockets and queues this process has. */
function descriptors(): number {
  let count = 0;
  if (!onLinux) return count; // nothing tells of them
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (/^(socket|anon_inode:\[eventpoll)/.test(readlinkSync(`/proc/self/fd/${fd}`))) count += 1;
    } catch {} // that of readdir itself
  }
  return count;
}
