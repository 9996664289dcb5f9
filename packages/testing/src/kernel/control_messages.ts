import { native } from '@asyncore/socket/kernel';
import type { Kernel } from './kernel.js';
import { C, notSimulated } from './numbers.js';
import type { OpenFile } from './open_file.js';

const about = new Int32Array(4);

/** The descriptors in control messages that are sent. */
export function descriptorsIn(control: Uint8Array): number[] {
  const found: number[] = [];
  let next = native.cmsg_unpack(control, control.length, 0, about);
  while (next > 0) {
    const [level, type, start, length] = about;
    if (level !== C.SOL_SOCKET || type !== C.SCM_RIGHTS) {
      throw notSimulated(`a control message of level ${level} and type ${type} is`);
    }
    const data = Uint8Array.from(control.subarray(start, start + length)); // aligned
    found.push(...new Int32Array(data.buffer));
    next = native.cmsg_unpack(control, control.length, next, about);
  }
  return found;
}

/** Makes descriptors for the files that were received, as many as `control` has room for. */
export function giveFiles(
  kernel: Kernel,
  files: OpenFile[],
  control: Uint8Array | null,
): { length: number; isCut: boolean } {
  const room = (control?.length ?? 0) - native.cmsg_space(0);
  const most = Math.max(0, Math.floor(room / 4));
  const given = files.slice(0, most).map((file) => kernel.give(file));
  const isCut = given.length < files.length;
  if (control === null || given.length === 0) return { length: 0, isCut };
  const data = Int32Array.from(given);
  const whole = new Uint8Array(native.cmsg_space(data.byteLength));
  native.cmsg_pack(whole, 0, C.SOL_SOCKET, C.SCM_RIGHTS, data);
  control.set(whole.subarray(0, control.length));
  return { length: Math.min(whole.length, control.length), isCut };
}
