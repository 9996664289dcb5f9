import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  errno,
  family_of,
  getaddrinfo,
  type InetAddress,
  is_resolved,
  OSError,
  SO_ERROR,
  SOL_SOCKET,
  Socket,
  type Transport,
  wrong,
} from '@asyncore/socket';
import type { channel, channel_map } from '../channel.js';
import { connects, erred } from '../diagnostics/life.js';
import { handling, settle } from '../handlers/handling.js';
import { type Attempt, IN_PROGRESS } from './connecting.js';
import { CONNECTED, CONNECTING } from './connection_flags.js';
import type { SocketEndpoint } from './socket_endpoint.js';
import { Timers, type timer } from './timers.js';

/** The least time between two attempts, in seconds: RFC 8305, section 5. */
const LEAST_DELAY = 0.01;

/** A socket option, with the arguments of `setsockopt`. */
export type socket_option = [level: number, option: number, value: number | Uint8Array];

/** The options of `create_connection`. */
export interface connection_options {
  /** How long to wait for one attempt before the next address is tried beside it, in seconds. Default 0.25. */
  attempt_delay?: number;
  /** The local address to bind to. A numeric one decides the family. */
  source_address?: InetAddress | null;
  /** AF_INET or AF_INET6, to try only addresses of that family. Default 0: both. */
  family?: number;
  /** Options to set on the socket of each attempt before it connects. */
  socket_options?: readonly socket_option[];
}

interface Settings {
  readonly delay: number;
  readonly source: InetAddress | null;
  readonly family: number;
  readonly options: readonly socket_option[];
}

type Candidate = [family: number, address: Address];

const OPTIONS = ['attempt_delay', 'source_address', 'family', 'socket_options'];

/** Checks the arguments of `create_connection` before anything is open. */
function checked(address: Address, options: connection_options): Settings {
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name)) continue;
    throw wrong.type(`create_connection: there is no option ${name}, only ${OPTIONS.join(', ')}`);
  }
  const { attempt_delay = 0.25, source_address = null, socket_options = [] } = options;
  if (!(typeof attempt_delay === 'number' && attempt_delay >= LEAST_DELAY)) {
    throw wrong.range(`create_connection: attempt_delay must be ${LEAST_DELAY} seconds or more`);
  }
  let { family = 0 } = options;
  if (family !== 0 && family !== AF_INET && family !== AF_INET6) {
    throw wrong.range('create_connection: family must be AF_INET, AF_INET6, or 0 for both');
  }
  for (const option of checkedList(socket_options)) {
    if (!Array.isArray(option) || option.length !== 3) {
      throw wrong.type('create_connection: socket_options must be [level, option, value] each');
    }
  }
  if (source_address !== null) family = familyFor('source_address', source_address, family);
  if (Array.isArray(address)) {
    family = familyFor('address', address, family);
  } else {
    if (typeof address !== 'string' && !(address instanceof Uint8Array)) {
      throw wrong.type('create_connection: address must be [host, port], or a path');
    }
    is_resolved(AF_UNIX, address);
  }
  return { delay: attempt_delay, source: source_address, family, options: socket_options };
}

function checkedList(options: unknown): readonly unknown[] {
  if (Array.isArray(options)) return options;
  throw wrong.type('create_connection: socket_options must be an array of [level, option, value]');
}

/** The family that `address` asks for, if it is numeric; throws for one that is not `family`. */
function familyFor(what: string, address: InetAddress, family: number): number {
  const [host] = address;
  const own = typeof host === 'string' ? family_of(host) : null;
  const isResolved = is_resolved(own ?? (family || AF_INET), address); // throws for no address
  if (!isResolved && what === 'source_address') {
    throw wrong.type(`create_connection: source_address must be numeric: ${host} is a name`);
  }
  if (own !== null && family !== 0 && own !== family) {
    throw wrong.range(`create_connection: ${what} ${host} is of another family than asked for`);
  }
  return own ?? family;
}

/**
 * Connects a channel to the first of a host's addresses that answers (RFC 8305). Until one does, the
 * channel stands in its map with a socket that is never connected; the attempts are channels beside it.
 */
export class Racing implements Attempt {
  readonly #endpoint: SocketEndpoint;
  readonly #settings: Settings;
  readonly #address: Address;
  /** Stands in for the channel's socket until an attempt has won. */
  #placeholder: Transport | null = null;
  readonly #running = new Set<Runner>();
  /** The addresses not tried yet. */
  #left: Candidate[] = [];
  readonly #failures: unknown[] = [];
  /** What the loop has to report to the channel. */
  #news: (() => void) | null = null;
  #timer: timer | null = null;
  #isOver = false;

  readonly host: string | null;

  /** Throws for wrong arguments. */
  constructor(endpoint: SocketEndpoint, address: Address, options: connection_options) {
    this.#endpoint = endpoint;
    this.host = Array.isArray(address) ? address[0] : null;
    this.#settings = checked(address, options);
    this.#address = address;
  }

