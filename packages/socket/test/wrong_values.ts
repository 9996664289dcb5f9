/** Values that are wrong nearly everywhere. Each is made anew, for a call may use it up. */
import { closeSync, openSync } from 'node:fs';
import { pipe, set_blocking } from '@asyncore/socket';
import { ownFd } from './support.js';

/** Takes a view's memory away, as posting it to a thread does. */
export function detached<T extends ArrayBufferView>(view: T): T {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
}

/** What `view` makes of a buffer that is then shrunk to less than it needs. */
export function shrunk<T>(view: (buffer: ArrayBuffer) => T): T {
  // TypeScript's ES2023 does not know of resizable buffers yet; Node 20 does.
  const Resizable = ArrayBuffer as new (size: number, options: object) => ArrayBuffer;
  const buffer = new Resizable(1 << 20, { maxByteLength: 1 << 20 });
  const result = view(buffer);
  (buffer as ArrayBuffer & { resize(size: number): void }).resize(8);
  return result;
}

function bomb(): never {
  throw new Error('this must not be called');
}

const numbers: [string, number][] = [-1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53, -(2 ** 31) - 1].map(
  (number) => [String(number), number],
);

export const wrongValues: [string, () => unknown][] = [
  ...numbers.map(([title, number]): [string, () => unknown] => [title, () => number]),
  ['undefined', () => undefined],
  ['null', () => null],
  ['true', () => true],
  ['a string', () => '5'],
  ['a string of NULs', () => '\0\0'],
  ['a bigint', () => 1n],
  ['a symbol', () => Symbol('wrong')],
  ['an object', () => ({})],
  ['an array', () => []],
  ['a frozen array', () => Object.freeze([1, 'x', null])],
  ['a sparse array', () => Array(3)],
  ['a function', () => () => {}],
  ['an object whose valueOf throws', () => ({ valueOf: bomb, toString: bomb })],
  ['an object that looks like bytes', () => ({ byteLength: 100, length: 100, buffer: {} })],
  ['a detached Uint8Array', () => detached(new Uint8Array(100))],
  ['a detached Int32Array', () => detached(new Int32Array(100))],
  ['a detached DataView', () => detached(new DataView(new ArrayBuffer(100)))],
  ['an empty Uint8Array', () => new Uint8Array(0)],
  ['an ArrayBuffer', () => new ArrayBuffer(100)],
  ['a shared Uint8Array', () => new Uint8Array(new SharedArrayBuffer(1000))],
  ['a shared Int32Array', () => new Int32Array(new SharedArrayBuffer(1000))],
  ['a DataView', () => new DataView(new ArrayBuffer(1000), 3)],
  ['a Float64Array', () => new Float64Array(100)],
  ['a BigInt64Array', () => new BigInt64Array(100)],
  ['a Uint8Array of a shrunk buffer', () => shrunk((buffer) => new Uint8Array(buffer, 4, 1 << 19))],
  ['an Int32Array of a shrunk buffer', () => shrunk((buffer) => new Int32Array(buffer, 4, 1000))],
  ['a DataView of a shrunk buffer', () => shrunk((buffer) => new DataView(buffer, 4, 1 << 19))],
  ['a view that ended before it began', () => shrunk((buffer) => new Uint8Array(buffer, 4096))],
  ['a file', () => ownFd(openSync('/dev/zero', 'r'))],
  ['a pipe', () => readingEnd()],
  ['a closed descriptor', () => closedDescriptor()],
];

function readingEnd(): number {
  const [reading] = pipe().map(ownFd);
  set_blocking(reading, false);
  return reading;
}

function closedDescriptor(): number {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  return fd;
}

/** `args`, with each of the wrong values in each place, and with each of the places left out. */
export function* wrongCalls(args: () => unknown[]): Generator<[title: string, args: unknown[]]> {
  const { length } = args();
  for (let place = 0; place < length; place++) {
    for (const [title, make] of wrongValues) {
      yield [`${title} in place ${place}`, args().with(place, make())];
    }
    yield [`${place} arguments`, args().slice(0, place)];
  }
}
