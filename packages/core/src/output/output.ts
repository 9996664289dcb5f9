import { BlockingIOError, errno, SHUT_RD } from '@asyncore/socket';
import { handling } from '../handlers/handling.js';
import { bytes } from './bytes.js';
import type { file_range } from './file_range.js';
import { gather } from './gathering.js';
import type { Ending, OutputChannel, Source } from './output_channel.js';
import { output_queue } from './output_queue.js';

/** The most sends of one flush, and the most bytes, so that other channels get their turn. */
const MOST_SENDS = 16;
const MOST_BYTES = 1 << 20;
/** The most flushes of `flushAll`, as long as producers have more to give. */
const MOST_FLUSHES = 64;

/** The most messages that one call is given. */
const MOST_MESSAGES = 64;

/**
 * The output of one channel, in the order in which it was given. It is the one place for queueing, for
 * gathering, for the borders of messages, for the order with calls that use the socket directly, and for
 * the end.
 */
export class Output {
  /** The bytes that were given and are not sent yet. */
  queue: output_queue;
  /** What comes after these bytes; null for nothing. */
  source: Source | null = null;
  readonly #channel: OutputChannel;
  readonly #ending: Ending;
  /** Goes out when the running handler returns. */
  #gathered = false;
  #sending = false;
  /** Grows whenever something was sent: by the bytes, or by the messages. */
  #taken = 0;
  /** The name of the method that was called and after which nothing more is taken; null for none. */
  #closedBy: string | null = null;
  /** Whether the peer is gone. */
  #isLost = false;
  /** Whether something could not be sent. Then nothing that comes after it may be sent. */
  #isBroken = false;
  /** Whether close_when_done was called. */
  #closes = false;
  /** Whether the peer will send no more. Then the channel closes when everything is sent. */
  #answersOnly = false;
  /** The argument of the shutdown(2) to do when everything is out; -1 for none. */
  #shutdown = -1;
  /** Whether `push` has returned false because too much waits. */
  #full = false;

  /** `keepsBorders`: each piece is a message of its own, never joined and never cut. */
  constructor(channel: OutputChannel, ending: Ending, keepsBorders: boolean) {
    this.#channel = channel;
    this.#ending = ending;
    this.queue = new output_queue(keepsBorders);
  }

  // ---- questions ----

  /** Whether something was given and is not sent yet. */
  get isWaiting(): boolean {
    return !this.queue.isEmpty || (this.source !== null && this.source.length > 0);
  }

  /** Goes out when the running handler returns. */
  get isGathered(): boolean {
    return this.#gathered;
  }

  /**
   * How many bytes were given and are not sent yet. Those that a producer has still to give do not count.
   */
  get unsent(): number {
    return this.queue.length + (this.source?.byteLength ?? 0);
  }

  /** Whether to wait for room: something can be sent, or an end is due. */
  get wantsRoom(): boolean {
    if (!this.queue.isEmpty) return true;
    if (this.source !== null && this.source.length > 0) return !this.source.waiting;
    return this.#closes || this.#answersOnly || this.#shutdown >= 0;
  }

  /** Whether close_when_done was called and is not finished yet. */
  get closes(): boolean {
    return this.#closes;
  }

  /** The method after which nothing more is taken; null for none. */
  get closedBy(): string | null {
    return this.#closedBy;
  }

  /** Called when the socket is known: whether each piece is a message. */
  useBorders(keepsBorders: boolean): void {
    if (this.queue.keepsBorders === keepsBorders) return;
    const queue = new output_queue(keepsBorders);
    for (const chunk of this.queue.all()) queue.push(chunk);
    this.queue = queue;
  }

  // ---- giving ----

  /** Nothing can be sent any more. Drops what waits, and everything that is given from now on. */
  lose(): void {
    this.discard();
    this.#isLost = true;
  }

  /**
   * The connection is over, and the channel may have begun another one. This output sends nothing and
   * ends nothing any more.
   */
  drop(): void {
    this.#isBroken = false;
    this.forgetEnd();
    this.lose();
  }

  /** From now on nothing more is taken, because `method` was called. */
  refuseAfter(method: string): void {
    this.#closedBy ??= method;
  }

