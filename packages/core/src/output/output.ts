import { BlockingIOError, errno, SHUT_RD } from '@asyncore/socket';
import { bytes } from './bytes.js';
import { Sending } from './sending.js';

/**
 * The output of one channel, in the order in which it was given. It is the one place for queueing, for
 * gathering, for the borders of messages, for the order with calls that use the socket directly, and for
 * the end. How it leaves is in Sending.
 */
export class Output extends Sending {
  // ---- questions ----

  /** Whether to wait for room: something can be sent, or an end is due. */
  get wantsRoom(): boolean {
    if (!this.queue.isEmpty) return true;
    if (this.source !== null && this.source.length > 0) return !this.source.waiting;
    const { closes, answersOnly, shutdown } = this.rare;
    return closes || answersOnly || shutdown >= 0;
  }

  /** Whether close_when_done was called and is not finished yet. */
  get closes(): boolean {
    return this.rare.closes;
  }

  /** The method after which nothing more is taken; null for none. */
  get closedBy(): string | null {
    return this.rare.closedBy;
  }

  // ---- giving ----

  /** From now on nothing more is taken, because `method` was called. */
  refuseAfter(method: string): void {
    if (this.rare.closedBy === null) this.change({ closedBy: method });
  }

  /** Whether the bytes of `method` are refused. That is logged once, unless there are no bytes. */
  refuses(method: string, length = 1): boolean {
    if (this.rare.isLost) return true;
    if (this.rare.closedBy === null) return false;
    if (length === 0) return true; // a handler may send back what it received, which is nothing at the end
    this.ending.refuse(method, this.rare.closedBy);
    return true;
  }

  // ---- the end ----

  protected override endsUnsent(): boolean {
    if (!this.rare.closes || !this.ending.isPeerless) return false;
    this.change({ shutdown: -1 }); // there is nothing to shut down either
    this.allIsOut();
    return true;
  }

  protected override allIsOut(): void {
    if (this.rare.shutdown >= 0) {
      const how = this.rare.shutdown;
      this.change({ shutdown: -1 });
      this.ending.shutdown(how);
    }
    if (this.rare.closes) {
      this.change({ closes: false });
      this.ending.linger();
    } else if (this.rare.answersOnly) {
      this.change({ answersOnly: false });
      this.ending.finish();
    }
  }

  /** For close_when_done: nothing more is taken, and the channel ends when everything is out. */
  closeWhenOut(): void {
    this.change({ closes: true, closedBy: 'close_when_done' });
    this.channel._changed();
  }

  /**
   * The peer sends no more, so the channel ends when everything is out. Returns false if nothing waits.
   */
  endWhenOut(): boolean {
    const answersOnly = this.isWaiting;
    if (answersOnly !== this.rare.answersOnly) this.change({ answersOnly });
    return answersOnly;
  }

  /** Cancels the end that was asked for. */
  forgetEnd(): void {
    this.change({ closes: false, answersOnly: false, closedBy: null, shutdown: -1 });
  }

  /**
   * Whether shutdown(2) may be called now. If not, it is called later, when everything before it is out.
   */
  mayShutDown(how: number): boolean {
    if (how === SHUT_RD) return true;
    if (this.isWaiting) this.flushAll();
    if (this.rare.isLost) {
      this.refuseAfter('shutdown');
      return false; // it is over already
    }
    if (!this.isWaiting && !this.channel.connecting) return true;
    this.refuseAfter('shutdown');
    this.change({ shutdown: Math.max(this.rare.shutdown, how) }); // SHUT_RDWR is the largest
    this.channel._changed();
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
    if (this.rare.closedBy !== null && this.refuses(call)) return false;
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
    return this.rare.isFull && !this.rare.isLost;
  }

  /**
   * Whether pushing may go on. Once more than `most` bytes wait (0: no limit) it may not, until
   * `drained`.
   */
  mayGoOn(most: number): boolean {
    if (most > 0 && this.unsent > most) this.change({ isFull: true });
    return !this.rare.isFull;
  }

  /** Whether `mayGoOn` has returned false, and no more than half of `most` bytes wait now. */
  isDrained(most: number): boolean {
    return this.rare.isFull && this.unsent <= most / 2;
  }

  /** Pushing may go on. */
  drained(): void {
    this.change({ isFull: false });
  }
}
