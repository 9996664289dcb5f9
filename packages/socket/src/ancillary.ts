import { binding } from './binding.js';
import { int32, wrong } from './wrong.js';

/** A control message to send with data: cmsg(3). */
export type AncillaryData = [level: number, type: number, data: ArrayBufferView];

/** A control message that came with data. */
export type ReceivedAncillaryData = [level: number, type: number, data: Buffer];

/** The most bytes of control messages, far beyond what any kernel takes. */
export const MOST_CONTROL = 1 << 20;

const ints = new Int32Array(4);

/** The size in bytes of a control message with `length` bytes of data (at most 1 MiB): cmsg(3). */
export function CMSG_SPACE(length: number): number {
  if (int32('CMSG_SPACE', 'length', length) < 0 || length > MOST_CONTROL) {
    throw wrong.range(`CMSG_SPACE: length must be an integer from 0 to ${MOST_CONTROL}`);
  }
  return binding.cmsg_space(length);
}

/** A plain array, which C can read without running any JavaScript. */
export function listed<T>(call: string, what: string, items: Iterable<T>): T[] {
  if (typeof items?.[Symbol.iterator] !== 'function') {
    throw wrong.type(`${call}: ${what} must be an array or other iterable`);
  }
  return [...items];
}

/** As sendmsg(2) takes them; null for none. */
export function packControl(ancdata: Iterable<AncillaryData>): Uint8Array | null {
  const list = listed('sendmsg', 'ancdata', ancdata);
  if (list.length === 0) return null;
  for (const item of list) {
    if (!Array.isArray(item) || !ArrayBuffer.isView(item[2])) {
      throw wrong.type('sendmsg: ancdata must be [level, type, bytes] for each message');
    }
    int32('sendmsg', 'level in ancdata', item[0]);
    int32('sendmsg', 'type in ancdata', item[1]);
    if (item[2].byteLength > MOST_CONTROL) {
      throw wrong.range(`sendmsg: bytes in ancdata must be ${MOST_CONTROL} or fewer`);
    }
  }
  const room = list.reduce((sum, [, , data]) => sum + binding.cmsg_space(data.byteLength), 0);
  const control = Buffer.alloc(room);
  let at = 0;
  for (const [level, type, data] of list) at = binding.cmsg_pack(control, at, level, type, data);
  return control;
}

/** The messages in the first `length` bytes of `control`. */
export function unpackControl(control: Buffer, length: number): ReceivedAncillaryData[] {
  const messages: ReceivedAncillaryData[] = [];
  let next = binding.cmsg_unpack(control, length, 0, ints);
  while (next > 0) {
    const [level, type, start, size] = ints;
    messages.push([level, type, control.subarray(start, start + size)]);
    next = binding.cmsg_unpack(control, length, next, ints);
  }
  return messages;
}
