import { OSError, SHUT_WR, type Socket, type Transport } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';
import { is_disconnected } from '../handlers/disconnected.js';
import { settle } from '../handlers/handling.js';
import type { Output } from '../output/output.js';
import { Connection } from './connection.js';
import {
  DEAF,
  ENDED,
  LINGERING,
  MAY_HOLD_MORE,
  MOVED,
  OVER,
  READING,
  SEND_FAILED,
  TOLD,
} from './connection_flags.js';
import { having } from './having.js';
import { note_nothing_to_read } from './own_errors.js';
import { unhandled } from './unhandled.js';

/**
 * What a channel receives and sends, and how either ends. The loop's side of it is SocketEndpoint's.
 */
export abstract class Transfers extends Connection {
  /** The time of the last progress, in milliseconds of the clock that Timeouts reads. */
  protected since = 0;

  /** Notes progress, which postpones `timeout`. */
  progress(): void {
    this.set(MOVED, true);
  }

  // ---- the ends ----

  /** The peer will send no more. Calls handle_eof once, however often the end is read. */
  endOfData(): void {
    if (this.is(ENDED | OVER)) return;
    this.set(ENDED, true);
    if (this.is(LINGERING | SEND_FAILED)) this.channel.handle_close_event();
    else settle(this.channel, this.channel.handle_eof());
  }

  /** `error` says that the peer is gone. What it sent before is read first. */
  lost(error: unknown): void {
    this.reason ??= error;
    if (this.is(OVER)) return;
    // Checked before the output is dropped, because a full queue stops reading.
    const readsOn = !this.is(ENDED) && !isClosed(error) && this.willRead();
    this.output?.lose();
    if (readsOn) {
      this.set(SEND_FAILED, true);
      this.changed();
    } else {
      this.channel.handle_close_event();
    }
  }

  /** Whether there is input that the channel will still read. */
  private willRead(): boolean {
    if (this.channel._holds_input) return true;
    if (!this.isStream || this.isDeaf() || this.unread() === 0) return false;
    return Boolean(this.channel.readable());
  }

  /** A send has noticed that the peer is gone, and everything that the peer sent before is read now. */
  protected isReadOut(): boolean {
    if (!this.is(SEND_FAILED) || this.is(OVER | READING) || this.channel._holds_input) return false;
    return this.unread() === 0;
  }

  /** Marks the connection as over. Returns false if it was: handle_close comes once for each connection. */
  close(): boolean {
    if (this.is(OVER)) return false;
    this.set(OVER | TOLD, true);
    this.set(LINGERING, false);
    return true;
  }

  // ---- receiving and sending ----

  recv(bufsize: number, flags: number): Buffer | null {
    const transport = this.transport as Transport; // the caller has looked
    this.flushForWait();
    let data: Buffer;
    try {
      data = flags === 0 ? transport.recv(bufsize) : transport.recv(bufsize, flags);
    } catch (error) {
      this.notReceived(error, transport);
      return null;
    }
    if (data.length > 0) {
      this.flags |= transport.pending === undefined ? MOVED | MAY_HOLD_MORE : MOVED;
    } else if (bufsize > 0 && this.isStream) {
      this.set(MAY_HOLD_MORE, false);
      this.endOfData();
    }
    return data;
  }

  /** Throws `error`, unless it says that the peer is gone. */
  private notReceived(error: unknown, transport: Transport): void {
    this.set(MAY_HOLD_MORE, false);
    if (!is_disconnected(error, this.established)) {
      note_nothing_to_read(error, this, transport);
      throw error;
    }
    this.receivedLast(error);
  }

  /** Flushes before a blocking receive, which may wait for the answer to what a handler has just sent. */
  flushForWait(): void {
    if (this.output?.isGathered === true) this.flushIfBlocking(this.output);
  }

  private flushIfBlocking(output: Output): void {
    const transport = this.transport as (Transport & { getblocking?(): boolean }) | null;
    if (transport?.getblocking?.() === true) output.flushAll();
  }

  /** A receive failed because the peer is gone: everything that it sent was read. */
  protected receivedLast(error: unknown): void {
    this.reason ??= error;
    this.channel.handle_close_event();
  }

