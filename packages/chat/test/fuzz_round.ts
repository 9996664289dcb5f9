/**
 * Some connections whose two ends do anything at all, as a seed decides, and a model of what must
 * come of it: what one end sends arrives at the other in order, whole if the end was orderly;
 * handle_close comes once, and nothing after it or after close(). A listener has never more connections
 * than max_connections, and serves everybody in the end. In rounds that end impatiently nobody but a
 * `timeout` closes what is left: all of it, and none that has just moved.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { async_chat } from '@asyncore/chat';
import {
  type channel_map,
  close_all,
  dispatcher,
  dispatcher_with_send,
  loop,
  poll,
  poll2,
} from '@asyncore/core';
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

const ALPHABET = Buffer.from('ab\r\n');

/** The bytes that every end sends: what stands at a place tells nothing of what stands before it. */
const STREAM = Buffer.alloc(1 << 22);
const chance = new Random(1);
for (let i = 0; i < STREAM.length; i++) STREAM[i] = chance.pick(ALPHABET);

const TERMINATORS = ['\r\n', '\n', 'b\r', 'aab', ['\r\n', '\n'], ['ab', 'b\r\n'], 1, 7, 5000, null];
/** So many bytes may be the beginning of one, and are waited with. */
const HELD = 2;
const SIZES = [0, 1, 2, 10, 100, 5000, 70_000, 300_000];
/** Long enough for a machine that is busy; a round that hangs is a failure. */
const PATIENCE = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 10) * 1000;
/** Values of `timeout`, in seconds: while there is something to do none is to be reached. */
const TIMEOUTS = [0, 60];
const SHORT = 0.005;
const onLinux = process.platform === 'linux';
const FAMILIES = [AF_INET, ...(onLinux ? [AF_UNIX] : []), ...(hasInet6() ? [AF_INET6] : [])];

type End = ReturnType<Round['chat']> | ReturnType<Round['plain']>;

interface Player {
  readonly end: End;
  readonly story: Story;
}

/** What the model knows of an end. */
class Story {
  peer: Story | null = null;
  /** Bytes that were given to it to send, and that came. */
  sent = 0;
  received = 0;
  closes = 0;
  /** It was closed by itself, or by its neighbours. */
  isClosed = false;
  /** It sends no more: after close_when_done or a timeout, or our half of the connection is ended. */
  isDone = false;
  isHalf = false;
  isPaused = false;
  isCollecting = false;
  /** Those that have not given all. */
  producers = 0;
  /** It ends well: everything it sent has to arrive. */
  isOrderly = false;
  /** How much its peer had sent when it closed. */
  peerSent = -1;
  /** When it last received, sent or connected. */
  movedAt = performance.now();

  constructor(
    readonly name: string,
    readonly round: Round,
  ) {}

  get isOver(): boolean {
    return this.isClosed || this.closes > 0;
  }

  /** There is more to come. */
  get isBehind(): boolean {
    const { peer } = this;
    return !this.isOver && peer !== null && !peer.isOver && this.received < peer.sent - HELD;
  }

  /** The next bytes to be sent. */
  bytes(size: number): Buffer {
    const start = this.sent;
    this.sent = Math.min(start + size, STREAM.length);
    return STREAM.subarray(start, this.sent);
  }

  heard(what: string): void {
    this.round.log(`${this.name} ${what}`);
    if (this.isOver) this.round.fail(`${this.name}: ${what} after the end`);
  }

  moved(): void {
    this.movedAt = performance.now();
  }

  came(data: Uint8Array): void {
    this.moved();
    const expected = STREAM.subarray(this.received, this.received + data.length);
    if (Buffer.compare(data, expected) !== 0) this.round.fail(`${this.name}: other bytes came`);
    this.received += data.length;
    if (this.peer && this.received > this.peer.sent) this.round.fail(`${this.name}: too much came`);
  }

  /** Before the descriptor is closed, by whomever. */
  closing(): void {
    if (this.peerSent >= 0) return;
    this.peerSent = this.peer?.sent ?? 0;
    // What was not read makes a reset of the end, which may overtake what was sent.
    if (this.received !== this.peerSent) this.isOrderly = false;
  }
}

