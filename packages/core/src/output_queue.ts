import { wrong } from '@asyncore/socket';

/** What one sendmsg(2) is given at most. */
const MOST_CHUNKS = 64;
const MOST_BYTES = 1 << 20;
/** To copy a chunk of this size costs less than to make it one of many in a sendmsg(2). */
const SMALL = 2048;
const MOST_JOINED = 65536;

const NONE: Uint8Array[] = [];

/**
 * Bytes on their way out, in chunks as they were given: a chunk must not be changed until it has
 * left. Small ones are joined when their turn comes, large ones never copied.
 */
export class output_queue {
  #chunks: Uint8Array[] = NONE; // and never pushed to as long as it is
  /** The first chunk that is not sent, and how much of it is. */
  #first = 0;
  #sent = 0;
  /** From where on the chunks are small and not joined yet, and how many bytes they have. */
  #loose = 0;
  #looseLength = 0;
  /** What comes behind the chunks, not encoded yet: latin1. */
  #text = '';
  #length = 0;

  /** The number of bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Puts bytes behind the others; none at all are left out. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#encode();
    this.#add(chunk);
    this.#length += chunk.length;
  }

  /** The same for text. Many short ones in latin1 cost least: they are encoded all at once. */
  push_text(text: string, encoding: BufferEncoding): void {
    if (encoding !== 'latin1') {
      this.push(Buffer.from(text, encoding));
      return;
    }
    this.#text += text;
    this.#length += text.length;
    if (this.#text.length >= MOST_JOINED) this.#encode();
  }

  /** The next chunks: at most `most` of them, and at most `bytes` bytes. Good until the queue changes. */
  next(most = MOST_CHUNKS, bytes = MOST_BYTES): readonly Uint8Array[] {
    this.#encode();
    this.#join();
    const { length } = this.#chunks;
    if (length === 1 && this.#sent === 0 && this.#length <= bytes) return this.#chunks;
    const chunks: Uint8Array[] = [];
    let start = this.#sent;
    let left = bytes;
    for (let i = this.#first; i < length && chunks.length < most && left > 0; i++) {
      const chunk = this.#chunks[i].subarray(start, start + left);
      chunks.push(chunk);
      left -= chunk.length;
      start = 0;
    }
    return chunks;
  }

  /** Forgets the next `count` bytes: they are sent. */
  consume(count: number): void {
    this.#length -= count;
    if (this.#length === 0) {
      this.clear();
      return;
    }
    this.#sent += count;
    while (this.#first < this.#chunks.length && this.#sent >= this.#chunks[this.#first].length) {
      this.#sent -= this.#chunks[this.#first].length;
      this.#first += 1;
    }
    // Half of the list is history: drop it, so that the cost of doing so is spread evenly.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#loose -= this.#first;
      this.#first = 0;
    }
  }

  /** Forgets all of it. */
  clear(): void {
    this.#chunks = NONE;
    this.#text = '';
    this.#first = this.#sent = this.#loose = this.#looseLength = this.#length = 0;
  }

  #encode(): void {
    if (this.#text === '') return;
    this.#add(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }

  #add(chunk: Uint8Array): void {
    const isSmall = chunk.length <= SMALL;
    if (!isSmall) this.#join();
    if (this.#chunks === NONE) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    if (isSmall) this.#looseLength += chunk.length;
    if (!isSmall || this.#looseLength >= MOST_JOINED) this.#join();
  }

  /** Makes one chunk of the loose ones. */
  #join(): void {
    if (this.#chunks.length - this.#loose > 1) {
      const joined = Buffer.concat(this.#chunks.splice(this.#loose), this.#looseLength);
      this.#chunks.push(joined);
    }
    this.#loose = this.#chunks.length;
    this.#looseLength = 0;
  }
}

/** `data` as bytes, whatever view of them it is. Throws a TypeError for anything else. */
export function bytes(data: ArrayBufferView): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  const hint = typeof data === 'string' ? ': turn a string into bytes with Buffer.from(text)' : '';
  throw wrong.type(`data must be a Uint8Array or other view of bytes${hint}`);
}
