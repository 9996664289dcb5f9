import {
  type Address,
  errno,
  OSError,
  POLLIN,
  Socket,
  state_of,
  type Transport,
} from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { checkLimit } from '../checked.js';
import { endpoint } from '../endpoint.js';
import { is_exit } from '../exit_now.js';
import { failed, isNothingToRead, report, settle } from '../handlers/handling.js';
import { READING } from './connection_flags.js';
import type { dispatcher } from './dispatcher.js';
import { described } from './log_error.js';
import type { SocketEndpoint } from './socket_endpoint.js';

/** The most connections that one event accepts, so that other channels get a turn. */
const MOST_ACCEPTS = 128;
/** How long a listener rests, in seconds, when the system is out of descriptors or memory. */
const REST = 0.1;

/** What programs write for "as many as the system allows": it was the most that the first BSD sockets took. */
const ONCE_THE_MOST = 5;
/** Room for what comes while JavaScript is compiled, or its garbage collected. Either takes milliseconds. */
const ROOM = 128;

/** The backlog to ask the kernel for, when a program asks for `backlog`: a small one is made larger. */
export function backlogOf(backlog: number | undefined): number | undefined {
  if (backlog === undefined || !Number.isInteger(backlog)) return backlog;
  return backlog >= ONCE_THE_MOST ? Math.max(backlog, ROOM) : backlog;
}

const LACK_OF_ROOM = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** Errors of accept(2) that concern the listener. All others concern the connection that waited. */
const OF_THE_LISTENER = new Set(['EBADF', 'EFAULT', 'EINVAL', 'ENOTSOCK']);

/** Whether accept found no descriptor or memory. The listener then rests and goes on. */
export function isLackOfRoom(error: unknown): boolean {
  if (!(error instanceof OSError)) return false;
  return error.syscall === 'accept' && LACK_OF_ROOM.has(error.code);
}

/**
 * A connection whose handle_accepted is running, or the last one that a handle_accept which is running has
 * taken, if any; and the channel made for it.
 */
interface Newcomer {
  sock: Socket | null;
  owner: dispatcher<Transport> | null;
}
let newcomer: Newcomer | null = null;

/** Notes that `channel` has taken `sock`, which may be the connection that a handle_accepted was called for. */
export function claim(sock: Transport, channel: dispatcher<Transport>): void {
  if (newcomer?.sock === sock) newcomer.owner = channel;
}

/** The listener that an error of handle_accepted must not close, when an async handle_error handles it. */
const ofNewcomers = new WeakMap<object, object>();

/** The part of a dispatcher that only a listener needs. */
export class Listening {
  readonly #channel: dispatcher<Transport>;
  /** How many accepted and counted connections are open. */
  #connections = 0;
  /** Whether an exception of handle_accepted is being handled; it must not close the listener. */
  #sparing = false;
  /** How many connections were accepted in all. */
  #taken = 0;
  /** What a program's own handle_accept, which is running, has taken. */
  #serving: Newcomer | null = null;
  /** Whether the lack of descriptors was logged, and nothing accepted since. */
  #exhausted = false;
  /** The listener accepts nothing before this time, in milliseconds; 0 when it does not rest. */
  #restsUntil = 0;

  constructor(channel: dispatcher<Transport>) {
    this.#channel = channel;
  }

  /**
   * The next connection, or null if none waits: to throw for that would cost more than an accept.
   */
  accept(socket: Socket): [sock: Socket, address: Address] | null {
    const channel = this.#channel;
    const serving = this.#serving;
    if (serving !== null) serving.sock = null; // whoever takes the next is done with the one before
    if (this.isFull(channel)) return null;
    let pair: [sock: Socket, address: Address] | null;
    try {
      pair = nextOf(socket);
    } catch (error) {
      if (isLackOfRoom(error)) this.#takeRest(error as OSError);
      else if (isOfTheConnection(error)) return null;
      throw error;
    }
    if (pair === null) return null;
    this.#exhausted = false;
    this.#taken += 1;
    if (serving !== null) Object.assign(serving, { sock: pair[0], owner: null });
    if (channel.max_connections > 0 && 'on_release' in pair[0]) this.#count(pair[0]);
    return pair;
  }

