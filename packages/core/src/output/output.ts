import { BlockingIOError, errno, SHUT_RD } from '@asyncore/socket';
import { type Erring, handling } from '../handlers/handling.js';
import { bytes } from './bytes.js';
import type { file_range } from './file_range.js';
import { gather } from './gathering.js';
import { output_queue } from './output_queue.js';

/** One flush sends at most so often, and so many bytes, so that other channels get their turn. */
const MOST_SENDS = 16;
const MOST_BYTES = 1 << 20;
/** And so often at most at the end, as far as producers are involved. */
const MOST_FLUSHES = 64;

/** What an output needs of its channel. */
export interface OutputChannel extends Erring {
  readonly connected: boolean;
  readonly connecting: boolean;
  /** How many bytes one call is given at most. */
  readonly _send_size: number;
  /** Hands chunks to the socket in one call, and gives the number of bytes taken. */
  _send_chunks(chunks: readonly Uint8Array[]): number;
  /** Whether `_send_file` is there for what it is on. */
  readonly _sends_files: boolean;
  /** Sends of a file, and gives the number of bytes taken; -1 where they have to be read. */
  _send_file(file: number, offset: number, count: number): number;
  _changed(): void;
  log_info(message: unknown, type?: string): void;
  /** Calls `send` of its output. */
  initiate_send(): void;
}

/** How the end of the output is carried out. */
export interface Ending {
  /** The channel is being given what it is to send: its own `send`, if it has one, is no second sender. */
  isHanding: boolean;
  /** Everything is out after `close_when_done`. */
  linger(): void;
  /** Everything is out, and the peer had ended its half before. */
  finish(): void;
  /** Everything is out that was given before a shutdown. */
  shutdown(how: number): void;
  /** What `call` gives is refused, since `method` was called: the log says so, once. */
  refuse(call: string, method: string): void;
  /** Why the connection ends. */
  reason: unknown;
}

/**
 * Gives output that does not exist yet, as producers do. It is sent after the bytes in the queue.
 */
export interface Source {
  /**
   * The next bytes, at least one; null when there are no more; 'wait' when there are none yet: the
   * source then asks to be pulled again.
   */
  pull(): Uint8Array | 'wait' | null;
  /** How many items are waiting. */
  readonly length: number;
  /** How many bytes of them are known. */
  readonly byteLength: number;
  /** Whether `pull` gave 'wait', and the source will ask to be pulled again. */
  readonly waiting: boolean;
  /** What comes next is part of a file, which may be sent instead of pulled. */
  readonly file: file_range | null;
  /** What was to come is lost, so that nothing may be sent any more: `pull` has thrown why. */
  readonly broken: boolean;
  /** Forgets all of it. */
  end(): void;
}

/**
 * The output of one channel, in the order in which it was given. The one place for queueing,
 * gathering, the borders of messages, what reaches past the queue to the socket, and the end.
 */
export class Output {
  /** The bytes that were given and are not sent. */
  queue: output_queue;
  /** Gives what comes after them; null for nothing. */
  source: Source | null = null;
  readonly #channel: OutputChannel;
  readonly #ending: Ending;
  /** Goes out when the running handler returns. */
  #gathered = false;
  #sending = false;
  /** Grows when something leaves: by bytes, or by messages. */
  #taken = 0;
  /** The name of the method after which everything that is given is refused; null for none. */
  #closedBy: string | null = null;
  /** The peer is gone. */
  #isLost = false;
  /** Something in the middle could not be sent, and nothing behind it may be. */
  #isBroken = false;
  /** close_when_done was called. */
  #closes = false;
  /** The peer will send no more; the channel closes when everything is sent. */
  #answersOnly = false;
  /** shutdown(2) to be done when everything is out; -1 for none. */
  #shutdown = -1;
  /** push has said that there is too much. */
  #full = false;

  /** `keepsBorders`: each piece is a message of its own, never joined and never cut. */
  constructor(channel: OutputChannel, ending: Ending, keepsBorders: boolean) {
    this.#channel = channel;
    this.#ending = ending;
    this.queue = new output_queue(keepsBorders);
  }

  // ---- questions ----

  /** Something was given and is not sent. */
  get isWaiting(): boolean {
    return !this.queue.isEmpty || (this.source !== null && this.source.length > 0);
  }

  /** Goes out when the running handler returns. */
  get isGathered(): boolean {
    return this.#gathered;
  }

  /** The bytes given and not sent; those that a producer may still give do not count. */
  get unsent(): number {
    return this.queue.length + (this.source?.byteLength ?? 0);
  }

  /** Whether to wait for room: something can be sent, or an end is due. */
  get wantsRoom(): boolean {
    if (!this.queue.isEmpty) return true;
    if (this.source !== null && this.source.length > 0) return !this.source.waiting;
    return this.#closes || this.#answersOnly || this.#shutdown >= 0;
  }

  /** Whether close_when_done was called and it is not yet done. */
  get closes(): boolean {
    return this.#closes;
  }

  /** The method after which nothing more is taken; null while everything is. */
  get closedBy(): string | null {
    return this.#closedBy;
  }

  /** The socket is there: whether each piece is a message. */
  useBorders(keepsBorders: boolean): void {
    if (this.queue.keepsBorders === keepsBorders) return;
    const queue = new output_queue(keepsBorders);
    for (const chunk of this.queue.all()) queue.push(chunk);
    this.queue = queue;
  }

  // ---- giving ----

  /** Nothing can be sent any more: forgets what waits, and everything that is given from now on. */
  lose(): void {
    this.discard();
    this.#isLost = true;
  }

