/**
 * Some connections whose two ends do anything at all, as a seed decides, and a model of what must
 * come of it: what one end sends arrives at the other in order, whole if the end was orderly;
 * handle_close comes once, and nothing after it or after close(). A listener has never more connections
 * than max_connections, and serves everybody in the end. In rounds that end impatiently nobody but a
 * `timeout` closes what is left: all of it, and none that has just moved.
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
  type Socket,
  socketpair,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { Random } from '@asyncore/test-support/random';
import { chat, type End, plain, type Stage } from './ends.js';
import { HELD, Story, TERMINATORS } from './story.js';

const SIZES = [0, 1, 2, 10, 100, 5000, 70_000, 300_000];
/** Long enough for a machine that is busy; a round that hangs is a failure. */
const PATIENCE = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 10) * 1000;
/** Values of `timeout`, in seconds: while there is something to do none is to be reached. */
const TIMEOUTS = [0, 60];
const SHORT = 0.005;
const onLinux = process.platform === 'linux';
const FAMILIES = [AF_INET, ...(onLinux ? [AF_UNIX] : []), ...(hasInet6() ? [AF_INET6] : [])];

interface Player {
  readonly end: End;
  readonly story: Story;
}

export class Round implements Stage {
  readonly map: channel_map = new Map();
  readonly #descriptors = descriptors();
  readonly random: Random;
  readonly #ends: Player[] = [];
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
      for (const { story } of this.#ends) this.#judge(story);
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
      const late = this.#ends.find(({ story }) => story.isBehind)?.story;
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

  #do({ end, story }: Player): void {
    const { name } = story;
    const random = this.random;
    const what = random.below(100);
    if (what < 50) {
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
      // What is still to be sent could not follow.
      if (end.writable() || story.producers > 0 || !end.connected || story.isDone) return;
      story.isHalf = true;
      story.isOrderly = true;
      try {
        end.shutdown(SHUT_WR);
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
    }
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

  #open(): void {
    const number = this.#ends.length;
    if (number > 12) return;
    const [a, b] = [new Story(`${number}a`, this), new Story(`${number}b`, this)];
    if (this.random.chance(0.5)) {
      this.log(`pair ${a.name} ${b.name}`);
      a.peer = b;
      b.peer = a;
      const [ours, theirs] = socketpair();
      this.#start(a, ours);
      this.#start(b, theirs);
    } else {
      this.#connect(a);
    }
  }

  #connect(story: Story): void {
    const { family, address } = this.random.pick(this.#listeners);
    this.log(`connect ${story.name} to ${address}`);
    const { end } = this.#start(story);
    end.create_socket(family);
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
    const end = this.random.chance(0.6) ? chat(this, story, sock) : plain(this, story, sock);
    end.timeout = this.random.pick(this.#timeouts);
    if (this.random.chance(0.7)) {
      const { readable } = end;
      end.readable = () => !story.isPaused && readable.call(end);
    }
    if (this.#isSettling) this.#hurry(end);
    const player = { end, story };
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
        const story = new Story(client.name.replace('a', 'b'), round);
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