  #count(connection: Socket): void {
    this.#connections += 1;
    connection.on_release(() => {
      this.#connections -= 1;
      this.#channel._changed();
    });
  }

  /**
   * Calls a program's own handle_accept, which may accept a single connection as asyncore's examples do.
   * It is called again as long as others wait: a short backlog would overflow between two passes.
   */
  serve(known: SocketEndpoint): void {
    const channel = this.#channel;
    for (let i = 0; i < MOST_ACCEPTS; i++) {
      const before = this.#taken;
      this.#handleAccept(known);
      if (this.#taken - before !== 1 || !channel.accepting || this.isBusy(channel)) return;
      if (known.is(READING) || !(state_of(channel.fileno(), POLLIN) & POLLIN)) return;
    }
  }

  /** What it throws after it has taken a connection closes that, as what handle_accepted throws does. */
  #handleAccept(known: SocketEndpoint): void {
    const channel = this.#channel;
    const before = newcomer;
    const mine: Newcomer = { sock: null, owner: null };
    const serving = this.#serving; // of a handle_accept that makes a pass of its own
    newcomer = mine;
    this.#serving = mine;
    try {
      known.run(READING, channel.handle_accept(), (_, error) => {
        if (mine.sock === null) failed(channel, error, true);
        else this.#refuse(mine, error);
      });
    } catch (error) {
      if (mine.sock === null) throw error;
      this.#refuse(mine, error);
    } finally {
      newcomer = before;
      if (!known.is(READING)) this.#serving = serving;
    }
  }

  /** Accepts all waiting connections, up to a limit, and calls handle_accepted for each. */
  acceptAll(): void {
    const channel = this.#channel;
    for (let i = 0; i < MOST_ACCEPTS && channel.accepting; i++) {
      const pair = channel.accept();
      if (pair === null) break;
      this.#accepted(...pair);
    }
  }

  #accepted(sock: Socket, address: Address): void {
    if (this.#serving !== null) this.#serving.sock = null;
    const before = newcomer;
    const mine: Newcomer = { sock, owner: null };
    const refuse = (_: unknown, error: unknown) => this.#refuse(mine, error);
    newcomer = mine;
    try {
      settle(this.#channel, this.#channel.handle_accepted(sock, address), refuse);
    } catch (error) {
      refuse(this, error);
    } finally {
      newcomer = before;
    }
  }

  /**
   * Closes the new connection, and the channel that may have been made for it, and reports the
   * error.
   */
  #refuse({ sock, owner }: Newcomer, error: unknown): void {
    if (is_exit(error)) throw error;
    if (owner !== null && sock !== null && has(owner, sock)) {
      // Its channel is in its map, and a receive that found nothing is not an error.
      if (isNothingToRead(error) && owner[endpoint].takes(error, false)) return;
      closeHalfMade(owner);
    }
    sock?.close(); // the channel's own close may not have done it
    this.#sparing = true;
    if (Object(error) === error) ofNewcomers.set(error as object, this.#channel);
    try {
      // Whatever the error, it does not mean that the listener is disconnected.
      report(this.#channel, error);
    } finally {
      this.#sparing = false;
    }
  }

  /** Whether `error` came from handle_accepted, and so leaves the listener open. */
  spares(error: unknown): boolean {
    if (this.#sparing) return true;
    return ofNewcomers.get(error as object) === this.#channel; // undefined for what is no object
  }

  /** Whether the listener accepts nothing for now. */
  isBusy(channel: dispatcher<Transport>): boolean {
    return this.isResting || this.isFull(channel);
  }

  isFull(channel: dispatcher<Transport>): boolean {
    const { max_connections } = channel;
    if (max_connections === 0) return false;
    checkLimit('max_connections', 'connections', max_connections);
    return max_connections > 0 && this.#connections >= max_connections;
  }

  // ---- out of descriptors ----

  /** Stops accepting for a while, since trying again at once would spin. Connections wait in the backlog. */
  #takeRest(error: OSError): void {
    if (!this.#exhausted) {
      this.#channel.log_info(
        `${error.message}: ${described(this.#channel)} goes on accepting when it can`,
        'error',
      );
    }
    this.#exhausted = true;
    this.#restsUntil = clock.now() + REST * 1000;
    this.#channel._changed();
  }

  get isResting(): boolean {
    return this.#restsUntil > 0;
  }

  /** How long the listener rests, in seconds; undefined when it does not. */
  get rest(): number | undefined {
    return this.isResting ? REST : undefined;
  }

  /** How many milliseconds of the rest are left at `now`. */
  untilRested(now: number): number {
    return this.#restsUntil - now;
  }

  restNoMore(): void {
    this.#restsUntil = 0;
  }
}

function nextOf(socket: Socket): [sock: Socket, address: Address] | null {
  if (socket.accept !== Socket.prototype.accept) return socket.accept(); // one of its own
  const answer = socket.accept_ex();
  if (typeof answer !== 'number') return answer;
  if (answer === errno.EAGAIN) return null;
  throw OSError.of(socket, new OSError('accept', answer));
}

function isOfTheConnection(error: unknown): boolean {
  const { code } = Object(error) as NodeJS.ErrnoException;
  return error instanceof OSError && code !== undefined && !OF_THE_LISTENER.has(code);
}

/** Whether `sock` is what `channel` is connected by; a TLS connection may have come to stand on it. */
function has(channel: dispatcher<Transport>, sock: Socket): boolean {
  return channel.socket === sock || (sock.fileno() >= 0 && channel.fileno() === sock.fileno());
}

/** Closes a channel whose constructor may have thrown before the fields were set that its own close relies on. */
function closeHalfMade(channel: dispatcher<Transport>): void {
  try {
    channel.close();
  } catch (error) {
    if (is_exit(error)) throw error;
    // The first error is reported, not this one.
  }
  channel[endpoint].abandon();
}
