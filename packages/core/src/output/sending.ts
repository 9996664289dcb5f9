import { failedWithin } from '../handlers/handling.js';
import type { file_range } from './file_range.js';
import { beginHandler, endHandler, gather } from './gathering.js';
import type { Ending, OutputChannel, Source } from './output_channel.js';
import { output_queue } from './output_queue.js';

/** The most sends of one flush, and the most bytes, so that other channels get their turn. */
const MOST_SENDS = 16;
const MOST_BYTES = 1 << 20;
/** The most flushes of `flushAll`, as long as producers have more to give. */
const MOST_FLUSHES = 64;
/** The most messages that one call is given. */
const MOST_MESSAGES = 64;

const NONE = 0;
/** It goes out when the running handler returns. */
const GATHERED = 1;
/** It is about to be sent. */
const FLUSHING = 2;

/** What only few outputs have to remember. */
interface Rare {
  /** What comes after the bytes in the queue; null for nothing. */
  readonly source: Source | null;
  /** Whether the peer is gone. */
  readonly isLost: boolean;
  /** Whether something could not be sent. Then nothing that comes after it may be sent. */
  readonly isCutShort: boolean;
  /** The name of the method that was called and after which nothing more is taken; null for none. */
  readonly closedBy: string | null;
  /** Whether close_when_done was called. */
  readonly closes: boolean;
  /** Whether the peer will send no more. Then the channel closes when everything is sent. */
  readonly answersOnly: boolean;
  /** The argument of the shutdown(2) to do when everything is out; -1 for none. */
  readonly shutdown: number;
  /** Whether `push` has returned false because too much waits. */
  readonly isFull: boolean;
}
/** That of most outputs, to keep them small. */
const NOTHING_RARE: Rare = {
  source: null,
  isLost: false,
  isCutShort: false,
  closedBy: null,
  closes: false,
  answersOnly: false,
  shutdown: -1,
  isFull: false,
};
const LOST: Rare = { ...NOTHING_RARE, isLost: true };

/**
 * What was given to a channel and is not sent yet, and how it leaves. What ends it is Output's.
 */
export abstract class Sending {
  /** The bytes that were given and are not sent yet. */
  queue: output_queue;
  /** What only few outputs have to remember. */
  protected rare = NOTHING_RARE;
  /** What becomes of output that was given while nothing waited, so that the loop has not seen it wait. */
  private news: typeof NONE | typeof GATHERED | typeof FLUSHING = NONE;
  private sending = false;
  /** Grows whenever something was sent: by the bytes, or by the messages. */
  private taken = 0;

  /** `keepsBorders`: each piece is a message of its own, never joined and never cut. */
  constructor(
    /** Whose output this is. */
    protected readonly channel: OutputChannel,
    /** What is done when the end was asked for, or sending fails. */
    protected readonly ending: Ending,
    keepsBorders: boolean,
  ) {
    this.queue = new output_queue(keepsBorders);
  }

  /** Puts `what` in place of what `rare` has. */
  protected change(what: Partial<Rare>): void {
    this.rare = { ...this.rare, ...what };
  }

  /** What comes after the bytes in the queue; null for nothing. */
  get source(): Source | null {
    return this.rare.source;
  }

  /** It is asked once the bytes are out. */
  set source(source: Source | null) {
    this.change({ source });
  }

  /** Everything is out: does what was asked for then. */
  protected abstract allIsOut(): void;
  /** Ends at once, and returns true, if the end was asked for and nothing that waits can be sent. */
  protected abstract endsUnsent(): boolean;

  // ---- what waits ----

  /** Whether something was given and is not sent yet. */
  get isWaiting(): boolean {
    return !this.queue.isEmpty || this.sourceWaits;
  }

  private get sourceWaits(): boolean {
    return this.source !== null && this.source.length > 0;
  }

  /** Goes out when the running handler returns. */
  get isGathered(): boolean {
    return this.news === GATHERED;
  }

