import { Buffer } from 'node:buffer'; // the global one is a getter
import { binding, type Memory } from './binding.js';
import { MSG_TRUNC } from './constants.js';
import { checkedOf } from './os_error.js';
import { wrong } from './wrong.js';

const BLOCK = 65536;
/** Up to so many bytes, copying them into Node's pool of small buffers is cheapest. */
const SMALL = 2048;
/** Looked up once: it is at the end of a chain of prototypes. */
const { set } = Uint8Array.prototype;

let block = Buffer.allocUnsafeSlow(BLOCK);
/** Its memory, which costs less to hand over than the block. */
let memory = block.buffer;
/** Views of the block's first 1, 2, 3 … bytes, by that number, each made when first needed. */
let beginnings: Uint8Array[] = [];

export type Receive = (fd: number, into: Memory, length: number, flags?: number) => number;

function sized(call: string, size: unknown): asserts size is number {
  if (typeof size !== 'number') throw wrong.type(`${nameIn(call)} must be a number of bytes`);
  if (!Number.isInteger(size) || size < 0 || size > 0x7fffffff) {
    throw wrong.range(`${nameIn(call)} must be an integer from 0 to ${0x7fffffff}`);
  }
}

function nameIn(call: string): string {
  return `${call}: ${call.endsWith('read') ? 'size' : 'bufsize'}`;
}

/**
 * Receives at most `size` bytes, into a block of 64 KiB that all calls share. A few bytes are copied
 * out of it, so that they do not keep 64 KiB alive; many become its owner, and the next call gets a
 * new block. A larger `size` takes memory only for the bytes that wait to be read.
 * An error notes `source`, on which the call was made.
 */
export function received(
  source: unknown,
  call: string,
  fd: number,
  size: number,
  receive: Receive,
  flags = 0,
): Buffer {
  sized(call, size);
  const into = size <= BLOCK ? block : roomFor(fd, size);
  const room = Math.min(size, into.length);
  // On a stream MSG_TRUNC discards the bytes: what earlier calls received must not show instead.
  if (typeof flags === 'number' && flags & MSG_TRUNC) into.fill(0, 0, room);
  // With MSG_TRUNC the answer is the datagram's length, which may be more than there is room for.
  const place = into === block ? memory : into;
  const result = flags === 0 ? receive(fd, place, room) : receive(fd, place, room, flags);
  const length = Math.min(checkedOf(source, call, result), room);
  if (into === block && length <= SMALL) {
    const copy = Buffer.allocUnsafe(length);
    beginnings[length] ??= block.subarray(0, length);
    set.call(copy, beginnings[length]);
    return copy;
  }
  return kept(into, length);
}

/** The first bytes of `into`, which take no more memory than twice their number. */
function kept(into: Buffer, length: number): Buffer {
  if (length * 2 < into.length) {
    const copy = Buffer.allocUnsafeSlow(length);
    into.copy(copy, 0, 0, length);
    return copy;
  }
  if (into === block) {
    block = Buffer.allocUnsafeSlow(BLOCK);
    memory = block.buffer;
    beginnings = [];
  }
  return into.subarray(0, length);
}

function roomFor(fd: number, size: number): Buffer {
  const waiting = Math.min(binding.unread(fd), size); // negative when the system cannot say
  return waiting <= BLOCK ? block : Buffer.allocUnsafeSlow(waiting);
}
