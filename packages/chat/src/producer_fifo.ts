import type { file_range, Source } from '@asyncore/core';
import { type Producer, running_producer } from './running_producer.js';

/**
 * What a channel has yet to send behind its queue, in order: producers, and the bytes behind them. A
 * producer gives a piece only when it is pulled, so that a file larger than memory takes no more of
 * it than one piece.
 */
export class producer_fifo implements Source {
  private readonly ready: () => void;
  private readonly encoding: () => string | null;
  private items: (Uint8Array | running_producer)[] = [];
  private head = 0;
  /** How many bytes were pushed and not pulled yet. What producers have still to give does not count. */
  byteLength = 0;
  /** Whether a file has failed in the middle: the receiver would take what comes after it for its rest. */
  isCutShort = false;

  /**
   * @param ready called when it is time to `pull` again after `'wait'`. It runs in a turn of its own, so
   * nobody catches what it throws.
   * @param encoding gives the encoding of producers that give strings; null if they may not
   */
  constructor(ready: () => void, encoding: () => string | null = () => null) {
    this.ready = ready;
    this.encoding = encoding;
  }

  /** How many items there are: byte arrays and producers. */
  get length(): number {
    return this.items.length - this.head;
  }

  /** Whether the first item is a producer whose next piece has not come yet. When it has, `ready` is called. */
  get waiting(): boolean {
    const item = this.items[this.head];
    return item instanceof running_producer && item.waiting;
  }

  /** The file that the first item is a producer of, if it may be sent as such. */
  get file(): file_range | null {
    const item = this.items[this.head];
    const file = item instanceof running_producer ? item.file : null;
    return file?.isSendable === true ? file : null;
  }

  /** @throws TypeError when `item` is neither bytes nor a producer */
  push(item: Uint8Array | Producer): void {
    const isBytes = item instanceof Uint8Array;
    this.items.push(isBytes ? item : new running_producer(item, this.ready));
    if (isBytes) this.byteLength += item.byteLength;
  }

  /**
   * Returns the next bytes, never an empty array. Otherwise: null when there is nothing to send;
   * `'wait'` while a producer is `waiting`, or when the call comes from within the producer itself.
   *
   * @throws what a producer throws or rejects with, and TypeError when one gives no bytes; that
   * producer is at its end, and the next pull goes on behind it
   */
  pull(): Uint8Array | 'wait' | null {
    while (this.length > 0) {
      const item = this.items[this.head];
      if (item instanceof Uint8Array) {
        this.remove(item);
        if (item.length > 0) return item;
      } else {
        const bytes = this.pullFrom(item);
        if (bytes === null) this.remove(item);
        else if (bytes.length > 0) return bytes;
      }
    }
    return null;
  }

  private pullFrom(item: running_producer): Uint8Array | 'wait' | null {
    try {
      return item.pull(this.encoding());
    } catch (error) {
      this.isCutShort ||= item.file !== null;
      throw error;
    }
  }

  /** Ends every producer, and forgets all items. */
  end(): void {
    const items = this.items.slice(this.head);
    this.items = [];
    this.head = this.byteLength = 0;
    this.isCutShort = false;
    for (const item of items) if (item instanceof running_producer) item.end();
  }

  // Only if it is still the first: the producer may have called `end` while it was asked.
  private remove(item: Uint8Array | running_producer): void {
    if (this.items[this.head] !== item) return;
    if (item instanceof Uint8Array) this.byteLength -= item.byteLength;
    this.head += 1;
    if (this.head * 2 < this.items.length) return;
    this.items.splice(0, this.head);
    this.head = 0;
  }
}
