/**
 * Two ends that send each other messages, as a seed decides: datagrams of each family, and SEQPACKET. Each
 * send is a message of its own, and arrives as that message, in order; none is lost, unless the kernel may
 * lose it (UDP). One that is too long is told to handle_error, and stops none after it. A handler that is
 * async runs alone.
 */
import { async_chat } from '@asyncore/chat';
import { type channel_map, close_all, dispatcher_with_send, loop, poll2 } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { Random } from '@asyncore/test-support/random';

/** The last one is too long for every kind. */
const SIZES = [1, 4, 100, 5000, 30_000, 400_000];
const TOO_LONG = 400_000;
const PATIENCE = Number(process.env.ASYNCORE_TEST_PATIENCE ?? 10) * 1000;

type Kind = 'unix' | 'seqpacket' | 'inet' | 'inet6';
const KINDS: Kind[] = [
  'inet',
  ...(hasInet6() ? (['inet6'] as const) : []),
  'unix',
  ...(process.platform === 'linux' ? (['seqpacket'] as const) : []),
];

function pairOf(kind: Kind): [Socket, Socket] {
  if (kind === 'unix') return socketpair(AF_UNIX, SOCK_DGRAM);
  if (kind === 'seqpacket') return socketpair(AF_UNIX, SOCK_SEQPACKET);
  const family = kind === 'inet' ? AF_INET : AF_INET6;
  const pair: [Socket, Socket] = [new Socket(family, SOCK_DGRAM), new Socket(family, SOCK_DGRAM)];
  for (const sock of pair) sock.bind([family === AF_INET ? '127.0.0.1' : '::1', 0]);
  pair[0].connect(pair[1].getsockname());
  pair[1].connect(pair[0].getsockname());
  return pair;
}

/** What the model knows of an end. */
class Account {
  peer: Account | null = null;
  /** Messages that were sent and have not come. */
  readonly due: Buffer[] = [];
  /** How many were too long, and how many of those handle_error was told of. */
  tooLong = 0;
  told = 0;
  count = 0;
  closes = 0;
  isPaused = false;
  isPending = false;

  constructor(readonly name: string) {}
}

type End = async_chat | dispatcher_with_send;

export class DatagramRound {
  readonly map: channel_map = new Map();
  readonly #random: Random;
  readonly #kind: Kind;
  readonly #ends: { end: End; account: Account }[] = [];
  readonly #lines: string[] = [];
  #budget: number;
  #failure = '';

  constructor(
    seed: number,
    readonly use_poll: boolean | undefined,
  ) {
    this.#random = new Random(seed);
    this.#kind = this.#random.pick(KINDS);
    this.#budget = 20 + this.#random.below(80);
    this.#log(`-- seed ${seed}: ${this.#kind}`);
    const [a, b] = [new Account('a'), new Account('b')];
    a.peer = b;
    b.peer = a;
    const pair = pairOf(this.#kind);
    // Little room, so that there is often something that waits.
    if (this.#random.chance(0.5)) {
      for (const sock of pair) sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 70_000);
    }
    this.#start(a, pair[0]);
    this.#start(b, pair[1]);
  }

