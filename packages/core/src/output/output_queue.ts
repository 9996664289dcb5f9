/** What one sendmsg(2) is given at most. */
const MOST_CHUNKS = 64;
/** Copying a chunk of this size costs less than passing it to sendmsg(2) as one of many. */
const SMALL = 2048;
const MOST_JOINED = 65536;

/** The chunks of every empty queue: replaced before the first push. */
const NONE: Uint8Array[] = [];

/**
 * Bytes on their way out, in chunks as they were given: a chunk must not be changed until it has
 * left. Small ones are joined when their turn comes, large ones never copied.
 */
export class output_queue {
  /** NONE when there are none. */
  private chunks: Uint8Array[] = NONE;
  /** The first chunk that is not sent, and how much of it is. */
  private first = 0;
  private sent = 0;
  /** The index of the first small chunk that is not joined yet, and the bytes from there on. */
  private loose = 0;
  private looseLength = 0;
  /** What comes behind the chunks, not encoded yet: latin1. */
  private text = '';
  private byteCount = 0;
  /** Each chunk is a message of its own: never joined, never cut, also when it is empty. */
  readonly keepsBorders: boolean;

  /** `keepsBorders`: `next` gives each chunk as it was pushed. */
  constructor(keepsBorders = false) {
    this.keepsBorders = keepsBorders;
  }

  /** The number of bytes waiting. */
  get length(): number {
    return this.byteCount;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.chunks === NONE && this.text === '';
  }

  /** Puts bytes behind the others. An empty array is ignored, unless it is a message. */
  push(chunk: Uint8Array): void {
    if (this.keepsBorders) {
      this.byteCount += chunk.length;
      if (this.chunks === NONE) this.chunks = [chunk];
      else this.chunks.push(chunk);
      return;
    }
    if (chunk.length === 0) return;
    if (this.text !== '') this.encode();
    this.add(chunk);
    this.byteCount += chunk.length;
  }

  /** The same for text. Many short ones in latin1 cost least: they are encoded all at once. */
  push_text(text: string, encoding: BufferEncoding): void {
    if (encoding !== 'latin1' || this.keepsBorders) {
      this.push(Buffer.from(text, encoding));
      return;
    }
    this.text += text;
    this.byteCount += text.length;
    if (this.text.length >= MOST_JOINED) this.encode();
  }

  /**
   * The next chunks: at most `bytes` bytes, in at most `most` of them. The next message comes whole,
   * however long it is. Good until the queue changes.
   */
  next(bytes: number, most = MOST_CHUNKS): readonly Uint8Array[] {
    if (this.keepsBorders) return this.messages(bytes, most);
    if (this.text !== '') this.encode();
    if (this.loose < this.chunks.length) this.join();
    const { length } = this.chunks;
    if (length === 1 && this.sent === 0 && this.byteCount <= bytes) return this.chunks;
    const chunks: Uint8Array[] = [];
    let start = this.sent;
    let left = bytes;
    for (let i = this.first; i < length && chunks.length < most && left > 0; i++) {
      const chunk = this.chunks[i].subarray(start, start + left);
      chunks.push(chunk);
      left -= chunk.length;
      start = 0;
    }
    return chunks;
  }

  private messages(bytes: number, most: number): readonly Uint8Array[] {
    const messages = this.chunks.slice(this.first, this.first + most);
    let left = bytes;
    const end = messages.findIndex(({ length }, i) => {
      left -= length;
      return left < 0 && i > 0;
    });
    return end < 0 ? messages : messages.slice(0, end);
  }

  /** All chunks, however many there are; in a queue of messages, all messages. */
  all(): readonly Uint8Array[] {
    return this.keepsBorders ? this.chunks.slice(this.first) : this.next(Infinity, Infinity);
  }

  /** Forgets the next `count` messages, which are sent or never will be, and gives the number of them. */
  dropMessages(count: number): number {
    const end = Math.min(this.first + count, this.chunks.length);
    const dropped = end - this.first;
    for (; this.first < end; this.first++) this.byteCount -= this.chunks[this.first].length;
    this.forgetHistory();
    return dropped;
  }

  /** Forgets the next `count` bytes: they are sent. */
  consume(count: number): void {
    if (count === this.byteCount) this.clear();
    else this.consumePart(count);
  }

  private consumePart(count: number): void {
    this.byteCount -= count;
    this.sent += count;
    while (this.first < this.chunks.length && this.sent >= this.chunks[this.first].length) {
      this.sent -= this.chunks[this.first].length;
      this.first += 1;
    }
    this.forgetHistory();
  }

  /**
   * Drops the sent chunks when they are half of the list, so that dropping costs little for each.
   */
  private forgetHistory(): void {
    if (this.first * 2 < this.chunks.length) return;
    if (this.first === this.chunks.length) this.chunks = NONE;
    else this.chunks.splice(0, this.first);
    this.loose -= this.first;
    this.first = 0;
  }

  /** Forgets all of it. */
  clear(): void {
    this.chunks = NONE;
    this.text = '';
    this.first = this.sent = this.loose = this.looseLength = this.byteCount = 0;
  }

  private encode(): void {
    this.add(Buffer.from(this.text, 'latin1'));
    this.text = '';
  }

  private add(chunk: Uint8Array): void {
    const isSmall = chunk.length <= SMALL;
    if (!isSmall) this.join();
    if (this.chunks === NONE) this.chunks = [chunk];
    else this.chunks.push(chunk);
    if (isSmall) this.looseLength += chunk.length;
    if (!isSmall || this.looseLength >= MOST_JOINED) this.join();
  }

  /** Makes one chunk of the loose ones. */
  private join(): void {
    if (this.chunks.length - this.loose > 1) {
      const joined = Buffer.concat(this.chunks.splice(this.loose), this.looseLength);
      this.chunks.push(joined);
    }
    this.loose = this.chunks.length;
    this.looseLength = 0;
  }
}
