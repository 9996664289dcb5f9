import { type channel_map, close_all, loop, socket_map } from '@asyncore/core';
import { type Address, type InetAddress, use_wakeup } from '@asyncore/socket';
import { use_binding, use_clock } from '@asyncore/socket/kernel';
import { datagram_peer } from './datagram_peer.js';
import { Decisions } from './decisions.js';
import { Driver } from './driver.js';
import { virtual_globals } from './globals.js';
import { Kernel } from './kernel/kernel.js';
import { loopback } from './kernel/loopback.js';
import { type Name, shownName, unixName } from './kernel/names.js';
import { C } from './kernel/numbers.js';
import type { OpenFile } from './kernel/open_file.js';
import { SocketFile } from './kernel/socket_file.js';
import type { World } from './kernel/world.js';
import type { simulate_options } from './options.js';
import { on_standstill, real_timers } from './outside.js';
import { peer } from './peer.js';
import { peer_listener } from './peer_listener.js';
import { Trace } from './trace.js';
import { VirtualClock } from './virtual_clock.js';
import { Weather } from './weather.js';

/** Seconds after which a wait is given up, unless it says otherwise. */
const PATIENCE = 600;

let current: network | null = null;

/** A network in memory, in which the test plays the other ends. `simulate` and `explore` make them. */
export class network {
  /** @internal */
  readonly decisions: Decisions;
  /** @internal */
  readonly kernel: Kernel;
  /** @internal */
  readonly driver: Driver;
  readonly #clock: VirtualClock;
  readonly #weather: Weather;
  readonly #trace: Trace | null;
  readonly #options: simulate_options;
  readonly #maps = new Set<channel_map>([socket_map]);
  /** The maps that are being served, by a loop of the network's own or by a loop of the program. */
  readonly #served = new Map<channel_map, 'own' | number>();
  readonly #ends: { break_off(): void }[] = [];
  readonly #blackHoles = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #restores: (() => void)[] = [];
  readonly #realTimers = real_timers();

