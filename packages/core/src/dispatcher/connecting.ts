import {
  type Address,
  AF_UNIX,
  errno,
  is_resolved,
  OSError,
  resolve,
  type Socket,
} from '@asyncore/socket';
import { connects, erred } from '../diagnostics/life.js';
import { settle } from '../handlers/handling.js';
import { CONNECTED, CONNECTING } from './connection_flags.js';
import type { SocketEndpoint } from './socket_endpoint.js';

/**
 * Codes of connect(2) after which the attempt goes on by itself. EAGAIN is not among them: it means that
 * a queue is full, or that no port is free.
 */
export const IN_PROGRESS = new Set([errno.EINPROGRESS, errno.EALREADY, errno.EINTR]);

/** An attempt to connect, as its channel's endpoint sees it. */
export interface Attempt {
  /** The host as it was given; null for a path. */
  readonly host: string | null;
  /** Whether the look-up goes on. Then the channel's own socket is not connecting yet, and must not be waited for. */
  readonly isLookingUp: boolean;
  /** Whether the look-up has a result, so that `lookedUp` has to be called. */
  readonly isLookedUp: boolean;
  lookedUp(): void;
  /** The attempt has failed. */
  fail(error: unknown): void;
  /** Ends the attempt without a handler. */
  stop(): void;
}

/** One attempt to connect. A host name is looked up first, in the background. */
export class Connecting implements Attempt {
  readonly #endpoint: SocketEndpoint;
  host: string | null = null;
  /** The look-up with its result; null when there is none, or when it was used already. */
  #lookup: { address?: Address; error?: unknown; isDone: boolean } | null = null;

  constructor(endpoint: SocketEndpoint) {
    this.#endpoint = endpoint;
  }

  /** Starts the attempt. Throws an OSError when it fails at once: connect(2). */
  start(address: Address, socket: Socket): void {
    const endpoint = this.#endpoint;
    const { family } = socket;
    const isResolved = is_resolved(family, address);
    if (socket.fileno() < 0) throw new OSError('connect', errno.EBADF, address);
    endpoint.set(CONNECTED, false);
    endpoint.passOverFields();
    endpoint.begin();
    endpoint.attempt = this;
    this.host = Array.isArray(address) ? address[0] : null;
    endpoint.addr = address;
    endpoint.put(CONNECTING, true);
    connects(endpoint.channel, address);
    if (isResolved) {
      const failure = this.#connect(address);
      if (failure !== null) throw failure;
    } else {
      this.#lookUp(family, address);
    }
  }

  get isLookingUp(): boolean {
    return this.#lookup !== null;
  }

  get isLookedUp(): boolean {
    return this.#lookup?.isDone === true;
  }

  /** Why the attempt failed at once, or null. What handle_connect throws is thrown. */
  #connect(address: Address): OSError | null {
    const endpoint = this.#endpoint;
    const { channel } = endpoint;
    let error = channel.connect_ex(address);
    // Linux reports here that the previous attempt failed.
    if (error === errno.ECONNABORTED) error = channel.connect_ex(address);
    if (IN_PROGRESS.has(error)) return null;
    if (error !== 0 && error !== errno.EISCONN) {
      endpoint.put(CONNECTING, false);
      return new OSError('connect', error, address, hintOf(error, endpoint));
    }
    channel.handle_connect_event();
    return null;
  }

  #lookUp(family: number, address: Address): void {
    const lookup: { address?: Address; error?: unknown; isDone: boolean } = { isDone: false };
    this.#lookup = lookup;
    const done = () => {
      lookup.isDone = true;
      if (this.#lookup === lookup) this.#endpoint.changed();
    };
    resolve(family, address).then(
      (found) => {
        lookup.address = found;
        done();
      },
      (error: unknown) => {
        lookup.error = error;
        done();
      },
    );
  }

  /** The look-up is done: connects, or fails as an attempt fails. */
  lookedUp(): void {
    const lookup = this.#lookup;
    if (lookup?.isDone !== true) return; // a handler of this pass began another attempt or called poll
    this.#lookup = null;
    if (lookup.address === undefined) {
      this.fail(lookup.error);
      return;
    }
    this.#endpoint.addr = lookup.address;
    const failure = this.#connect(lookup.address);
    if (failure !== null) this.fail(failure);
  }

  stop(): void {
    this.#lookup = null;
  }

  /** Ends the attempt as failed, by what SO_ERROR, the look-up or the timeout says. */
  fail(error: unknown): void {
    const { channel } = this.#endpoint;
    this.#lookup = null;
    this.#endpoint.put(CONNECTING, false);
    erred(channel, error);
    settle(channel, channel.handle_connect_error(error));
  }
}

function hintOf(error: number, { transport }: SocketEndpoint): string | undefined {
  const isUnix = (transport as Socket | null)?.family === AF_UNIX;
  return error === errno.EAGAIN && !isUnix ? 'no port is free' : undefined;
}
