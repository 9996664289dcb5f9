import type { Memory } from '@asyncore/socket/kernel';

/** Bytes in the order in which they came, in the pieces in which they came. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** How much of the first is gone. */
  #taken = 0;
  length = 0;
  /** How many bytes were taken out, ever. */
  start = 0;

  /** How many were put in, ever. */
  get end(): number {
    return this.start + this.length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Copies up to `length` bytes into `into`, the first `from` left out, and gives how many. */
  copy(into: Uint8Array, length: number, from = 0): number {
    let at = 0;
    let taken = this.#taken + from;
    for (const chunk of this.#chunks) {
      if (at >= length) break;
      const n = Math.min(chunk.length - taken, length - at);
      if (n > 0) {
        into.set(chunk.subarray(taken, taken + n), at);
        at += n;
      }
      taken = Math.max(0, taken - chunk.length);
    }
    return at;
  }

  /** Forgets the first `length` bytes, or moves them to the end of `to`. */
  skip(length: number, to: ByteQueue | null = null): void {
    let left = Math.min(length, this.length);
    this.length -= left;
    this.start += left;
    let gone = 0;
    while (left > 0) {
      const chunk = this.#chunks[gone];
      const n = Math.min(chunk.length - this.#taken, left);
      to?.push(chunk.subarray(this.#taken, this.#taken + n));
      left -= n;
      this.#taken += n;
      if (this.#taken === chunk.length) {
        gone += 1;
        this.#taken = 0;
      }
    }
    if (gone > 0) this.#chunks.splice(0, gone);
  }

  clear(): void {
    this.#chunks = [];
    this.#taken = 0;
    this.length = 0;
    this.start = 0;
  }

  /** The last `length` bytes. */
  last(length: number): Buffer {
    const all = Buffer.concat(this.#chunks).subarray(this.#taken);
    return all.subarray(Math.max(0, all.length - length));
  }
}

/** A copy of the first `length` bytes of several views, in pieces. */
export function copied(views: readonly ArrayBufferView[], length: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let left = length;
  for (const view of views) {
    const n = Math.min(view.byteLength, left);
    if (n === 0) continue;
    const chunk = Buffer.allocUnsafe(n);
    chunk.set(new Uint8Array(view.buffer, view.byteOffset, n));
    chunks.push(chunk);
    left -= n;
  }
  return chunks;
}

/** A view's bytes, whatever its elements are. */
export function bytesOf(view: Memory): Uint8Array {
  if (view instanceof ArrayBuffer) return new Uint8Array(view);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
