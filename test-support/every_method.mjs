/**
 * Each public method of a channel, called where a program may come to call it: it answers or throws an
 * error that says what to do, it ends no loop, and output that was given before it is not lost unless the
 * method gives it up. In JavaScript, so that a worker of Node 20 can play it too.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { dispatcher, ExitNow, loop } from '@asyncore/core';
import { AF_INET, close, SHUT_WR, SO_KEEPALIVE, SOL_SOCKET, Socket } from '@asyncore/socket';

/**
 * A channel of whichever class: `any`, since its methods are called by their names.
 * @typedef {any} AnyChannel
 */

/**
 * What a kind of channel is.
 * @typedef {{
 *   make(sock: Socket | null, map: Map<number, AnyChannel>): AnyChannel,
 *   calls: Record<string, (channel: AnyChannel, round: Round) => unknown>,
 *   ends?: string[],
 *   connects?: boolean,
 * }} Kind
 */

const BEFORE = 'before';
/** The names of methods that begin another connection. */
const BEGINNING = ['create_socket', 'create_connection', 'create_server', 'set_socket', 'set_file'];
/** And of those that give up what waits, or the connection, each in its own way. */
const ENDING = [
  ...['close', 'handle_close', 'handle_close_event', 'handle_eof', 'handle_overflow'],
  ...['handle_timeout', 'detach', 'discard_buffers'],
];

/**
 * A class whose handlers say nothing, and read what comes.
 * @template {new (...args: AnyChannel[]) => AnyChannel} T
 * @param {T} Base
 */
export function quiet(Base) {
  return class extends Base {
    linger_time = 0.02;
    handle_read() {
      this.recv(100);
    }
    handle_connect() {}
    handle_error() {}
    log() {}
    log_info() {}
  };
}

/** @type {Kind['calls']} */
export const CALLS = {
  accept: (c) => c.accept(),
  add_channel: (c) => c.add_channel(),
  bind: (c) => c.bind(['127.0.0.1', 0]),
  call_at: (c) => c.call_at(performance.now() / 1000 + 60, () => {}),
  call_every: (c) => c.call_every(60, () => {}),
  call_later: (c) => c.call_later(60, () => {}),
  close: (c) => c.close(),
  connect: (c, { address }) => c.connect(address),
  connect_ex: (c, { address }) => c.connect_ex(address),
  create_connection: (c, { address }) => c.create_connection(address),
  create_server: (c) => c.create_server(['127.0.0.1', 0]),
  create_socket: (c) => c.create_socket(AF_INET),
  del_channel: (c) => {
    c.del_channel(); // as a program that pauses a channel does
    c.add_channel();
  },
  detach: (c) => close(c.detach()),
  fileno: (c) => c.fileno(),
  getblocking: (c) => c.getblocking(),
  getpeercred: (c) => c.getpeercred(),
  getpeername: (c) => c.getpeername(),
  getsockname: (c) => c.getsockname(),
  getsockopt: (c) => c.getsockopt(SOL_SOCKET, SO_KEEPALIVE),
  handle_accept: (c) => c.handle_accept(),
  handle_accepted: (c, round) => c.handle_accepted(round.pair()[0], round.address),
  handle_close: (c) => c.handle_close(),
  handle_close_event: (c) => c.handle_close_event(),
  handle_connect: (c) => c.handle_connect(),
  handle_connect_error: (c) => c.handle_connect_error(new Error('spam')),
  handle_connect_event: (c) => c.handle_connect_event(),
  handle_eof: (c) => c.handle_eof(),
  handle_error: (c) => c.handle_error(new Error('spam')),
  handle_expt: (c) => c.handle_expt(),
  handle_expt_event: (c) => c.handle_expt_event(),
  handle_read: (c) => c.handle_read(),
  handle_read_event: (c) => c.handle_read_event(),
  handle_timeout: (c) => c.handle_timeout(),
  handle_write: (c) => c.handle_write(),
  handle_write_event: (c) => c.handle_write_event(),
  listen: (c) => c.listen(),
  log: (c) => c.log('spam'),
  log_info: (c) => c.log_info('spam'),
  readable: (c) => c.readable(),
  recv: (c) => c.recv(10),
  recv_fds: (c) => c.recv_fds(10, 1),
  recv_into: (c) => c.recv_into(Buffer.alloc(10)),
  recvfrom: (c) => c.recvfrom(10),
  recvmmsg: (c) => c.recvmmsg(2, 10),
  recvmsg: (c) => c.recvmsg(10),
  send: (c) => c.send(Buffer.from('!')),
  send_fds: (c, { file }) => c.send_fds([Buffer.from('!')], [file]),
  sendfile: (c, { file }) => c.sendfile(file, 0, 1),
  sendmmsg: (c, { address }) => c.sendmmsg([[Buffer.from('!'), address]]),
  sendmsg: (c) => c.sendmsg([Buffer.from('!')]),
  sendto: (c, { address }) => c.sendto(Buffer.from('!'), address),
  set_keep_alive: (c) => c.set_keep_alive(),
  set_reuse_addr: (c) => c.set_reuse_addr(),
  set_socket: (c, round) => c.set_socket(round.pair()[0]),
  setblocking: (c) => c.setblocking(false),
  setsockopt: (c) => c.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1),
  shutdown: (c) => c.shutdown(SHUT_WR),
  toString: (c) => c.toString(),
  writable: (c) => c.writable(),
};