  start(): void {
    const { channel } = this.#endpoint;
    const numeric = Array.isArray(this.#address) ? family_of(this.#address[0]) : AF_UNIX;
    channel.create_socket(numeric ?? (this.#settings.family || AF_INET));
    this.#placeholder = channel.socket;
    this.#endpoint.set(CONNECTED, false);
    this.#endpoint.attempt = this;
    channel.addr = this.#address;
    this.#endpoint.put(CONNECTING, true);
    connects(channel, this.#address);
    if (numeric === null) {
      this.#lookUp(this.#address as InetAddress);
    } else {
      this.#left = [[numeric, this.#address]];
      this.#next();
    }
  }

  #lookUp([host, port, ...scope]: InetAddress): void {
    getaddrinfo(host, port, { family: this.#settings.family }).then(
      (found) => {
        this.#left = interleaved(found).map(([family, address]) => {
          return [family, family === AF_INET6 ? [...address, ...scope] : address] as Candidate;
        });
        this.#tell(() => this.#next());
      },
      (error: unknown) => this.#tell(() => this.fail(error)),
    );
  }

  // ---- as the loop sees it ----

  get isLookingUp(): boolean {
    return !this.#isOver;
  }

  get isLookedUp(): boolean {
    return this.#news !== null;
  }

  /** Runs in a pass of the loop, so that what the handler throws goes where it does for any handler. */
  lookedUp(): void {
    const news = this.#news;
    this.#news = null;
    news?.();
  }

  #tell(news: () => void): void {
    if (this.#isOver) return;
    this.#news = news;
    this.#endpoint.changed();
  }

  // ---- the race ----

  /** Tries the next address. */
  #next(): void {
    this.#timer?.cancel();
    const candidate = this.#left.shift();
    if (candidate === undefined) {
      if (this.#running.size === 0) this.#tell(() => this.fail(this.#failure()));
      return;
    }
    if (this.#left.length > 0 && this.#settings.delay < Infinity) {
      const { channel } = this.#endpoint;
      this.#endpoint.timers ??= new Timers(channel);
      this.#timer = this.#endpoint.timers.later('attempt', this.#settings.delay, () => {
        this.#next();
      });
    }
    this.#run(candidate);
  }

  #run(candidate: Candidate): void {
    let runner: Runner | null = null;
    try {
      runner = new Runner(this, this.#endpoint.channel._map, candidate);
      this.#running.add(runner);
      runner.start(this.#settings);
    } catch (error) {
      this.lost(runner, error);
    }
  }

  /** An attempt failed: starts the next at once. */
  lost(runner: Runner | null, error: unknown): void {
    if (runner !== null) this.#running.delete(runner);
    runner?.close();
    if (this.#isOver) return;
    this.#failures.push(error);
    this.#next();
  }

  /** The socket of `runner` is connected and becomes the channel's. */
  won(runner: Runner): void {
    const { channel } = this.#endpoint;
    const socket = runner.takeOut();
    this.#running.delete(runner);
    this.stop();
    this.#endpoint.exchange(socket);
    channel.family_and_type = [socket.family, socket.type];
    channel.addr = runner.address;
    handling(channel, () => channel.handle_connect_event());
  }

  #failure(): unknown {
    const failures = this.#failures;
    if (failures.length === 1) return failures[0];
    const [host, port] = this.#address as InetAddress;
    const reasons = failures.map((each) => (each as Error).message).join('; ');
    const error = new AggregateError(failures, `connect ${host}:${port} failed: ${reasons}`);
    const { code } = failures[0] as NodeJS.ErrnoException;
    return Object.assign(error, { code });
  }

  /** Every attempt failed, or the timeout has passed. */
  fail(error: unknown): void {
    const { channel } = this.#endpoint;
    this.stop();
    this.#endpoint.put(CONNECTING, false);
    erred(channel, error);
    settle(channel, channel.handle_connect_error(error));
  }

  /** Ends look-up, attempts and timer, and calls no handler. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#news = null;
    this.#left = [];
    this.#timer?.cancel();
    for (const runner of this.#running) runner.close();
    this.#running.clear();
    if (this.#placeholder !== this.#endpoint.transport) this.#placeholder?.close();
  }
}

/** One attempt: an object in the map that waits until its socket is connected or has failed. */
class Runner implements channel {
  readonly address: Address;
  readonly socket: Socket;
  readonly #race: Racing;
  readonly #map: channel_map;

  /** Throws an OSError: socket(2). */
  constructor(race: Racing, map: channel_map, [family, address]: Candidate) {
    this.socket = new Socket(family);
    this.address = address;
    this.#race = race;
    this.#map = map;
  }

  /** Throws what fails at once. */
  start({ source, options }: Settings): void {
    for (const option of options) this.socket.setsockopt(...option);
    if (source !== null) this.socket.bind(source);
    const error = this.socket.connect_ex(this.address);
    // If the socket is connected already, the loop finds that like any other end of an attempt.
    const goesOn = IN_PROGRESS.has(error) || error === 0 || error === errno.EISCONN;
    if (!goesOn) throw new OSError('connect', error, this.address);
    this.#map.set(this.socket.fileno(), this);
  }

  /** Takes the attempt out of the map and leaves its socket open. */
  takeOut(): Socket {
    const { socket } = this;
    if (this.#map.get(socket.fileno()) === this) this.#map.delete(socket.fileno());
    return socket;
  }

  close(): void {
    this.takeOut().close();
  }

  handle_write_event(): void {
    if (this.socket.fileno() < 0) return;
    const error = this.socket.getsockopt(SOL_SOCKET, SO_ERROR);
    if (error === 0) this.#race.won(this);
    else this.#race.lost(this, new OSError('connect', error, this.address));
  }

  handle_close(): void {
    this.handle_write_event();
  }

  readable(): boolean {
    return false;
  }

  writable(): boolean {
    return true;
  }

  handle_read_event(): void {}
  handle_expt_event(): void {}

  /** Handles what leaves handle_error of the channel itself. */
  handle_error(error: unknown): void {
    throw error;
  }
}

/** The addresses with their families taking turns, the first address's family first: RFC 8305, section 4. */
function interleaved(found: [number, InetAddress][]): [number, InetAddress][] {
  const first = found.filter(([family]) => family === found[0][0]);
  const second = found.filter(([family]) => family !== found[0][0]);
  const all: [number, InetAddress][] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    all.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return all;
}
