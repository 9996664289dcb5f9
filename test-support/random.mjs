import { createCipheriv } from 'node:crypto';

const ZEROS = Buffer.alloc(4096);

/** Numbers that a seed decides: the same seed, the same numbers. They are the key stream of AES-CTR. */
export class Random {
  #cipher;
  #stream = Buffer.alloc(0);
  #at = 0;

  /** @param {number} seed */
  constructor(seed) {
    const key = Buffer.alloc(16);
    key.writeDoubleLE(seed);
    this.#cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  }

  /** From 0 to 1, without 1. */
  next() {
    if (this.#at === this.#stream.length) {
      this.#stream = this.#cipher.update(ZEROS);
      this.#at = 0;
    }
    this.#at += 4;
    return this.#stream.readUInt32LE(this.#at - 4) / 2 ** 32;
  }

  /**
   * A whole number from 0, below `n`.
   * @param {number} n
   */
  below(n) {
    return Math.floor(this.next() * n);
  }

  /** @param {number} share */
  chance(share) {
    return this.next() < share;
  }

  /**
   * @template T
   * @param {ArrayLike<T>} list
   */
  pick(list) {
    return list[this.below(list.length)];
  }
}