/**
 * The names of a class's public methods, its own and inherited ones.
 * @param {{ prototype: object }} Class
 */
export function methodsOf({ prototype }) {
  /** @type {Set<string>} */
  const names = new Set();
  for (let of = prototype; of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const name of Object.getOwnPropertyNames(of))
      if (isMethod(prototype, name)) names.add(name);
  }
  return [...names].sort();
}

/**
 * @param {object} prototype
 * @param {string} name
 */
function isMethod(prototype, name) {
  if (/^_|^constructor$/.test(name)) return false;
  try {
    return typeof Reflect.get(prototype, name) === 'function';
  } catch {
    return false; // an attribute, which only an instance has
  }
}

function listening() {
  const door = new dispatcher(null, new Map());
  door.create_socket();
  door.bind(['127.0.0.1', 0]);
  door.listen();
  return door;
}

/** What one call has around it. */
class Round {
  /** @type {Map<number, AnyChannel>} */
  map = new Map();
  file = openSync(import.meta.filename, 'r');
  /** What a call threw that it was not to throw. */
  wrong = null;
  #door = listening();
  /** @type {{ close(): void }[]} */
  #owned = [];

  /** @param {boolean | undefined} use_poll */
  constructor(use_poll) {
    this.use_poll = use_poll;
    this.address = this.#door.getsockname();
  }

  passes(count = 3, timeout = 0) {
    return loop({ map: this.map, use_poll: this.use_poll, timeout, count });
  }

  /** @param {() => boolean} happened */
  async until(happened) {
    for (let i = 0; i < 1000 && !happened(); i++) await this.passes(1, 0.01);
    assert(happened(), `not until ${happened}`);
  }

  /** The next connection to `address`. */
  async accepted() {
    for (let i = 0; i < 1000; i++) {
      const [sock] = this.#door.accept() ?? [];
      if (sock) return this.#own(sock);
      await this.passes(1, 0.01);
    }
    throw new Error('nobody connects');
  }

  /** The two ends of a connection. */
  pair() {
    const door = listening();
    const near = new Socket();
    near.connect_ex(door.getsockname());
    const [theirs] = door.accept() ?? assert.fail('the loopback connects at once');
    door.close();
    return [this.#own(near), this.#own(theirs)];
  }

  /**
   * What comes until `BEFORE` is among it.
   * @param {Socket} theirs
   */
  async heard(theirs) {
    theirs.setblocking(false);
    let came = '';
    for (let i = 0; i < 100 && !came.includes(BEFORE); i++) {
      await this.passes(1, i === 0 ? 0 : 0.01);
      try {
        const data = theirs.recv(100);
        if (data.length === 0) break;
        came += data;
      } catch (error) {
        if (Object(error).code !== 'EAGAIN') throw error;
      }
    }
    return came;
  }

  /**
   * @template {{ close(): void }} T
   * @param {T} thing
   */
  #own(thing) {
    this.#owned.push(thing);
    return thing;
  }

