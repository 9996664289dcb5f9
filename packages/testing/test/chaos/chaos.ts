/**
 * Channels that do anything in any handler, peers that do anything at any time, and what must hold all the
 * same: bytes arrive in order and once, handlers come in their order, everybody is told of the end once,
 * and nothing is lost that was sent and ended properly.
 */
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send, poll, poll2, socket_map } from '@asyncore/core';
import { type InetAddress, SHUT_WR, SO_LINGER, SOL_SOCKET, type Socket } from '@asyncore/socket';
import type { network, peer } from '@asyncore/testing';
import { inside, sleep, tcpOf } from '../inside.js';
import { Life } from './life.js';
import { Broken, broken, type Pair, Stream } from './stream.js';

const HERE: InetAddress = ['127.0.0.1', 7000];

type Kind = 'plain' | 'with_send' | 'chat';
/** What all three have is all that is used of a channel whose kind is not known. */
const bases: Record<Kind, typeof async_chat> = {
  plain: dispatcher as unknown as typeof async_chat,
  with_send: dispatcher_with_send as unknown as typeof async_chat,
  chat: async_chat,
};
const kinds: readonly Kind[] = ['plain', 'with_send', 'chat'];

interface Scripted {
  readonly peer: peer;
  readonly pair: Pair;
  isHard: boolean;
  isDone: boolean;
}

/** One run. */
class Chaos {
  readonly lives: { life: Life; channel: Wild }[] = [];
  readonly peers: Scripted[] = [];
  readonly byPort = new Map<number, Pair>();
  /** How many deeds are left. */
  budget = 40;
  isFinale = false;
  streams = 0;
  names = 0;

  constructor(readonly net: network) {}

  choose(n: number, label: string): number {
    return this.net.choose(n, label);
  }

  of<T>(label: string, list: readonly T[]): T {
    return list[this.choose(list.length, label)];
  }

  fail(error: unknown): void {
    inside(this.net).driver.fail(error);
  }

  pair(): Pair {
    this.streams += 2;
    return { up: new Stream(this.streams - 1), down: new Stream(this.streams) };
  }

  /** Channels whose present connection is open. */
  living(): Wild[] {
    return this.lives
      .filter(({ life, channel }) => !life.isClosed && life === channel.life)
      .map(({ channel }) => channel);
  }

  pick(): Wild | null {
    const all = this.living();
    return all.length > 0 ? all[this.choose(all.length, 'whom')] : null;
  }

  make(sock: Socket | null, name: string, isClient: boolean): Wild {
    const kind = this.of('kind', kinds);
    const channel = new wild[kind](sock, name, kind, this);
    channel.isClient = isClient;
    channel.forgets = this.choose(4, 'forgets to close') === 1;
    channel.timeout = this.of('timeout', [0, 0.5, 3]);
    channel.linger_time = 600; // more than all delays that may come together
    if (kind === 'chat') {
      channel.set_terminator(this.of('terminator', [null, 1, 7, 1000]));
      channel.ac_out_high_water = this.of('high water', [1 << 20, 1, 1000]);
    }
    return channel;
  }

  newClient(): void {
    this.names += 1;
    this.make(null, `client ${this.names}`, true).dial();
  }

  newPeer(): void {
    const one = this.net.connect(HERE);
    const pair = this.pair();
    this.byPort.set(one.address?.[1] as number, pair); // it has one as soon as it connects
    this.peers.push({ peer: one, pair, isHard: false, isDone: false });
  }

  peerActs(one: Scripted): void {
    if (one.isDone) return;
    const { peer, pair } = one;
    switch (this.choose(7, 'peer')) {
      case 0: {
        const data = pair.up.next(this.of('size', [1, 30, 3000]));
        pair.up.sent += data.length;
        peer.send(data);
        break;
      }
      case 1:
        one.isDone = true;
        peer.half_close();
        break;
      case 2:
        one.isHard = true;
        one.isDone = true;
        peer.reset();
        break;
      case 3:
        one.isHard = true;
        one.isDone = true;
        peer.close();
        break;
      case 4:
        peer.stall();
        break;
      case 5:
        peer.resume();
        break;
    }
  }

