/** Bytes as they were received. */

/** Bytes, as a latin1 string unless they are many: strings cost less than Buffers, here. */
export type Bytes = string | Buffer;

export function textOf(bytes: Bytes): string {
  return typeof bytes === 'string' ? bytes : bytes.toString('latin1');
}

/** A copy of a part of the input. A slice of a string would keep the whole chunk in memory. */
export function copyOf<T extends Bytes>(bytes: T): T {
  return (typeof bytes === 'string' ? ` ${bytes}`.slice(1) : bytes) as T;
}
