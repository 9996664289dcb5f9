import { Duplex } from 'node:stream';
import { errno, OSError, SHUT_WR, type Transport } from '@asyncore/socket';

type Done = (error?: Error | null) => void;

/** What one recv(2) asks for, in bytes. */
const RECEIVED_AT_ONCE = 65536;
/** What is read away at the end, in bytes at most: closing with unread input would be a reset. */
const READ_AWAY = 1 << 20;

/**
 * The encrypted side of a connection: node:tls reads and writes this stream, and the channel's loop
 * waits for the descriptor. A failed call ends nothing here, since what came before it is still to be
 * decrypted: it is kept in `error`.
 */
export class Ciphertext extends Duplex {
  /** The peer sends no more. */
  ended = false;
  /** node:tls has been told that, and what it says afterwards it says because of that. */
  endPassed = false;
  /** Why a receive failed; null while none has. */
  receiveError: unknown = null;
  /** Why a send failed. */
  sendError: unknown = null;
  /** Null before the handshake may begin. */
  #raw: Transport | null = null;
  #unsent: Uint8Array[] = [];
  #done: Done | null = null;
  /** The kernel is full. */
  #isFull = false;

  constructor(readonly changed: () => void) {
    super({ allowHalfOpen: true });
  }

  /** Sends `clear`, then what node:tls has given and gives; `received` was received already. */
  attach(raw: Transport, clear: readonly Uint8Array[], received: Buffer): void {
    this.#raw = raw;
    this.#unsent.unshift(...clear);
    if (received.length > 0) this.push(received);
    this.flush();
  }

  /** Whether it waits for room in the kernel. */
  get isFull(): boolean {
    return this.#isFull;
  }

  // ---- from the descriptor ----

  /** Receives once, and hands that to node:tls, which decrypts it before this returns. */
  receive(): void {
    if (this.#raw === null || this.ended || this.receiveError !== null) return;
    let data: Buffer;
    try {
      data = this.#raw.recv(RECEIVED_AT_ONCE);
    } catch (error) {
      if (!isNothing(error)) this.receiveError = error;
      return;
    }
    if (data.length > 0) {
      this.push(data);
      return;
    }
    this.ended = true;
    // Not at once: what node:tls says of a close_notify that came just before is to come first.
    setImmediate(() => {
      this.endPassed = true;
      this.push(null);
      this.changed();
    });
  }

  override _read(): void {}

  // ---- to the descriptor ----

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#send([chunk], done);
  }

  override _writev(items: { chunk: Uint8Array }[], done: Done): void {
    this.#send(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  #send(chunks: Uint8Array[], done: Done): void {
    this.#unsent.push(...chunks);
    this.#done = done;
    this.flush();
  }

  /** Sends what the kernel takes. */
  flush(): void {
    if (this.#raw === null) return;
    this.#isFull = false;
    while (this.#unsent.length > 0 && this.sendError === null) {
      try {
        this.#take(this.#sendOnce(this.#raw));
      } catch (error) {
        if (isNothing(error)) {
          this.#isFull = true;
          this.changed();
          return;
        }
        this.sendError = error;
        this.changed();
      }
    }
    this.#unsent = [];
    const done = this.#done;
    this.#done = null;
    done?.();
  }

  #sendOnce(raw: Transport): number {
    const [first] = this.#unsent;
    return this.#unsent.length === 1 || !raw.sendmsg
      ? raw.send(first)
      : raw.sendmsg(this.#unsent.slice(0, 1024));
  }

  #take(sent: number): void {
    let left = sent;
    while (left > 0) {
      const [first] = this.#unsent;
      if (left < first.length) {
        this.#unsent[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      this.#unsent.shift();
    }
  }

  override _final(done: Done): void {
    try {
      this.#raw?.shutdown?.(SHUT_WR);
    } catch (error) {
      if (!(error instanceof OSError)) throw error;
    }
    done();
  }

  // ---- the end ----

  override _destroy(error: Error | null, done: Done): void {
    this.#unsent = [];
    const waiting = this.#done;
    this.#done = null;
    waiting?.(error);
    done(error);
  }

  /** Closes the descriptor. */
  close(): void {
    const raw = this.#raw;
    this.destroy();
    if (raw === null || raw.fileno() < 0) return;
    if (!this.ended) readAway(raw);
    raw.close();
  }
}

function readAway(raw: Transport): void {
  try {
    for (let left = READ_AWAY; left > 0; ) {
      const { length } = raw.recv(RECEIVED_AT_ONCE);
      if (length === 0) return;
      left -= length;
    }
  } catch (error) {
    if (!(error instanceof OSError)) throw error;
  }
}

function isNothing(error: unknown): boolean {
  const { code, errno: number } = Object(error) as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EWOULDBLOCK' || number === -errno.EAGAIN;
}
