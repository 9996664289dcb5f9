import { type channel, type channel_map, loop, type Transport } from '@asyncore/core';
import type { Ciphertext } from './ciphertext.js';

/** How long the last bytes may make no progress on their way to the kernel, in milliseconds. */
const PATIENCE = 10_000;

/** Those whose kernel is full. They are in no map of the program's, since its channels are closed. */
const map: channel_map = new Map();
let isRunning = false;

async function run(): Promise<void> {
  isRunning = true;
  try {
    while (map.size > 0) await loop({ map });
  } finally {
    isRunning = false;
  }
}

/**
 * A connection whose channel was closed while bytes that `send` had counted were on their way. It waits
 * for the kernel until they are out; `end` is called then, or when they cannot go out.
 */
export class Leaving implements channel {
  readonly socket: Transport;
  readonly #fd: number;
  readonly #ciphertext: Ciphertext;
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(below: Transport, ciphertext: Ciphertext, end: () => void) {
    this.socket = below;
    this.#fd = below.fileno();
    this.#ciphertext = ciphertext;
    this.#end = end;
    this.#wait();
    map.set(this.#fd, this);
    if (!isRunning) void run();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), PATIENCE).unref();
  }

  /** It waits no more; whose the descriptor is closes it. */
  leave(): void {
    clearTimeout(this.#timer);
    if (map.get(this.#fd) === this) map.delete(this.#fd);
  }

  readable(): boolean {
    return false;
  }

  writable(): boolean {
    return this.#ciphertext.isFull;
  }

  handle_read_event(): void {}
  handle_expt_event(): void {}

  handle_write_event(): void {
    this.#wait();
    this.#ciphertext.flush();
  }

  handle_close(): void {
    this.#end();
  }

  handle_error(): void {
    this.#end();
  }
}
