import { wrong } from '@asyncore/socket';

/** `data` as bytes, whatever view of them it is. Throws a TypeError for anything else. */
export function bytes(data: ArrayBufferView): Uint8Array {
  return data instanceof Uint8Array ? data : viewOf(data);
}

function viewOf(data: ArrayBufferView): Uint8Array {
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  const hint = typeof data === 'string' ? ': turn a string into bytes with Buffer.from(text)' : '';
  throw wrong.type(`data must be a Uint8Array or other view of bytes${hint}`);
}