  /** Sends chunks in one call and returns the number of bytes; 0 when there is no room, or the peer is gone. */
  transmit(chunks: readonly Uint8Array[]): number {
    const transport: Transport = this.transport ?? having(this.channel, 'send');
    if (this.is(SEND_FAILED)) return 0;
    try {
      const sent =
        chunks.length === 1 || !transport.sendmsg
          ? transport.send(chunks[0])
          : transport.sendmsg(chunks);
      if (sent > 0) this.flags |= MOVED;
      return sent;
    } catch (error) {
      if (!this.isUnsent(error)) throw error;
      return 0;
    }
  }

  /** Sends datagrams to the peer in one call and gives the number of those taken; 0 when there is no room. */
  transmitMessages(messages: readonly Uint8Array[]): number {
    const transport = this.transport as Socket; // the caller has looked
    try {
      const count = transport.sendmmsg(messages.map((message): [Uint8Array] => [message]));
      if (count > 0) this.flags |= MOVED;
      return count;
    } catch (error) {
      if (!this.isUnsent(error)) throw error;
      return 0;
    }
  }

  /**
   * Sends of a file in one call; 0 when there is no room, or the peer is gone; -1 when it has to be read
   * and sent, which also says what is wrong with it.
   */
  transmitFile(file: number, offset: number, count: number): number {
    const transport = this.transport as Socket; // the caller has looked
    if (this.is(SEND_FAILED)) return 0;
    try {
      const sent = transport.sendfile(file, offset, count);
      if (sent > 0) this.flags |= MOVED;
      return sent > 0 ? sent : -1;
    } catch (error) {
      const isFileClosed = (error as NodeJS.ErrnoException).code === 'EBADF';
      return !isFileClosed && this.isUnsent(error) ? 0 : -1;
    }
  }

  /**
   * Whether sending has failed because the kernel has no room, or because the peer is gone. The latter is
   * reported.
   */
  private isUnsent(error: unknown): boolean {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return true;
    if (!is_disconnected(error, this.established)) return false;
    this.lost(error);
    return true;
  }

  // ---- the end of what is sent ----

  /**
   * Everything was sent after close_when_done. Closing with unread input would reset the connection, and
   * the peer could lose output that it has not received yet. So this ends our half only, and what still
   * arrives is read and discarded.
   */
  linger(): void {
    if (this.is(OVER)) return;
    const { channel, transport } = this;
    const canLinger = channel.linger_time > 0 && !this.is(ENDED | SEND_FAILED) && this.isStream;
    if (!canLinger || typeof transport?.shutdown !== 'function') {
      channel.handle_close_event();
      return;
    }
    this.set(LINGERING, true);
    this.set(MOVED, false);
    this.since = clock.now();
    try {
      transport.shutdown(SHUT_WR);
      this.wasShut();
    } catch (error) {
      this.reason ??= error;
      channel.handle_close_event();
      return;
    }
    this.changed();
  }

  /** Everything was sent, and the peer had ended its half before: closes. */
  finish(): void {
    this.channel.handle_close_event();
  }

  /** Calls shutdown(2), now that everything given before it is sent. */
  shutdown(how: number): void {
    this.transport?.shutdown?.(how);
    this.wasShut();
  }

  /** Reads and discards what came; closes at `linger_bytes`. */
  drain(): void {
    const data = this.recv(65536, 0);
    this.drained += data?.length ?? 0;
    if (this.drained > this.channel.linger_bytes) this.channel.handle_close_event();
  }

  get isLingering(): boolean {
    return this.is(LINGERING);
  }

  protected isDeaf(): boolean {
    return this.is(DEAF) && this.channel.handle_read === unhandled.read;
  }

  /** The default `handle_read` has logged its warning: from now on the channel waits for the hang-up only. */
  deafen(): void {
    this.set(DEAF, true);
  }
}

/** Whether the descriptor no longer belongs to the channel. Its number may belong to another file now. */
function isClosed(error: unknown): boolean {
  return error instanceof OSError && error.code === 'EBADF';
}
