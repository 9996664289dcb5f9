import { type channel_map, dispatcher, loop, type Transport } from '@asyncore/core';
import type { Ciphertext } from './ciphertext.js';

/** How long the last bytes may make no progress on their way to the kernel, in milliseconds. */
const PATIENCE = 10_000;

/** Those whose kernel is full. They are in no map of the program's, since its channels are closed. */
const map: channel_map = new Map();
let isRunning = false;

async function run(): Promise<void> {
  isRunning = true;
  while (map.size > 0) await loop({ map });
  isRunning = false;
}

/**
 * A connection whose channel was closed while bytes that `send` had counted were on their way. It waits
 * for the kernel until they are out; `end` is called then, or when they cannot go out.
 */
export class Leaving extends dispatcher<Transport> {
  readonly #ciphertext: Ciphertext;
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(below: Transport, ciphertext: Ciphertext, end: () => void) {
    super(null, map);
    this.#ciphertext = ciphertext;
    this.#end = end;
    this.#wait();
    this.set_socket(below);
    this.connected = true;
    if (!isRunning) void run();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), PATIENCE).unref();
  }

  /** It waits no more; whose the descriptor is closes it. */
  leave(): void {
    clearTimeout(this.#timer);
    this.del_channel();
  }

  override readable(): boolean {
    return false;
  }

  override writable(): boolean {
    return this.#ciphertext.isFull;
  }

  override handle_write(): void {
    this.#wait();
    this.#ciphertext.flush();
  }

  override handle_close(): void {
    this.#end();
  }

  override handle_error(): void {
    this.#end();
  }
}