  /**
   * How many bytes were given and are not sent yet. Those that a producer has still to give do not count.
   */
  get unsent(): number {
    return this.queue.length + (this.source?.byteLength ?? 0);
  }

  /** Called when the socket is known: whether each piece is a message. */
  useBorders(keepsBorders: boolean): void {
    if (this.queue.keepsBorders === keepsBorders) return;
    const queue = new output_queue(keepsBorders);
    for (const chunk of this.queue.all()) queue.push(chunk);
    this.queue = queue;
  }

  /**
   * The connection is over, and the channel may have begun another one. This output sends nothing and
   * ends nothing any more.
   */
  drop(): void {
    this.discard();
    this.rare = LOST;
  }

  /** Nothing can be sent any more. Drops what waits, and everything that is given from now on. */
  lose(): void {
    this.discard();
    this.change({ isLost: true });
  }

  /**
   * Something was queued. It goes out when the running handler returns, or at once if no handler runs.
   */
  given(wasWaiting: boolean): void {
    // If older output waits for room in the kernel, this goes out after it.
    if (this.news === GATHERED || wasWaiting) return;
    this.news = gather(this) ? GATHERED : FLUSHING;
    if (this.news === FLUSHING) this.flush();
  }

  // ---- sending ----

  /** Sends by the channel's `initiate_send`, which a subclass may have overridden. */
  flush(): void {
    if (this.news === GATHERED) this.news = FLUSHING;
    beginHandler();
    try {
      this.channel.initiate_send();
    } catch (error) {
      failedWithin(this.channel, error);
    }
    endHandler();
    if (this.news === FLUSHING) this.notSent();
  }

  /** An initiate_send of a subclass has not called `send`. */
  private notSent(): void {
    this.news = NONE;
    if (this.isWaiting) this.channel._changed();
  }

  /**
   * Sends what the kernel takes. It may be called within itself, because a send, a producer or a
   * handler may give more output, close or discard. What they change takes effect at once.
   */
  send(): void {
    const isNews = this.news !== NONE;
    this.news = NONE;
    if (this.sending) return;
    this.sending = true;
    try {
      this.sendGuarded();
    } finally {
      this.sending = false;
      if (this.rare.isCutShort) this.finishCutShort();
      // A program may have set its timeout, or read an urgent byte, before it sent this.
      if (!isNews || this.isWaiting || !this.ending.isKnown) this.channel._changed();
    }
  }

  private finishCutShort(): void {
    this.change({ isCutShort: false });
    this.ending.finish();
  }

  private sendGuarded(): void {
    beginHandler();
    try {
      this.sendQueued();
    } catch (error) {
      failedWithin(this.channel, error);
    }
    endHandler();
  }

  /**
   * Flushes until the kernel takes no more. A producer may have no end, and a peer that reads fast
   * enough would hold up the thread for ever. So producers get no more than MOST_FLUSHES.
   */
  flushAll(): void {
    let before: number;
    let flushes = 0;
    do {
      before = this.taken;
      this.flush();
      flushes += 1;
    } while (this.taken > before && this.knowsMore(flushes));
  }

  /** Whether there is more to send: in the queue or, for the first flushes, in what comes after it. */
  private knowsMore(flushes: number): boolean {
    if (!this.queue.isEmpty) return true;
    const { source } = this;
    if (source === null || flushes >= MOST_FLUSHES) return false;
    return source.byteLength > 0 || source.file !== null;
  }

  private sendQueued(): void {
    if (this.endsUnsent()) return;
    const size = this.channel._send_size;
    let left = MOST_BYTES;
    for (let sends = 0; sends < MOST_SENDS && left > 0 && this.channel.connected; sends++) {
      const file = this.source === null ? null : this.fill(this.source, size);
      if (!this.queue.isEmpty || file !== null) {
        const sent = this.queue.isEmpty
          ? this.sendFile(file as file_range, left)
          : this.sendOnce(size);
        if (sent < 0) return;
        left -= sent;
      } else if (this.isWaiting) return;
      if (!this.isWaiting) {
        if (this.rare !== NOTHING_RARE && this.channel.connected) this.allIsOut();
        return;
      }
    }
  }

