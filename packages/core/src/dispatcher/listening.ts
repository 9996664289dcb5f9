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
import { endpoint } from '../endpoint.js';
import { ExitNow } from '../exit_now.js';
import { isNothingToRead, report, settle } from '../handlers/handling.js';
import type { dispatcher } from './dispatcher.js';

/** One event takes at most so many connections, so that other channels get a turn. */
const MOST_ACCEPTS = 128;
/** How long a listener rests, in seconds, when the system is out of descriptors or memory. */
const REST = 0.1;

const LACK_OF_ROOM = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
/** accept(2): these are errors of the listener. All others are of the connection that waited. */
const OF_THE_LISTENER = new Set(['EBADF', 'EFAULT', 'EINVAL', 'ENOTSOCK']);

/** Whether accept found no descriptor or memory: the listener rests and goes on. */
export function isLackOfRoom(error: unknown): boolean {
  if (!(error instanceof OSError)) return false;
  return error.syscall === 'accept' && LACK_OF_ROOM.has(error.code);
}

/** A connection while its handle_accepted runs, and the channel made for it. */
interface Newcomer {
  readonly sock: Socket;
  owner: dispatcher<Transport> | null;
}
let newcomer: Newcomer | null = null;

/** `channel` has taken `sock`, which may be the connection that a handle_accepted is called for. */
export function claim(sock: Transport, channel: dispatcher<Transport>): void {
  if (newcomer?.sock === sock) newcomer.owner = channel;
}

/** The listener that an error of handle_accepted must not close, when an async handle_error handles it. */
const ofNewcomers = new WeakMap<object, object>();

/** What a dispatcher needs only to listen. */
export class Listening {
  readonly #channel: dispatcher<Transport>;
  /** How many of those it has accepted, and counted, are open. */
  #connections = 0;
  /** An exception in handle_accepted is being handled, which must not close the listener. */
  #sparing = false;
  /** How many it has accepted. */
  #taken = 0;
  /** That the system is out of descriptors was logged, and nothing was accepted since. */
  #exhausted = false;
  /** No accepting before this time, in milliseconds; 0 when it does not rest. */
  #restsUntil = 0;

  constructor(channel: dispatcher<Transport>) {
    this.#channel = channel;
  }

  /**
   * The next connection, or null if none waits: an error for that would cost more than an accept.
   */
  accept(socket: Socket): [sock: Socket, address: Address] | null {
    const channel = this.#channel;
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
   * Calls handle_accept. One of a program's own, which takes a single connection as asyncore's examples
   * do, is called again as long as others wait: a short backlog would overflow between two passes.
   */
  serve(handle: () => void): void {
    const channel = this.#channel;
    for (let i = 0; i < MOST_ACCEPTS; i++) {
      const before = this.#taken;
      handle();
      if (this.#taken - before !== 1 || !channel.accepting || this.isBusy(channel)) return;
      if (!(state_of(channel.fileno(), POLLIN) & POLLIN)) return;
    }
  }

  /** Calls handle_accepted for all that wait, up to a limit. */
  acceptAll(): void {
    const channel = this.#channel;
    for (let i = 0; i < MOST_ACCEPTS && channel.accepting; i++) {
      const pair = channel.accept();
      if (pair === null) break;
      this.#accepted(...pair);
    }
  }

  #accepted(sock: Socket, address: Address): void {
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
    if (error instanceof ExitNow) throw error;
    if (owner?.socket === sock) {
      // It is in its map, and a receive that found nothing is no error of it.
      if (isNothingToRead(error) && owner[endpoint].takes(error, false)) return;
      closeHalfMade(owner);
    }
    sock.close(); // the channel's own close may not have done it
    this.#sparing = true;
    if (error instanceof Object) ofNewcomers.set(error, this.#channel);
    try {
      // Whatever the error, it does not mean that the listener is disconnected.
      report(this.#channel, error);
    } finally {
      this.#sparing = false;
    }
  }

  /** Whether `error` is one of handle_accepted, which leaves the listener open. */
  spares(error: unknown): boolean {
    if (this.#sparing) return true;
    return error instanceof Object && ofNewcomers.get(error) === this.#channel;
  }

  /** Whether it accepts nothing for now. */
  isBusy(channel: dispatcher<Transport>): boolean {
    return this.isResting || this.isFull(channel);
  }

  isFull(channel: dispatcher<Transport>): boolean {
    return channel.max_connections > 0 && this.#connections >= channel.max_connections;
  }

  // ---- out of descriptors ----

  /** The connections wait in the backlog meanwhile; trying again at once would spin. */
  #takeRest(error: OSError): void {
    if (!this.#exhausted) {
      this.#channel.log_info(
        `${error.message}: ${this.#channel} goes on accepting when it can`,
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

  /** The seconds that it rests, where it does. */
  get rest(): number | undefined {
    return this.isResting ? REST : undefined;
  }

  /** The milliseconds that are left of its rest at `now`. */
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

/** Its constructor may have thrown before its own fields were there, on which its close relies. */
function closeHalfMade(channel: dispatcher<Transport>): void {
  try {
    channel.close();
  } catch (error) {
    if (error instanceof ExitNow) throw error;
    // The first error is told, not this one.
  }
  channel[endpoint].abandon();
}