  /** Belongs to a connection that is over, of a channel that may have begun another: sends and ends nothing any more. */
  drop(): void {
    this.#isBroken = false;
    this.forgetEnd();
    this.lose();
  }

  /** Nothing more is taken, since `method` was called. */
  refuseAfter(method: string): void {
    this.#closedBy ??= method;
  }

  /** Whether what `method` gives is refused. The log says so once, unless it gives no bytes. */
  refuses(method: string, length = 1): boolean {
    if (this.#isLost) return true;
    if (this.#closedBy === null) return false;
    if (length === 0) return true; // a handler may send back what came, also at the end
    this.#ending.refuse(method, this.#closedBy);
    return true;
  }

  /** Something was queued. It goes out when the handler returns, at once if none runs. */
  given(wasWaiting: boolean): void {
    // Behind what the kernel had no room for, it goes out when there is room.
    if (this.#gathered || wasWaiting) return;
    this.#gathered = gather(this);
    if (!this.#gathered) this.flush();
  }

  // ---- sending ----

  /** Sends by the channel's `initiate_send`, which a subclass may have overridden. */
  flush(): void {
    this.#gathered = false; // that initiate_send may send nothing
    handling(this.#channel, Output.#initiate);
    if (this.isWaiting) this.#channel._changed();
  }

  // A function of its own rather than a closure, which would be made for every flush.
  static #initiate(channel: OutputChannel): void {
    channel.initiate_send();
  }

  /**
   * Sends what the kernel takes. It may be called from within itself: a send, a producer or a
   * handler may give more, close or discard, and what they change counts from there on.
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
   * Flushes until the kernel takes no more. What a producer gives has no known end, and a peer that reads
   * as fast as it comes would hold the thread up: so many flushes are enough for it.
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

  /** Whether something is there that need not be asked of a producer first. */
  #knowsMore(flushes: number): boolean {
    if (!this.queue.isEmpty) return true;
    const { source } = this;
    if (source === null || flushes >= MOST_FLUSHES) return false;
    return source.byteLength > 0 || source.file !== null;
  }

  #sendQueued(): void {
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

  /** Pulls the next bytes into the queue, enough for one send. What comes behind them if it is a file. */
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
      if (!queue.isEmpty) this.#sendOnce(size); // what a producer gave before it failed
      if (source.broken) this.#break(error);
      throw error;
    }
    return null;
  }

  /** What was to come is lost: the channel ends, once `error` is told. */
  #break(error: unknown): void {
    this.#ending.reason ??= error;
    this.#isBroken = true;
    this.lose();
  }

  get #sendsFiles(): boolean {
    return !this.queue.keepsBorders && this.#channel._sends_files;
  }

  /** How many bytes the kernel has taken of a file; -1 if it takes no more now. */
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

  /** How many bytes the kernel has taken; -1 if that is not all that it was given. */
  #sendOnce(size: number): number {
    const { queue } = this; // which a handler may discard meanwhile
    const chunks = queue.next(size);
    let given = 0;
    for (const { length } of chunks) given += length;
    let sent: number;
    this.#ending.isHanding = true;
    try {
      sent = this.#channel._send_chunks(chunks);
    } catch (error) {
      // The kernel will never take this message, and the next ones must not wait for it.
      if ((error as NodeJS.ErrnoException | null)?.code === 'EMSGSIZE') this.#drop(queue);
      throw error;
    } finally {
      this.#ending.isHanding = false;
    }
    if (queue.keepsBorders) {
      if (sent > 0 || given === 0) this.#drop(queue);
    } else {
      queue.consume(sent);
      this.#taken += sent;
    }
    return sent === given ? sent : -1;
  }

  #drop(queue: output_queue): void {
    queue.dropMessage();
    this.#taken += 1;
  }

  /** Forgets what waits. */
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

  /** close_when_done: nothing more is taken, and the channel ends when everything is out. */
  closeWhenOut(): void {
    this.#closes = true;
    this.#closedBy = 'close_when_done';
    this.#channel._changed();
  }

  /** The peer sends no more: the channel ends when everything is out. False if nothing waits. */
  endWhenOut(): boolean {
    this.#answersOnly = this.isWaiting;
    return this.#answersOnly;
  }

  /** What was asked of the end no longer holds. */
  forgetEnd(): void {
    this.#closes = this.#answersOnly = false;
    this.#closedBy = null;
    this.#shutdown = -1;
  }

  /** Whether shutdown(2) may be called now. If not, it is when everything before it is out. */
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
   * Whether a bare send may go out now: what was given goes first, as far as there is room. After the end
   * it is refused.
   */
  mayPass(data: Uint8Array): boolean {
    if (this.refuses('send', bytes(data).length)) return false;
    if (!this.isWaiting) return true;
    this.flushAll();
    return !this.isWaiting;
  }

  /** Whether `call`, which sends past the queue, may do so now: `before`, unless it is refused. */
  mayCall(call: string): boolean {
    if (this.#closedBy !== null && this.refuses(call)) return false;
    this.before(call);
    return true;
  }

  /**
   * Comes before `call`, which reaches past the queue to the socket: sends what was given. Throws
   * EAGAIN where the kernel does not take all of it, since `call` would overtake the rest.
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

  /** Whether push has said no and too little has gone out since. */
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

  /** Whether `mayGoOn` gave false, and no more than half of `most` bytes wait now. */
  isDrained(most: number): boolean {
    return this.#full && this.unsent <= most / 2;
  }

  /** Pushing may go on. */
  drained(): void {
    this.#full = false;
  }
}