  /** Whether the bytes of `method` are refused. That is logged once, unless there are no bytes. */
  refuses(method: string, length = 1): boolean {
    if (this.#isLost) return true;
    if (this.#closedBy === null) return false;
    if (length === 0) return true; // a handler may send back what it received, which is nothing at the end
    this.#ending.refuse(method, this.#closedBy);
    return true;
  }

  /**
   * Something was queued. It goes out when the running handler returns, or at once if no handler runs.
   */
  given(wasWaiting: boolean): void {
    // If older output waits for room in the kernel, this goes out after it.
    if (this.#gathered || wasWaiting) return;
    this.#gathered = gather(this);
    if (!this.#gathered) this.flush();
  }

  // ---- sending ----

  /** Sends by the channel's `initiate_send`, which a subclass may have overridden. */
  flush(): void {
    this.#gathered = false; // an initiate_send of a subclass may send nothing
    handling(this.#channel, Output.#initiate);
    if (this.isWaiting) this.#channel._changed();
  }

  // A function of its own rather than a closure, which would be made for every flush.
  static #initiate(channel: OutputChannel): void {
    channel.initiate_send();
  }

  /**
   * Sends what the kernel takes. It may be called within itself, because a send, a producer or a
   * handler may give more output, close or discard. What they change takes effect at once.
   */
  send(): void {
    this.#gathered = false;
    if (this.#sending) return;
    this.#sending = true;
    try {
      handling(this.#channel, Output.#sendOf, this);
    } finally {
      this.#sending = false;
      if (this.#isBroken) this.#finishBroken();
      this.#channel._changed();
    }
  }

  #finishBroken(): void {
    this.#isBroken = false;
    this.#ending.finish();
  }

  static #sendOf(_: OutputChannel, output: Output): void {
    output.#sendQueued();
  }

  /**
   * Flushes until the kernel takes no more. A producer may have no end, and a peer that reads fast
   * enough would hold up the thread for ever. So producers get no more than MOST_FLUSHES.
   */
  flushAll(): void {
    let before: number;
    let flushes = 0;
    do {
      before = this.#taken;
      this.flush();
      flushes += 1;
    } while (this.#taken > before && this.#knowsMore(flushes));
  }

  /** Whether there is more to send: in the queue or, for the first flushes, in what comes after it. */
  #knowsMore(flushes: number): boolean {
    if (!this.queue.isEmpty) return true;
    const { source } = this;
    if (source === null || flushes >= MOST_FLUSHES) return false;
    return source.byteLength > 0 || source.file !== null;
  }

  #sendQueued(): void {
    if (this.#closes && this.#ending.isPeerless) {
      this.#shutdown = -1; // there is nothing to shut down either
      this.#allIsOut();
      return;
    }
    const size = this.#channel._send_size;
    let left = MOST_BYTES;
    for (let sends = 0; sends < MOST_SENDS && left > 0 && this.#channel.connected; sends++) {
      const file = this.#fill(size);
      if (this.queue.isEmpty && file === null) {
        if (!this.isWaiting) this.#allIsOut();
        return;
      }
      const isFile = this.queue.isEmpty && file !== null;
      const sent = isFile ? this.#sendFile(file, left) : this.#sendOnce(size);
      if (sent < 0) return;
      left -= sent;
    }
    if (this.#channel.connected && !this.isWaiting) this.#allIsOut();
  }

  /**
   * Pulls the next bytes into the queue, enough for one send. If a file comes after them, returns the
   * file.
   */
  #fill(size: number): file_range | null {
    const { source, queue } = this;
    if (source === null) return null;
    try {
      while (queue.length < size) {
        const { file } = source;
        if (file !== null && this.#sendsFiles) return file;
        const piece = source.pull();
        if (this.#isLost) return null; // the producer has ended the connection, or begun another
        if (piece === null || piece === 'wait') return null;
        queue.push(piece);
      }
    } catch (error) {
      if (!queue.isEmpty) this.#sendOnce(size); // the bytes that a producer gave before it failed
      if (source.broken) this.#break(error);
      throw error;
    }
    return null;
  }

  /** The rest of the output is lost. The channel ends when handle_error has been called with `error`. */
  #break(error: unknown): void {
    this.#ending.reason ??= error;
    this.#isBroken = true;
    this.lose();
  }

  get #sendsFiles(): boolean {
    return !this.queue.keepsBorders && this.#channel._sends_files;
  }

  /** Sends from a file, and returns how many bytes the kernel has taken; -1 if it takes no more now. */
  #sendFile(file: file_range, most: number): number {
    const count = Math.min(file.left, most);
    const sent = this.#channel._send_file(file.fd, file.position, count);
    if (sent < 0) {
      file.refuse();
      return 0;
    }
    file.taken(sent);
    this.#taken += sent;
    return sent === count ? sent : -1;
  }

  /**
   * Sends from the queue, and returns how many bytes the kernel has taken; -1 if that is less than it was
   * given.
   */
  #sendOnce(size: number): number {
    return this.queue.keepsBorders ? this.#sendMessages(size) : this.#sendBytes(size);
  }

  #sendBytes(size: number): number {
    const { queue } = this; // a handler may replace it meanwhile, by discarding
    const chunks = queue.next(size);
    let sent: number;
    this.#ending.isHanding = true;
    try {
      sent = this.#channel._send_chunks(chunks);
    } finally {
      this.#ending.isHanding = false;
    }
    queue.consume(sent);
    this.#taken += sent;
    return sent === lengthOf(chunks) ? sent : -1;
  }

  /** The same for messages. If only the first ones were taken, the next call tells why. */
  #sendMessages(size: number): number {
    const { queue } = this;
    const messages = queue.next(size, this.#channel._sends_messages ? MOST_MESSAGES : 1);
    let count: number;
    this.#ending.isHanding = true;
    try {
      count = this.#handMessages(messages);
    } catch (error) {
      // The kernel will never take this message. The next ones must not wait for it.
      if ((error as NodeJS.ErrnoException | null)?.code === 'EMSGSIZE') this.#drop(queue, 1);
      throw error;
    } finally {
      this.#ending.isHanding = false;
    }
    this.#drop(queue, count);
    return count > 0 ? lengthOf(messages.slice(0, count)) : -1;
  }

  #handMessages(messages: readonly Uint8Array[]): number {
    if (messages.length > 1) return this.#channel._send_messages(messages);
    const sent = this.#channel._send_chunks(messages);
    return sent > 0 || messages[0].length === 0 ? 1 : 0;
  }

