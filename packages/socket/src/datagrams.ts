/** Many datagrams in one system call: recvmmsg(2) and sendmmsg(2). */
import { Buffer } from 'node:buffer'; // the global one is a getter
import { type Address, packReceiver, unpack } from './address.js';
import { listed } from './ancillary.js';
import { binding } from './binding.js';
import { MSG_PEEK } from './constants.js';
import { checkedOf, errno } from './os_error.js';
import { int32, wrong } from './wrong.js';

/** What one system call takes at most, as in message.c. */
const MOST = 64;
/** Room for all messages of one call, in bytes. Memory that no message reaches is never touched. */
const ROOM = 1 << 20;

/** A message that came, and its sender: null where the system gives none. */
export type ReceivedDatagram = [data: Buffer, address: Address | null];
/** A message to send, and where to; without an address it goes to the peer of a connected socket. */
export type Datagram = readonly [data: ArrayBufferView, address?: Address | null];

// Shared by all calls, which are over before other code runs. Made when first needed.
let room: Buffer | null = null;
const lengths = new Int32Array(MOST);
/** Addresses one after the other, and each by itself. */
let packed = new Uint8Array(0);
let addresses: Uint8Array[] = [];

function useAddresses(): void {
  const size = binding.address_size;
  if (packed.length === MOST * size) return;
  packed = new Uint8Array(MOST * size);
  addresses = Array.from({ length: MOST }, (_, i) => packed.subarray(i * size, (i + 1) * size));
}

/**
 * At least one message, at most `vlen`. The data is copied out of the room that all calls share. `receive`
 * gets a single one: where recvmmsg(2) is not there; for MSG_PEEK, which would give the first message again
 * and again; and where the room is not for two. It is not called in a loop, since an error after the first
 * message would be lost: only the kernel can keep it for the next call.
 */
export function receive_datagrams(
  source: unknown,
  fd: number,
  vlen: number,
  bufsize: number,
  flags: number,
  receive: (bufsize: number, flags: number) => ReceivedDatagram,
): ReceivedDatagram[] {
  if (int32('recvmmsg', 'vlen', vlen) < 1) {
    throw wrong.range('recvmmsg: vlen must be an integer from 1');
  }
  if (int32('recvmmsg', 'bufsize', bufsize) < 0) {
    throw wrong.range('recvmmsg: bufsize must be an integer from 0');
  }
  int32('recvmmsg', 'flags', flags);
  const count = Math.min(vlen, MOST, Math.floor(ROOM / Math.max(bufsize, 1)));
  if (flags & MSG_PEEK || count < 2) return [receive(bufsize, flags)];
  useAddresses();
  room ??= Buffer.allocUnsafeSlow(ROOM);
  const result =
    binding.recvmmsg?.(fd, room, bufsize, count, flags, packed, lengths) ?? -errno.ENOSYS;
  if (result === -errno.ENOSYS) return [receive(bufsize, flags)];
  checkedOf(source, 'recvmmsg', result);
  const messages: ReceivedDatagram[] = [];
  for (let i = 0; i < result; i++) {
    const start = i * bufsize;
    const length = Math.min(lengths[i], bufsize); // which MSG_TRUNC lets be larger
    const data = Buffer.allocUnsafe(length);
    data.set(room.subarray(start, start + length));
    messages.push([data, unpack(addresses[i])]);
  }
  return messages;
}

/**
 * How many of `messages` the kernel took, in order. Throws when it did not take the first. `fileno` is called
 * after the iterator, which may close the socket.
 */
export function send_datagrams(
  source: unknown,
  fileno: () => number,
  family: number,
  messages: Iterable<Datagram>,
  flags: number,
): number {
  const list = listed('sendmmsg', 'messages', messages);
  int32('sendmmsg', 'flags', flags);
  const buffers: ArrayBufferView[] = [];
  const receivers: Address[] = [];
  for (const message of list) {
    if (!Array.isArray(message) || !ArrayBuffer.isView(message[0])) {
      throw wrong.type('sendmmsg: messages must be [bytes, address] for each message');
    }
    buffers.push(message[0]);
    const to: Address | null = message[1] ?? null;
    if (to !== null) receivers.push(to);
  }
  if (receivers.length > 0 && receivers.length < buffers.length) {
    throw wrong.type('sendmmsg: messages must all have an address, or none');
  }
  let sent = 0;
  do {
    const some = buffers.length > MOST ? buffers.slice(sent, sent + MOST) : buffers;
    const result = taken(fileno(), family, some, receivers.slice(sent, sent + MOST), flags);
    if (result < 0 && sent > 0) break; // told when the rest is sent
    checkedOf(source, 'sendmmsg', result, receivers[sent]);
    sent += result;
    if (result < some.length) break;
  } while (sent < buffers.length);
  return sent;
}

/** How many messages were taken, or the negative errno of the first. */
function taken(
  fd: number,
  family: number,
  buffers: readonly ArrayBufferView[],
  receivers: readonly Address[],
  flags: number,
): number {
  const isAddressed = receivers.length > 0;
  useAddresses();
  for (let i = 0; i < receivers.length; i++) {
    addresses[i].set(packReceiver('sendmmsg', family, receivers[i]));
  }
  const result = binding.sendmmsg?.(fd, buffers, flags, isAddressed ? packed : null);
  if (result !== undefined && result !== -errno.ENOSYS) return result;
  for (const [i, data] of buffers.entries()) {
    const sent = isAddressed
      ? binding.sendto(fd, data, flags, addresses[i])
      : binding.send(fd, data, flags);
    if (sent < 0) return i > 0 ? i : sent;
  }
  return buffers.length;
}