  /** @internal */
  constructor(options: simulate_options) {
    if (current !== null) {
      throw new Error(
        'simulate: a network is being simulated already, and a thread has room for one. It may belong to a test that was not awaited, or ran into its time limit',
      );
    }
    if (socket_map.size > 0) {
      throw new Error('simulate: socket_map is not empty: close what is open before');
    }
    this.#options = options;
    const time = { now: 0 };
    const plain = options.seed === undefined || options.loopback ? [] : null;
    this.decisions = new Decisions(options.seed ?? 0, options.decisions ?? plain);
    this.#trace = options.trace
      ? new Trace({
          get now() {
            return time.now;
          },
        })
      : null;
    const trace = this.#trace;
    this.#weather = new Weather(
      (n, label) => this.decisions.choose(n, label),
      (what) => trace?.add(what, true),
    );
    this.kernel = new Kernel(this.#world(trace), options.descriptors);
    // Everything reads the kernel's time.
    Object.defineProperty(time, 'now', { get: () => this.kernel.now });
    this.#clock = new VirtualClock(this.kernel);
    if (!options.loopback) {
      this.kernel.sendRoom = this.#weather.buffer('send buffer');
      this.kernel.receiveRoom = this.#weather.buffer('receive buffer');
    }
    this.driver = new Driver(this.kernel, this.#clock, () => this.#serveAll());
    current = this;
    this.#restores.push(on_standstill(() => this.driver.restingSince, warnOfStandstill));
    const { kernel } = this;
    const before = use_binding(
      options.loopback ? loopback(kernel.binding, kernel) : kernel.binding,
    );
    this.#restores.push(() => use_binding(before));
    use_wakeup((queue, ready, prepare) => kernel.wakeup(queue, ready, prepare));
    this.#restores.push(() => use_wakeup(null));
    const clockBefore = use_clock(this.#clock);
    this.#restores.push(() => use_clock(clockBefore));
    if (options.globals) this.#restores.push(virtual_globals(this.#clock, options.seed ?? 1));
  }

  // ---- what the kernel asks ----

  #world(trace: Trace | null): World {
    return {
      choose: (n, label) => this.#choose(n, label),
      latency: (kind) => (this.#options.loopback ? 0 : this.#weather.latency(kind)),
      isBlackHole: (host, port) => isAmong(this.#blackHoles, host, port),
      isRefused: (host, port) => isAmong(this.#refused, host, port),
      lookup: (host, family) => this.#lookup(host, family),
      note: trace && ((who, what) => trace.add(`${this.#label(who)} ${what}`)),
    };
  }

  /**
   * A decision of the test's own: a number from 0 to below `n`, where 0 is the plain case. `explore`
   * varies it with all others.
   */
  choose(n: number, label: string): number {
    if (!Number.isInteger(n) || n < 1) throw new RangeError('choose: n must be an integer from 1');
    this.kernel.asked();
    return this.#choose(n, label);
  }

  #choose(n: number, label: string): number {
    if (this.#options.loopback) return 0;
    const chosen = this.decisions.choose(n, label);
    if (chosen !== 0) {
      const what =
        label === 'cut' ? `only ${chosen} of ${n} bytes arrive` : `${label}: ${chosen} of ${n}`;
      this.#trace?.add(what, true);
    }
    return chosen;
  }

  #lookup(host: string, family: number): { address: string; family: number }[] {
    const known = this.#options.hosts?.[host] ?? (host === 'localhost' ? ['127.0.0.1', '::1'] : []);
    return [known]
      .flat()
      .map((address: string) => ({ address, family: address.includes(':') ? 6 : 4 }))
      .filter((found) => family === 0 || found.family === family);
  }

  // ---- time ----

  /** Seconds since the network was made. */
  get now(): number {
    return this.kernel.now / 1000;
  }

  /**
   * Goes on until `condition` holds. Rejects when nothing more can happen, at once, and when it does not
   * hold within so many virtual seconds (Infinity: as long as anything can happen). `what` says in the
   * message what was waited for.
   */
  until(condition: () => boolean, what = String(condition), within = PATIENCE): Promise<void> {
    if (typeof condition !== 'function') throw new TypeError('until: condition must be a function');
    const message = (why = this.nothing(within)) => `${why}, and not: ${what}`;
    return this.driver.until(condition, within, message);
  }

  /** Lets so many virtual seconds pass, with everything that happens in them. */
  advance(seconds: number): Promise<void> {
    if (!isTime(seconds)) {
      throw new RangeError('advance: seconds must be a number from 0, and finite');
    }
    return this.driver.advance(seconds);
  }

  /** Goes on until nothing has been on its way for `quiet` seconds. Later timers stay. */
  settle(quiet = 2): Promise<void> {
    if (!isTime(quiet)) {
      throw new RangeError('settle: quiet must be a number of seconds from 0, and finite');
    }
    return this.driver.settle(quiet, PATIENCE + quiet);
  }

  /** @internal Why a wait has failed. */
  nothing(within: number): string {
    const isEnd = this.driver.next === Infinity;
    const timers = real_timers() - this.#realTimers;
    const hint =
      timers > 0 && !this.#options.globals
        ? ` (${timers} of Node's own timers are running: { globals: true } makes them virtual)`
        : '';
    return `${isEnd ? 'nothing more happens' : `nothing more happened for ${within} s`}${hint}`;
  }

  // ---- what the test plays ----

  /** Connects to `address`, as a client does: a host and a port, or the path of a Unix socket. */
  connect(address: Address | readonly [host: string, port: number]): peer {
    const name = this.#name('connect', address);
    return this.#added(new peer(this, `peer${this.#ends.length + 1}`, name));
  }

  /** Listens at `address`, as a server does that the program connects to. */
  listen(address: Address | readonly [host: string, port: number]): peer_listener {
    const name = this.#name('listen', address);
    const label = `listener${this.#ends.length + 1}`;
    return this.#added(new peer_listener(this, label, name, (one) => this.#added(one)));
  }

  /** Sends and receives datagrams at `address`; without one, at a free port of 127.0.0.1. */
  datagrams(
    address: InetAddress | readonly [host: string, port: number] = ['127.0.0.1', 0],
  ): datagram_peer {
    const name = this.#name('datagrams', address);
    return this.#added(new datagram_peer(this, `peer${this.#ends.length + 1}`, name));
  }

  #added<End extends { break_off(): void }>(end: End): End {
    this.#ends.push(end);
    return end;
  }

  #name(call: string, address: Address | readonly [host: string, port: number]): Name {
    if (typeof address === 'string' || address instanceof Uint8Array) return unixName(address);
    const [host, port] = checkedAddress(call, address);
    const isNumeric = /^[\d.]+$|:/.test(host);
    const numeric = isNumeric ? host : this.#lookup(host, 0)[0]?.address;
    if (numeric === undefined) throw new Error(`${host} is not among the network's hosts`);
    return { family: numeric.includes(':') ? C.AF_INET6 : C.AF_INET, host: numeric, port };
  }

  // ---- the network's faults ----

  /**
   * Everything to and from a host, at a port (0 or left out: any), is lost from now on: attempts to
   * connect time out after two minutes, connections after fifteen. Returns a function that ends this.
   */
  blackhole(address: readonly [host: string, port?: number]): () => void {
    return added('blackhole', this.#blackHoles, address);
  }

  /**
   * From now on connections to a host at a port are refused, whoever listens there. Returns a function
   * that ends this.
   */
  refuse(address: readonly [host: string, port?: number]): () => void {
    return added('refuse', this.#refused, address);
  }

  // ---- the program's side ----

  /** Serves `map` whenever something is in it. `socket_map` is served by itself. */
  serve(map: channel_map): void {
    this.#maps.add(map);
  }

  #serveAll(): void {
    if (this.#options.loop === null) return;
    for (const map of this.#maps) this.#serve(map);
  }

  #serve(map: channel_map): void {
    if (map.size === 0) return;
    const { closedWakeups: stopped } = this.kernel;
    const served = this.#served.get(map);
    if (served === 'own' || served === stopped) return;
    this.#served.set(map, 'own');
    loop({ timeout: null, ...this.#options.loop, map }).then(
      () => this.#served.delete(map),
      (error) => {
        // A loop of the program's own serves it. This is checked again when a loop has ended.
        if (/already runs/.test(error?.message)) this.#served.set(map, stopped);
        else this.driver.fail(error);
      },
    );
  }

  /** What the program has open: sockets, pipes and queues, as a trace calls them. */
  open(): string[] {
    return this.kernel.open().map(([, file]) => this.#label(file));
  }

  /** What has happened so far, line by line, if `trace` was asked for. */
  trace(): string[] {
    return [...(this.#trace?.lines ?? [])];
  }

  #label(file: OpenFile | null): string {
    if (file === null) return '?';
    if (file.label !== '') return file.label;
    const fd = this.kernel.open().find(([, other]) => other === file)?.[0] ?? -1;
    let channel = '';
    for (const map of this.#maps) channel ||= map.get(fd)?.constructor.name ?? '';
    const kind = file.constructor.name.toLowerCase();
    if (!(file instanceof SocketFile) || file.local === null) return channel || kind;
    const where = file.family === C.AF_UNIX ? shownName(file.local) : `:${file.local.port}`;
    const to = file.remote && file.family !== C.AF_UNIX ? `→${file.remote.port}` : '';
    return `${channel || kind} ${where}${to}`;
  }

  /**
   * @internal Ends everything and puts the real system back. Throws the error that was not reported yet,
   *   if there is one.
   */
  async close(): Promise<void> {
    if (current !== this) return;
    this.driver.end();
    try {
      for (const end of this.#ends) end.break_off();
      this.#clock.forgetPrograms();
      await this.#endLoops();
    } finally {
      for (const restore of this.#restores.reverse()) restore();
      current = null;
    }
    this.driver.throwIfFailed();
  }

  async #endLoops(): Promise<void> {
    const { kernel } = this;
    for (let i = 0; i < 50; i++) {
      for (const map of this.#maps) close_all(map, true);
      if (kernel.wakeups.size === 0) return;
      try {
        await this.driver.turn();
      } catch (error) {
        this.driver.fail(error);
      }
      // Something still waits: let a minute pass.
      if (i > 5) kernel.now = Math.max(kernel.now, Math.min(this.driver.next, kernel.now + 60_000));
    }
    throw new Error('simulate: a loop does not end, although its map was emptied');
  }
}

function warnOfStandstill(): void {
  const what = 'the body has waited for a second, but for nothing in the network';
  const why =
    'virtual time passes only while something awaits net.until, net.advance, expect and the like';
  process.emitWarning(`simulate: ${what}: ${why}`);
}

function isPort(port: unknown): port is number {
  return typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65535;
}

function isTime(seconds: unknown): boolean {
  return typeof seconds === 'number' && seconds >= 0 && seconds < Infinity;
}

/** Throws a TypeError that names the call if `address` is no host and port. */
function checkedAddress(call: string, address: readonly unknown[]): [string, number] {
  if (Array.isArray(address)) {
    const [host, port = 0] = address;
    if (typeof host === 'string' && isPort(port)) return [host, port];
  }
  throw new TypeError(`${call}: an address is [host, port]: got ${JSON.stringify(address)}`);
}

function added(call: string, set: Set<string>, address: readonly [string, number?]): () => void {
  const [host, port] = checkedAddress(call, address);
  const key = `${host} ${port}`;
  set.add(key);
  return () => set.delete(key);
}

function isAmong(set: Set<string>, host: string, port: number): boolean {
  return set.size > 0 && (set.has(`${host} ${port}`) || set.has(`${host} 0`));
}