  #drop(queue: output_queue, count: number): void {
    this.#taken += queue.dropMessages(count);
  }

  /** Drops everything that waits. */
  discard(): void {
    this.source?.end();
    if (!this.queue.isEmpty) this.queue = new output_queue(this.queue.keepsBorders);
    this.#channel._changed();
  }

  // ---- the end ----

  #allIsOut(): void {
    if (this.#shutdown >= 0) {
      const how = this.#shutdown;
      this.#shutdown = -1;
      this.#ending.shutdown(how);
    }
    if (this.#closes) {
      this.#closes = false;
      this.#ending.linger();
    } else if (this.#answersOnly) {
      this.#answersOnly = false;
      this.#ending.finish();
    }
  }

  /** For close_when_done: nothing more is taken, and the channel ends when everything is out. */
  closeWhenOut(): void {
    this.#closes = true;
    this.#closedBy = 'close_when_done';
    this.#channel._changed();
  }

  /**
   * The peer sends no more, so the channel ends when everything is out. Returns false if nothing waits.
   */
  endWhenOut(): boolean {
    this.#answersOnly = this.isWaiting;
    return this.#answersOnly;
  }

  /** Cancels the end that was asked for. */
  forgetEnd(): void {
    this.#closes = this.#answersOnly = false;
    this.#closedBy = null;
    this.#shutdown = -1;
  }

  /**
   * Whether shutdown(2) may be called now. If not, it is called later, when everything before it is out.
   */
  mayShutDown(how: number): boolean {
    if (how === SHUT_RD) return true;
    if (this.isWaiting) this.flushAll();
    if (this.#isLost) {
      this.refuseAfter('shutdown');
      return false; // it is over already
    }
    if (!this.isWaiting && !this.#channel.connecting) return true;
    this.refuseAfter('shutdown');
    this.#shutdown = Math.max(this.#shutdown, how); // SHUT_RDWR is the largest
    this.#channel._changed();
    return false;
  }

  /**
   * Whether a direct send may go out now. Sends what was given before it first; returns false if the
   * kernel has no room for that, or if sending is refused after the end.
   */
  mayPass(data: Uint8Array): boolean {
    if (this.refuses('send', bytes(data).length)) return false;
    if (!this.isWaiting) return true;
    this.flushAll();
    return !this.isWaiting;
  }

  /**
   * Whether `call`, which sends on the socket directly, may do so now. As `before`, but returns false if
   * sending is refused.
   */
  mayCall(call: string): boolean {
    if (this.#closedBy !== null && this.refuses(call)) return false;
    this.before(call);
    return true;
  }

  /**
   * Sends what was given before `call`, which uses the socket directly. Throws EAGAIN if the kernel
   * does not take all of it, because `call` would overtake the rest.
   */
  before(call: string): void {
    if (!this.isWaiting) return;
    this.flushAll();
    if (!this.isWaiting) return;
    const what = this.unsent > 0 ? `${this.unsent} bytes of output wait` : 'a producer waits';
    const hint = `${what} to be sent before it`;
    throw new BlockingIOError(call, errno.EAGAIN, null, hint);
  }

  // ---- high water ----

  /** Whether `push` has returned false and too little has gone out since. */
  get isFull(): boolean {
    return this.#full && !this.#isLost;
  }

  /**
   * Whether pushing may go on. Once more than `most` bytes wait (0: no limit) it may not, until
   * `drained`.
   */
  mayGoOn(most: number): boolean {
    if (most > 0 && this.unsent > most) this.#full = true;
    return !this.#full;
  }

  /** Whether `mayGoOn` has returned false, and no more than half of `most` bytes wait now. */
  isDrained(most: number): boolean {
    return this.#full && this.unsent <= most / 2;
  }

  /** Pushing may go on. */
  drained(): void {
    this.#full = false;
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  let sum = 0;
  for (const { length } of chunks) sum += length;
  return sum;
}