  /**
   * Pulls the next bytes into the queue, enough for one send. If a file comes after them, returns the
   * file.
   */
  private fill(source: Source, size: number): file_range | null {
    const { queue } = this;
    try {
      while (queue.length < size) {
        const { file } = source;
        if (file !== null && this.sendsFiles) return file;
        const piece = source.pull();
        if (this.rare.isLost) return null; // the producer has ended the connection, or begun another
        if (piece === null || piece === 'wait') return null;
        queue.push(piece);
      }
    } catch (error) {
      if (!queue.isEmpty) this.sendOnce(size); // the bytes that a producer gave before it failed
      if (source.isCutShort) this.cutShort(error);
      throw error;
    }
    return null;
  }

  /** The rest of the output is lost. The channel ends when handle_error has been called with `error`. */
  private cutShort(error: unknown): void {
    this.ending.reason ??= error;
    this.change({ isCutShort: true });
    this.lose();
  }

  private get sendsFiles(): boolean {
    return !this.queue.keepsBorders && this.channel._sends_files;
  }

  /** Sends from a file, and returns how many bytes the kernel has taken; -1 if it takes no more now. */
  private sendFile(file: file_range, most: number): number {
    const count = Math.min(file.left, most);
    const sent = this.channel._send_file(file.fd, file.position, count);
    if (sent < 0) {
      file.refuse();
      return 0;
    }
    file.taken(sent);
    this.taken += sent;
    return sent === count ? sent : -1;
  }

  /**
   * Sends from the queue, and returns how many bytes the kernel has taken; -1 if that is less than it was
   * given.
   */
  private sendOnce(size: number): number {
    return this.queue.keepsBorders ? this.sendMessages(size) : this.sendBytes(size);
  }

  private sendBytes(size: number): number {
    const { queue } = this; // a handler may replace it meanwhile, by discarding
    const chunks = queue.next(size);
    const sent = this.channel._sends_itself ? this.ending.transmit(chunks) : this.hand(chunks);
    queue.consume(sent);
    this.taken += sent;
    return sent === lengthOf(chunks) ? sent : -1;
  }

  /** Sends by the channel's `_send_chunks`. */
  private hand(chunks: readonly Uint8Array[]): number {
    this.ending.isHanding = true;
    try {
      return this.channel._send_chunks(chunks);
    } finally {
      this.ending.isHanding = false;
    }
  }

  /** The same for messages. If only the first ones were taken, the next call tells why. */
  private sendMessages(size: number): number {
    const { queue } = this;
    const messages = queue.next(size, this.channel._sends_messages ? MOST_MESSAGES : 1);
    let count: number;
    this.ending.isHanding = true;
    try {
      count = this.handMessages(messages);
    } catch (error) {
      // The kernel will never take this message. The next ones must not wait for it.
      if ((error as NodeJS.ErrnoException | null)?.code === 'EMSGSIZE') this.dropMessages(queue, 1);
      throw error;
    } finally {
      this.ending.isHanding = false;
    }
    this.dropMessages(queue, count);
    return count > 0 ? lengthOf(messages.slice(0, count)) : -1;
  }

  private handMessages(messages: readonly Uint8Array[]): number {
    if (messages.length > 1) return this.channel._send_messages(messages);
    const sent = this.channel._send_chunks(messages);
    return sent > 0 || messages[0].length === 0 ? 1 : 0;
  }

  private dropMessages(queue: output_queue, count: number): void {
    this.taken += queue.dropMessages(count);
  }

  /** Drops everything that waits. */
  discard(): void {
    this.source?.end();
    if (!this.queue.isEmpty) this.queue = new output_queue(this.queue.keepsBorders);
    this.channel._changed();
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  let sum = 0;
  for (let i = 0; i < chunks.length; i++) sum += chunks[i].length;
  return sum;
}
