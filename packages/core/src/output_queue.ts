/** What one sendmsg(2) is given at most. */
const MOST_CHUNKS = 64;
const MOST_BYTES = 1 << 20;

/**
 * Bytes on their way out: chunks as they were given, never joined and never copied, so a chunk
 * must not be changed until it has left.
 */
export class output_queue {
  #chunks: Uint8Array[] = [];
  /** The first chunk that is not sent, and how much of it is. */
  #first = 0;
  #sent = 0;
  #length = 0;

  /** The number of bytes waiting. */
  get length(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
  }

  /** The next chunks: at most `most` of them, and at most `bytes` bytes. */
  next(most = MOST_CHUNKS, bytes = MOST_BYTES): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    let start = this.#sent;
    let left = bytes;
    for (let i = this.#first; i < this.#chunks.length && chunks.length < most && left > 0; i++) {
      const chunk = this.#chunks[i].subarray(start, start + left);
      chunks.push(chunk);
      left -= chunk.byteLength;
      start = 0;
    }
    return chunks;
  }

  /** Forgets the next `count` bytes: they are sent. */
  consume(count: number): void {
    this.#length -= count;
    this.#sent += count;
    while (
      this.#first < this.#chunks.length &&
      this.#sent >= this.#chunks[this.#first].byteLength
    ) {
      this.#sent -= this.#chunks[this.#first].byteLength;
      this.#first += 1;
    }
    // Half of the list is history: drop it, so that the cost of doing so is spread evenly.
    if (this.#first * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#first = this.#sent = this.#length = 0;
  }
}

/** `data` as bytes, whatever view of them it is. Throws a TypeError for anything else. */
export function bytes(data: ArrayBufferView): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  const hint = typeof data === 'string' ? ': turn a string into bytes with Buffer.from(text)' : '';
  throw new TypeError(`data must be a Uint8Array or other view of bytes${hint}`);
}