  /** Everything ends; then everything must have ended. */
  async finish(server: dispatcher): Promise<void> {
    const { net } = this;
    this.isFinale = true;
    for (const { peer } of this.peers) peer.resume();
    for (const channel of this.living()) channel.paused = false;
    await net.advance(800);
    for (const one of this.peers) {
      if (!one.isDone) one.peer.half_close();
      one.isDone = true;
    }
    for (const channel of this.living()) channel.end();
    await net.advance(800);
    for (const { life, channel } of this.lives) {
      if (life.isClosed || life !== channel.life || life.closes === 0) continue;
      life.isHard = true;
      channel.close(); // it had forgotten to
    }
    await net.advance(800);
    for (const { peer, pair } of this.peers) pair.down.arrived(peer.received, 'a peer');
    for (const { life, channel } of this.lives) {
      if (life.isClosed || life !== channel.life) continue;
      if (life.closes === 0) broken(`${channel.name} was never told of the end: ${channel.kind}`);
      channel.close();
    }
    server.close();
    for (const { peer } of this.peers) peer.close();
    await net.advance(800);
    const left = net.open().filter((name) => name !== 'queue');
    if (left.length > 0) broken(`still open: ${left.join(', ')}`);
    if (socket_map.size > 0) broken(`still in the map: ${[...socket_map.values()].join(', ')}`);
    this.#nothingLost();
  }

  /** What was sent by one who ended properly has come to one who waited for the end. */
  #nothingLost(): void {
    for (const pair of new Set(this.byPort.values())) {
      const lives = this.lives.filter(({ life }) => life.pair === pair);
      const scripted = this.peers.find((one) => one.pair === pair);
      for (const stream of [pair.up, pair.down]) {
        const sender = lives.find(({ life }) => life.out === stream)?.life;
        const receiver = lives.find(({ life }) => life.in === stream)?.life;
        const isSent = sender
          ? sender.isTidy && !sender.isHard && sender.errors === 0
          : scripted !== undefined && !scripted.isHard;
        const isTaken = receiver
          ? !receiver.isHard && receiver.errors === 0 && receiver.eofs > 0
          : scripted !== undefined && !scripted.isHard && scripted.peer.ended === 'end';
        if (!isSent || !isTaken || stream.got === stream.sent) continue;
        broken(`lost: ${stream.got} of ${stream.sent} bytes of stream ${stream.id} have come`);
      }
    }
  }
}

type Wild = InstanceType<ReturnType<typeof wildOf>>;