  #log(line: string): void {
    this.#lines.push(line);
  }

  #fail(why: string): void {
    this.#failure ||= `${why}\n${this.#lines.slice(-60).join('\n')}`;
  }

  /** Plays it. Throws an Error that says what the model did not expect. */
  async play(): Promise<void> {
    try {
      while (this.#budget > 0 && this.#failure === '') {
        this.#act();
        if (this.#random.chance(0.4)) await this.#loop({ timeout: 0, count: 1 });
      }
      await this.#settle();
      for (const { end } of this.#ends) end.close_when_done();
      await this.#loop({ signal: AbortSignal.timeout(PATIENCE) }).catch(() =>
        this.#fail('still open'),
      );
      for (const { account } of this.#ends) this.#judge(account);
    } finally {
      close_all(this.map, true);
    }
    if (this.#failure !== '') throw new Error(this.#failure);
  }

  #loop(options: { timeout?: number; count?: number; signal?: AbortSignal }): Promise<void> {
    return loop({ map: this.map, use_poll: this.use_poll, ...options });
  }

  /** Until all is out, and has come. */
  async #settle(): Promise<void> {
    this.#log('-- nothing new');
    this.#budget = 0;
    for (const { account } of this.#ends) account.isPaused = false;
    const isLossy = this.#kind.startsWith('inet');
    const end = performance.now() + PATIENCE;
    for (;;) {
      const before = this.#lines.length;
      await this.#loop({ timeout: 0.02, count: 1 });
      const waits = this.#ends.some(({ end }) => end._output().isWaiting);
      const isQuiet = this.#lines.length === before;
      const hasCome = this.#ends.every(({ account }) => account.due.length === 0);
      if (!waits && (hasCome || (isLossy && isQuiet))) return;
      if (this.#failure !== '') return;
      if (performance.now() > end) return this.#fail(waits ? 'it waits still' : 'not all has come');
    }
  }

  #judge({ name, closes, tooLong, told }: Account): void {
    if (closes !== 1) this.#fail(`${name}: ${closes} times handle_close`);
    if (told !== tooLong) this.#fail(`${name}: told of ${told} of ${tooLong} that were too long`);
  }

  // ---- what may be done ----

  #act(): void {
    if (this.#budget-- <= 0) return;
    const { end, account } = this.#random.pick(this.#ends);
    const what = this.#random.below(100);
    if (what < 75) this.#give(end, account);
    else if (what < 90) account.isPaused = !account.isPaused;
    else if (this.#random.chance(0.5)) end.initiate_send();
    else poll2(0, this.map);
  }

  #perhaps(): void {
    while (this.#budget > 0 && this.#random.chance(0.25)) this.#act();
  }

  /** A message that is no other's, as long as the place in it tells. */
  #message(account: Account): Buffer {
    let size = this.#random.pick(SIZES);
    if (size === TOO_LONG && !this.#random.chance(0.3)) size = 100;
    const message = Buffer.alloc(size, ++account.count % 251);
    if (size >= 4) message.writeUInt32LE(account.count);
    this.#log(`${account.name} sends ${size}`);
    if (size === TOO_LONG) account.tooLong += 1;
    else account.due.push(message);
    return message;
  }

  #give(end: End, account: Account): void {
    if (!(end instanceof async_chat)) {
      end.send(this.#message(account));
      return;
    }
    if (this.#random.chance(0.7)) {
      end.push(this.#message(account));
      return;
    }
    const messages = Array.from({ length: 1 + this.#random.below(4) }, () =>
      this.#message(account),
    );
    end.push_with_producer(messages);
  }

  // ---- the ends ----

  #start(account: Account, sock: Socket): void {
    const end = this.#random.chance(0.5)
      ? new (class extends async_chat {
          override collect_incoming_data(): void {}
          override found_terminator(): void {}
        })(sock, this.map)
      : new dispatcher_with_send(sock, this.map);
    const { readable } = end;
    end.log_info = () => {};
    end.readable = () => !account.isPaused && readable.call(end);
    end.handle_read = () => this.#read(end, account);
    end.handle_error = (error) => {
      if ((error as NodeJS.ErrnoException).code === 'EMSGSIZE') account.told += 1;
      else this.#fail(`${account.name}: ${(error as Error).stack}`);
    };
    end.handle_close = () => {
      account.closes += 1;
      end.close();
    };
    this.#ends.push({ end, account });
  }

  #read(end: End, account: Account): Promise<void> | undefined {
    if (account.isPending) this.#fail(`${account.name}: read while a promise is pending`);
    this.#came(account, end.recv(1 << 20));
    this.#perhaps();
    if (!this.#random.chance(0.1)) return undefined;
    account.isPending = true;
    const wait = async () => {
      await new Promise(setImmediate);
      account.isPending = false;
      this.#perhaps();
    };
    return wait();
  }

  #came(account: Account, message: Buffer): void {
    this.#log(`${account.name} got ${message.length}`);
    const due = account.peer?.due ?? [];
    const at = due.findIndex((each) => each.equals(message));
    const isNext = at === 0 || (at > 0 && this.#kind.startsWith('inet'));
    if (!isNext)
      this.#fail(`${account.name}: ${message.length} bytes that are not the next message`);
    due.splice(0, at + 1);
  }
}
