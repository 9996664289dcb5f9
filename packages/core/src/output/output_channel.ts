/** What is around an output: the channel that it belongs to, how its end is carried out, what comes after it. */
import type { Erring } from '../handlers/handling.js';
import type { file_range } from './file_range.js';

/** What an output needs of its channel. */
export interface OutputChannel extends Erring {
  readonly connected: boolean;
  readonly connecting: boolean;
  /** The most bytes that one call is given. */
  readonly _send_size: number;
  /** Whether no class sees to what is sent, so that it may go to the socket without `_send_chunks`. */
  readonly _sends_itself: boolean;
  /** Hands chunks to the socket in one call, and gives the number of bytes taken. */
  _send_chunks(chunks: readonly Uint8Array[]): number;
  /** Whether `_send_messages` works on the channel's transport. */
  readonly _sends_messages: boolean;
  /** Hands messages to the socket in one call, and returns how many of them, in order, were taken. */
  _send_messages(messages: readonly Uint8Array[]): number;
  /** Whether `_send_file` works on the channel's transport. */
  readonly _sends_files: boolean;
  /**
   * Sends part of a file, and returns the number of bytes taken; -1 if the file has to be read and sent
   * instead.
   */
  _send_file(file: number, offset: number, count: number): number;
  _changed(): void;
  log_info(message: unknown, type?: string): void;
  /** Calls `send` of its output. */
  initiate_send(): void;
}

/** What the output calls when it comes to its end. */
export interface Ending {
  /**
   * Whether the channel is being given bytes to send. Its own `send`, if it has one, is called then as a
   * part of that, and must not queue them again.
   */
  isHanding: boolean;
  /** Whether the loop, when it last asked, was told to wait for input alone, and nothing else has changed since. */
  readonly isKnown: boolean;
  /** Hands chunks to the socket in one call, and gives the number of bytes taken. */
  transmit(chunks: readonly Uint8Array[]): number;
  /** Everything is out after `close_when_done`. */
  linger(): void;
  /** Everything is out, and the peer has ended its half before. */
  finish(): void;
  /** Everything that was given before a shutdown is out. */
  shutdown(how: number): void;
  /** The bytes of `call` are refused, because `method` was called before. Logs that, once. */
  refuse(call: string, method: string): void;
  /** Why the connection ends. */
  reason: unknown;
  /** It is a datagram socket without a peer: nothing that waits can be sent. */
  readonly isPeerless: boolean;
}

/**
 * Gives output that does not exist yet, as producers do. It is sent after the bytes in the queue.
 */
export interface Source {
  /**
   * Returns the next bytes, at least one; null when there are no more; 'wait' when there are none yet,
   * after which the source asks to be pulled again.
   */
  pull(): Uint8Array | 'wait' | null;
  /** How many items are waiting. */
  readonly length: number;
  /** How many bytes these have, as far as that is known. */
  readonly byteLength: number;
  /** Whether `pull` has returned 'wait', and the source has yet to ask to be pulled again. */
  readonly waiting: boolean;
  /**
   * The part of a file that comes next, which may be sent instead of pulled; null if something else comes
   * next.
   */
  readonly file: file_range | null;
  /** Whether the rest is lost, so that nothing more may be sent. `pull` has thrown the reason. */
  readonly isCutShort: boolean;
  /** Forgets all of it. */
  end(): void;
}