export class Round {
  readonly map: channel_map = new Map();
  readonly #descriptors = descriptors();
  readonly #random: Random;
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
    this.#random = new Random(seed);
    this.log(`-- seed ${seed}`);
    this.#budget = 20 + this.#random.below(150);
    this.#isImpatient = this.#random.chance(0.1);
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
        if (this.#random.chance(0.4))
          await this.#loop({ timeout: 0, count: 1 + this.#random.below(3) });
        if (this.#random.chance(0.05)) await new Promise((resolve) => setImmediate(resolve));
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
      end.timeout = this.#random.pick(this.#timeouts);
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
      if (open.length < 2 || this.#random.chance(0.06)) this.#open();
      else this.#do(this.#random.pick(open));
    } finally {
      this.#depth -= 1;
    }
  }

  /** From inside of a handler. */
  #perhaps(): void {
    while (this.#budget > 0 && this.#random.chance(0.2)) this.#act();
    if (this.#budget > 0 && this.#random.chance(0.01)) throw new Error('mine');
  }

  #do({ end, story }: Player): void {
    const { name } = story;
    const random = this.#random;
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
    const random = this.#random;
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
    if (this.#random.chance(0.5)) {
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
    const { family, address } = this.#random.pick(this.#listeners);
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
    const end = this.#random.chance(0.6) ? this.chat(story, sock) : this.plain(story, sock);
    end.timeout = this.#random.pick(this.#timeouts);
    if (this.#random.chance(0.7)) {
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
      override max_connections = round.#random.pick([0, 1, 2, 5]);
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
        round.#perhaps();
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

  chat(story: Story, sock: Socket | null) {
    const round = this;
    class Chat extends async_chat {
      terminator: (typeof TERMINATORS)[number] = null;
      collected = 0;

      collect_incoming_data(data: Buffer): void {
        story.heard(`collect ${data.length}`);
        story.came(data);
        story.isCollecting = true; // the next found_terminator may be of this terminator still
        try {
          round.#perhaps();
        } finally {
          // So too while it does not read, and then goes on from here.
          story.isCollecting = !async_chat.prototype.readable.call(this);
        }
      }
      found_terminator(): void {
        story.heard('found');
        story.isCollecting = false;
        const found = [this.terminator].flat().filter((each) => typeof each === 'string');
        // Of those that fit here, the longest.
        const [longest = ''] = found
          .filter(
            (each) =>
              STREAM.toString('latin1', story.received, story.received + each.length) === each,
          )
          .sort((one, other) => other.length - one.length);
        if (found.length > 0 && longest === '') round.fail(`${story.name}: no terminator is here`);
        story.came(Buffer.from(longest));
        if (found.length === 0) this.terminator = null; // of a number nothing is left
        round.#perhaps();
      }
      override handle_drain(): void {
        story.heard('drain');
        round.#perhaps();
      }
    }
    const chat = round.#told(new Chat(sock, this.map), story);
    chat.set_terminator(null);
    chat.ac_in_buffer_size = this.#random.pick([1, 100, 4096, 65_536]);
    chat.ac_out_buffer_size = this.#random.pick([10, 4096, 65_536]);
    // Of one end only: two that do not read while they wait to be read would wait for ever.
    const limits = story.name.endsWith('a') ? [0, 1000, 100_000] : [0];
    chat.ac_out_high_water = this.#random.pick(limits);
    return chat;
  }

  plain(story: Story, sock: Socket | null) {
    const round = this;
    class Plain extends dispatcher_with_send {
      readSize = round.#random.pick([1, 100, 4096, 65_536]);

      override handle_read(): void {
        story.heard('read');
        const data = this.recv(this.readSize);
        if (data.length > 0) story.came(data);
        if (!story.isOver) round.#perhaps();
      }
    }
    return round.#told(new Plain(sock, this.map), story);
  }

  /** What both kinds have in common. */
  #told<C extends async_chat | dispatcher_with_send>(channel: C, story: Story): C {
    const { close, handle_close, handle_eof, handle_timeout, _send_chunks } = channel;
    channel.log_info = () => {};
    channel._send_chunks = (chunks) => {
      const sent = _send_chunks.call(channel, chunks);
      if (sent > 0) story.moved();
      return sent;
    };
    channel.handle_timeout = () => {
      story.heard('timeout');
      const quiet = performance.now() - story.movedAt;
      if (quiet < channel.timeout * 1000) this.fail(`${story.name}: a timeout after ${quiet} ms`);
      story.isDone = true;
      story.isOrderly = false;
      handle_timeout.call(channel);
    };
    channel.handle_connect = () => {
      story.heard('connect');
      story.moved();
      this.#perhaps();
    };
    // The other end may have been reset before this one knew that it was connected.
    channel.handle_connect_error = (error) => {
      story.heard(`${error}`);
      channel.close();
    };
    channel.handle_eof = () => {
      story.heard('eof');
      this.#perhaps();
      if (story.isOver) return;
      story.isOrderly = true;
      handle_eof.call(channel);
    };
    channel.handle_close = () => {
      story.heard('handle_close');
      story.closing();
      story.closes += 1;
      handle_close.call(channel);
      this.#perhaps();
    };
    channel.handle_error = (error) => {
      if ((error as Error).message !== 'mine') {
        this.fail(`${story.name}: ${(error as Error).stack}`);
      }
      story.isOrderly = false;
      channel.close();
    };
    channel.close = () => {
      story.closing();
      if (story.closes === 0) story.isClosed = true;
      close.call(channel);
    };
    return channel;
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