  end() {
    for (const channel of [...this.map.values()]) channel.close();
    for (const thing of this.#owned) thing.close();
    this.#door.close();
    closeSync(this.file);
  }
}

/**
 * Calls it, and sees to it that what it throws, if it does, says what is wrong.
 * @param {Kind} kind
 * @param {string} name
 * @param {AnyChannel} channel
 * @param {Round} round
 */
function attempt(kind, name, channel, round) {
  try {
    kind.calls[name](channel, round);
  } catch (error) {
    const isError = error instanceof Error && !(error instanceof ExitNow);
    const says = /^E[A-Z]+$/.test(Object(error).code) || /^\w+: /.test(error.message);
    if (!isError || !says) round.wrong ??= error;
  }
}

/**
 * @param {AnyChannel} channel
 * @param {() => unknown} once called for the next read event only
 */
function onRead(channel, once) {
  const { handle_read } = channel;
  channel.handle_read = () => {
    channel.handle_read = handle_read;
    return once();
  };
}

/**
 * Where a method may be called; each throws what it finds wrong.
 * @type {Record<string, (kind: Kind, name: string, round: Round) => Promise<void>>}
 */
export const SITUATIONS = {
  async 'in a handler with output waiting, it loses none of it'(kind, name, round) {
    const [ours, theirs] = round.pair();
    const channel = kind.make(ours, round.map);
    let isDone = false;
    onRead(channel, () => {
      channel.recv(100);
      channel.send(Buffer.from(BEFORE));
      attempt(kind, name, channel, round);
      isDone = true;
    });
    theirs.send(Buffer.from('?'));
    await round.until(() => isDone);
    if (name !== 'discard_buffers') assert.match(await round.heard(theirs), /^before/);
    await round.passes();
  },

  async 'after close, it ends no loop and keeps nothing'(kind, name, round) {
    const [ours] = round.pair();
    const channel = kind.make(ours, round.map);
    channel.close();
    attempt(kind, name, channel, round);
    await round.passes();
    if (BEGINNING.includes(name)) return;
    assert.equal(round.map.size, 0);
    assert.equal(channel._output()?.unsent ?? 0, 0);
    assert.equal(channel.connected, false);
  },

  async 'while connecting, it lets the attempt go on unless it ends it'(kind, name, round) {
    if (kind.connects === false) return;
    const channel = kind.make(null, round.map);
    channel.create_socket(AF_INET);
    const give = () => channel.send(Buffer.from(BEFORE));
    if (channel._output() === null) channel.handle_connect = give;
    channel.connect(round.address);
    if (channel._output() !== null) give();
    attempt(kind, name, channel, round);
    await round.passes();
    if ([...BEGINNING, ...ENDING, ...(kind.ends ?? [])].includes(name)) return;
    assert.match(await round.heard(await round.accepted()), /before/);
  },

  async 'while a promise of handle_read is pending, it loses no output'(kind, name, round) {
    const [ours, theirs] = round.pair();
    const channel = kind.make(ours, round.map);
    let go = () => {};
    let isCalled = false;
    onRead(channel, async () => {
      isCalled = true;
      await new Promise((resolve) => {
        go = () => resolve(null);
      });
    });
    theirs.send(Buffer.from('?'));
    await round.until(() => isCalled);
    channel.send(Buffer.from(BEFORE));
    attempt(kind, name, channel, round);
    go();
    if (name !== 'discard_buffers') assert.match(await round.heard(theirs), /^before/);
    await round.passes();
  },
};

/**
 * What goes wrong in a situation, for each of a kind's methods.
 * @param {Kind} kind
 * @param {string} situation
 * @param {boolean | undefined} use_poll
 */
export async function failuresOf(kind, situation, use_poll) {
  /** @type {string[]} */
  const failures = [];
  const play = async (/** @type {string} */ name) => {
    const round = new Round(use_poll);
    try {
      await SITUATIONS[situation](kind, name, round);
      if (round.wrong !== null) throw round.wrong;
    } catch (error) {
      failures.push(`${name} ${situation}: ${Object(error).stack ?? error}`);
    } finally {
      round.end();
    }
  };
  await Promise.all(Object.keys(kind.calls).map(play));
  return failures;
}

/**
 * The same in every situation, on every poller: for a worker.
 * @param {Kind} kind
 */
export async function allFailuresOf(kind) {
  /** @type {string[]} */
  const failures = [];
  for (const situation of Object.keys(SITUATIONS)) {
    for (const use_poll of [false, true, undefined]) {
      const found = await failuresOf(kind, situation, use_poll);
      failures.push(...found.map((failure) => `use_poll ${use_poll}: ${failure}`));
    }
  }
  return failures;
}
