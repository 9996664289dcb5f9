import type { Address } from './address.js';
import { binding } from './binding.js';
import { POLLRDHUP } from './constants.js';
import { checked, errno } from './os_error.js';
import { int32 } from './wrong.js';

/**
 * What a channel wraps: something that receives and sends bytes, with a descriptor to wait on. It may be a
 * `Socket`, a TLS connection, a file or a test's fake.
 *
 * The members with a question mark may be left out. Without `pending` a channel asks `recv` again
 * until it throws EAGAIN, since there may be more; without `state` and `unread` the kernel is asked
 * about the descriptor.
 */
export interface Transport {
  /** The socket type, SOCK_STREAM and so on. Default: a stream. */
  readonly type?: number;
  /** What carries it, as the socket of a TLS connection does: bytes are counted there. */
  readonly below?: Transport;
  /** The descriptor that the loop waits on; -1 once it is closed. */
  fileno(): number;
  /**
   * Receives at most `bufsize` bytes; an empty buffer is the end. Throws an error with code EAGAIN when
   * there is nothing to receive.
   */
  recv(bufsize: number, flags?: number): Buffer;
  /** Sends, and returns the number of bytes taken. Throws an error with code EAGAIN when there is no room. */
  send(data: ArrayBufferView): number;
  /** Sends several buffers, and returns the number of bytes taken. Default: the channel calls `send`. */
  sendmsg?(buffers: Iterable<ArrayBufferView>): number;
  /**
   * Sends at most `count` bytes of the open file `file`, from `offset` on, and gives the number of
   * bytes taken. Where it is missing, throws (but EAGAIN, and what says that the peer is gone) or gives
   * 0, the file is read and sent by `send`.
   */
  sendfile?(file: number, offset: number, count: number): number;
  /** Returns a socket option. A channel asks for SO_ERROR only. */
  getsockopt(level: number, option: number): number;
  /** Closes the descriptor. */
  close(): void;
  /** Makes calls block or not. A channel calls it with false at the start. */
  setblocking?(blocking: boolean): void;
  /** The peer's address. Throws ENOTCONN when there is no connection yet. */
  getpeername?(): Address;
  /** Ends one half, as shutdown(2). A channel calls it with SHUT_WR at the end of its output. */
  shutdown?(how: number): void;
  /** How many bytes the transport itself holds: `recv` returns them although no poller reports any. */
  pending?(): number;
  /**
   * What to wait for on the descriptor. `events` is what the channel wants: POLLIN to receive,
   * POLLOUT to send. A TLS connection in its handshake may have to write before it can read, and
   * then answers POLLOUT for POLLIN; it may want something of its own while the channel wants
   * nothing. Without it, `events` are what is waited for.
   */
  wants?(events: number): number;
  /**
   * The present state of the connection as flags of poll(2): POLLERR when it failed, POLLHUP when it is
   * over, POLLRDHUP when the peer sends no more, POLLNVAL when it was closed; 0 when nothing is wrong.
   */
  state?(): number;
  /** How many bytes can be received at once, pending ones among them. */
  unread?(): number;
  /**
   * For one whose readiness is not that of its descriptor, such as a TLS connection: does what the
   * poller's `events` of the descriptor call for (0: it has said nothing) and answers what the channel
   * can do now. POLLIN: `recv` would give something, the end or an error; POLLOUT: `send` would take
   * something or throw; POLLHUP, POLLERR: as `state` says; NOTICE: `notice` is to be called. It is
   * asked before every wait too, and must neither throw nor call handlers of the channel.
   */
  ready?(events: number): number;
  /** `ready` has asked for it: called in its turn as a handler of the channel, before any other. */
  notice?(): void;
  /** Takes a function to be called when what the others answer changes of itself. */
  watch?(changed: () => void): void;
}

/** In what `ready` answers, beside poll(2)'s flags, none of which has this bit. */
export const NOTICE = 1 << 30;

/** How a descriptor is now, as poll(2) says: the flags of `events`, and POLLERR, POLLHUP, POLLNVAL. */
export function state_of(fd: number, events: number = POLLRDHUP ?? 0): number {
  pair[0] = int32('state_of', 'fd', fd);
  pair[1] = int32('state_of', 'events', events);
  let result: number;
  // A signal may come first although it does not wait.
  do result = binding.poll(pair, 1, 0);
  while (result === -errno.EINTR);
  return checked('poll', result) > 0 ? pair[1] : 0;
}

/** How many bytes can be read from a descriptor now; 0 where the system does not count them. */
export function unread_of(fd: number): number {
  return Math.max(0, binding.unread(fd));
}

const pair = new Int32Array(2);