function wildOf(Base: typeof async_chat) {
  return class extends Base {
    paused = false;
    isClient = false;
    forgets = false;
    life: Life | null = null;
    #noWrite = false;

    constructor(
      sock: Socket | null,
      readonly name: string,
      readonly kind: Kind,
      readonly chaos: Chaos,
    ) {
      super(sock);
      if (sock !== null) this.begin();
    }

    begin(): Life {
      const life = new Life(this.chaos.net.now);
      this.life = life;
      this.chaos.lives.push({ life, channel: this });
      return life;
    }

    // ---- what moves ----

    override recv(size: number, flags?: number): Buffer {
      const data = super.recv(size, flags);
      if (data.length > 0 && this.life) this.life.moved = this.chaos.net.now;
      return data;
    }

    override _send_chunks(chunks: readonly Uint8Array[]): number {
      const sent = super._send_chunks(chunks);
      if (sent > 0 && this.life) this.life.moved = this.chaos.net.now;
      return sent;
    }

    // ---- what it does ----

    get isBusy(): boolean {
      return this.chaos.isFinale || this.chaos.budget <= 0;
    }

    #isAlive(life: Life | null): life is Life {
      return life !== null && life === this.life && !life.isClosed && life.closes === 0;
    }

    give(size: number): void {
      const { life } = this;
      if (life === null || life.isClosed || life.out === null || life.isTidy) return;
      const data = life.out.next(size);
      if (this.kind !== 'plain') {
        life.out.sent += size; // before: a peer may see it at once
        if (this.kind === 'chat') this.push(data);
        else this.send(data);
        return;
      }
      if (!this.connected) return;
      life.out.sent += size;
      let taken = 0;
      try {
        taken = this.send(data);
      } finally {
        life.out.sent -= size - taken;
      }
    }

    override close(): void {
      const { life } = this;
      if (life && (!life.isTidy || life.closes === 0)) life.isHard = true;
      super.close();
      if (life) life.isClosed = true;
    }

    dial(): void {
      this.create_socket();
      const life = this.begin();
      const pair = this.chaos.pair();
      life.pair = pair;
      life.out = pair.up;
      life.in = pair.down;
      try {
        this.connect(HERE);
      } catch (error) {
        this.handle_connect_error(error);
        return;
      }
      this.chaos.byPort.set((this.getsockname() as InetAddress)[1], pair);
    }

    /** Ends in order, if it has not yet. */
    end(): void {
      if (this.kind === 'plain' || !this.connected) this.close();
      else if (this.isClient && this.life) {
        this.life.isTidy = true;
        this.close_when_done();
      }
    }

    act(): Promise<void> | void {
      const { life } = this;
      for (let i = this.chaos.choose(3, 'more deeds'); i > 0 && this.#isAlive(life); i--) {
        const pending = this.#deed();
        if (pending) return pending;
      }
      if (this.#isAlive(life)) return this.#deed();
    }

    #deed(): Promise<void> | void {
      const { chaos, life } = this;
      if (this.isBusy || life === null) return;
      const what = chaos.choose(17, 'deed');
      if (what === 0) return;
      chaos.budget -= 1;
      switch (what) {
        case 1:
        case 2:
          this.give(chaos.of('size', [1, 10, 700, 5000]));
          break;
        case 3:
          this.close();
          break;
        case 4:
          this.finish();
          break;
        case 5:
          throw new Error('boom');
        case 6:
          if (this.kind !== 'plain' || !this.connected) break;
          life.isTidy = true;
          this.shutdown(SHUT_WR);
          break;
        case 7:
          if (!this.connected) break;
          life.isHard = true;
          this.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
          this.close();
          break;
        case 8: {
          const other = chaos.pick();
          if (other !== this) other?.deedOfAnother();
          break;
        }
        case 9:
          if (chaos.lives.length < 12) chaos.newClient();
          break;
        case 10:
          if (this._fileno === null) break;
          this.del_channel();
          this.add_channel();
          break;
        case 11:
          if (!this.isClient) break;
          this.close();
          this.dial();
          break;
        case 12:
          chaos.of('which poll', [poll, poll2])(0, socket_map);
          break;
        case 13:
          this.paused = !this.paused;
          break;
        case 14:
          if (this.kind === 'chat') this.produce();
          break;
        case 15:
          return this.later();
        case 16:
          this.give(3);
          break;
      }
    }

    deedOfAnother(): void {
      if (this.isBusy) return;
      this.chaos.budget -= 1;
      const what = this.chaos.choose(4, "another's deed");
      if (what === 0) this.give(100);
      else if (what === 1) this.close();
      else if (what === 2) this.paused = !this.paused;
      else this.finish();
    }

    finish(): void {
      const { life } = this;
      if (this.kind === 'plain' || life === null || life.isClosed || !this.connected) return;
      life.isTidy = true;
      this.close_when_done();
    }

    async later(): Promise<void> {
      const { life } = this;
      await sleep(this.chaos.of('sleep', [0.001, 0, 0.5]));
      if (this.#isAlive(life)) return this.act();
    }

    produce(): void {
      const { chaos, life } = this;
      if (life === null || life.isClosed || life.out === null || life.isTidy) return;
      const { out } = life;
      const pieces = chaos.of('pieces', [[10], [1, 1, 1], [3000, 2], []]).map((size) => {
        const data = out.next(size);
        out.sent += size;
        return data;
      });
      const way = chaos.choose(4, 'producer');
      const fails = chaos.choose(8, 'producer fails') === 1;
      if (fails) life.isHard = true;
      const boom = () => {
        if (fails) throw new Error('boom in a producer');
      };
      if (way === 0) this.push_with_producer(pieces);
      else if (way === 1) this.push_with_producer(all(pieces, boom));
      else if (way === 2) {
        const left = [...pieces];
        const more = () => {
          if (left.length === 0) boom();
          return left.shift() ?? Buffer.alloc(0);
        };
        this.push_with_producer({ more });
      } else this.push_with_producer(slowly(pieces, boom, chaos));
    }

    // ---- what it is told ----

    happens(what: string): Life {
      const { life } = this;
      if (life === null) broken(`${this.name}: ${what} without a socket`);
      if (life.isClosed) broken(`${this.name}: ${what} after close()`);
      if (life.closes > 0) broken(`${this.name}: ${what} after handle_close`);
      return life;
    }

    override readable(): boolean {
      return !this.paused && super.readable();
    }

    override writable(): boolean {
      if (this.kind !== 'plain') return super.writable();
      const writes = this.life?.writes ?? 0;
      return !this.connected || (!this.chaos.isFinale && !this.#noWrite && writes < 20);
    }

    override handle_connect(): Promise<void> | void {
      const life = this.happens('handle_connect');
      const { state } = tcpOf(this.chaos.net, this);
      if (state === 'connecting') {
        broken(`${this.name}: handle_connect before there is a connection`);
      }
      life.moved = this.chaos.net.now;
      life.connects += 1;
      if (life.connects > 1) broken(`${this.name}: handle_connect twice`);
      if (this.chaos.choose(2, 'speaks first') === 1) this.give(10);
      return this.act();
    }

    override handle_read(): Promise<void> | void {
      const life = this.happens('handle_read');
      const { state, input, atEnd, error, shut } = tcpOf(this.chaos.net, this);
      const isQuiet = input.length === 0 && !atEnd && !(shut & 1) && error === 0;
      if (isQuiet && state === 'established') broken(`${this.name}: handle_read for nothing`);
      if (this.kind === 'chat') super.handle_read();
      else {
        const data = this.recv(this.chaos.of('recv size', [8192, 1, 100]));
        if (data.length > 0) life.in?.arrived(data, this.name);
      }
      if (this.#isAlive(life)) return this.act();
    }

    override collect_incoming_data(data: Buffer): Promise<void> | void {
      this.life?.in?.arrived(data, this.name);
      if (this.chaos.choose(4, 'in collect_incoming_data') === 1) return this.act();
    }

    override found_terminator(): Promise<void> | void {
      const life = this.happens('found_terminator');
      const pending = this.act();
      if (life === this.life && !life.isClosed) {
        this.set_terminator(this.chaos.of('terminator', [1, 5, 300]));
      }
      return pending;
    }

    override handle_write(): Promise<void> | void {
      const life = this.happens('handle_write');
      if (this.kind !== 'plain') return super.handle_write();
      life.writes += 1;
      if (life.writes > 20) this.#noWrite = true;
      if (this.chaos.choose(3, 'writes') === 0) return this.act();
      this.give(50);
    }

    override handle_eof(): void {
      const life = this.happens('handle_eof');
      life.eofs += 1;
      if (life.eofs > 1) broken(`${this.name}: handle_eof twice`);
      super.handle_eof();
    }

    override handle_timeout(): void {
      const life = this.happens('handle_timeout');
      const silent = this.chaos.net.now - life.moved;
      if (this.timeout > 0 && silent < this.timeout - 1e-6) {
        broken(`${this.name}: handle_timeout after ${silent} s of ${this.timeout}`);
      }
      life.isHard = true;
      super.handle_timeout();
    }

    override handle_close(): void {
      const { chaos, life } = this;
      if (life === null || life.isClosed) broken(`${this.name}: handle_close after close()`);
      life.closes += 1;
      if (life.closes > 1) broken(`${this.name}: handle_close twice`);
      if (!this.isBusy) {
        const what = chaos.choose(4, 'in handle_close');
        if (what !== 0) chaos.budget -= 1;
        if (what === 1) throw new Error('boom in handle_close');
        if (what === 2 && this.isClient) {
          this.close();
          this.dial();
          return;
        }
        if (what === 3) {
          const other = chaos.pick();
          if (other !== this) other?.deedOfAnother();
        }
      }
      if (!this.forgets) this.close();
    }

    override handle_error(error: unknown): void {
      if (error instanceof Error && /^boom/.test(error.message)) {
        if (this.life) this.life.errors += 1;
        super.handle_error(error);
        return;
      }
      this.chaos.fail(error);
      this.close();
    }

    override handle_connect_error(error: unknown): void {
      const { code } = error as NodeJS.ErrnoException;
      if (this.life?.isClosed) broken(`${this.name}: handle_connect_error after close()`);
      if (error instanceof Broken || !code) this.chaos.fail(error);
      this.close();
    }

    override handle_expt(): void {
      broken(`${this.name}: handle_expt`);
    }

    override log(): void {}
    override log_info(): void {}
  };
}

function* all(pieces: Buffer[], end: () => void) {
  yield* pieces;
  end();
}

async function* slowly(pieces: Buffer[], end: () => void, chaos: Chaos) {
  for (const piece of pieces) {
    if (chaos.choose(2, 'a piece waits') === 1) await sleep(0.001);
    yield piece;
  }
  end();
}

const wild = {
  plain: wildOf(bases.plain),
  with_send: wildOf(bases.with_send),
  chat: wildOf(bases.chat),
};

class Server extends dispatcher {
  constructor(readonly chaos: Chaos) {
    super();
    this.create_socket();
    this.bind(HERE);
    this.listen(5);
  }

  override handle_accepted(sock: Socket, address: InetAddress | string | Uint8Array) {
    const { chaos } = this;
    const pair = chaos.byPort.get((address as InetAddress)[1]);
    if (pair === undefined) broken('somebody unknown was accepted');
    chaos.names += 1;
    const channel = chaos.make(sock, `server ${chaos.names}`, false);
    const life = channel.life ?? channel.begin();
    life.pair = pair;
    life.in = pair.up;
    life.out = pair.down;
    life.connects = 1;
    if (!channel.isBusy && chaos.choose(6, 'in handle_accepted') === 1) {
      chaos.budget -= 1;
      life.isHard = true;
      throw new Error('boom in handle_accepted');
    }
    if (chaos.choose(2, 'greets') === 1) channel.give(20);
  }

  override handle_error(error: unknown) {
    if (!(error instanceof Error && /^boom/.test(error.message))) this.chaos.fail(error);
  }

  override handle_close() {
    this.chaos.fail(new Broken('the listener is closed'));
    this.close();
  }

  override log_info() {}
}

/** One run, whatever the network decides. */
export async function chaos(net: network): Promise<void> {
  const all = new Chaos(net);
  const server = new Server(all);
  server.max_connections = all.of('max_connections', [0, 1, 2]);
  for (let i = 1 + all.choose(3, 'clients'); i > 0; i--) {
    if (all.choose(3, 'peer or client') === 0) all.newPeer();
    else all.newClient();
  }
  for (let i = 1 + all.choose(8, 'rounds'); i > 0; i--) {
    for (const one of all.peers) all.peerActs(one);
    if (all.choose(3, 'from outside') !== 0) all.pick()?.deedOfAnother();
    await net.advance(all.of('pause', [0.001, 0.0001, 0.1, 2]));
  }
  await all.finish(server);
}
