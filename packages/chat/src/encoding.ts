import { wrong } from '@asyncore/core';

/** Python's names of encodings, in lower case and without punctuation, with those of Node.js. */
const PYTHON = new Map<string, BufferEncoding>([
  ['ascii', 'ascii'],
  ['usascii', 'ascii'],
  ['latin1', 'latin1'],
  ['latin', 'latin1'],
  ['l1', 'latin1'],
  ['iso88591', 'latin1'],
  ['utf8', 'utf8'],
  ['u8', 'utf8'],
  ['utf16le', 'utf16le'],
]);

/**
 * Node's name of the encoding `name`, which may be spelled as in Python: `'latin-1'`, `'UTF-8'`, `'utf_16_le'`.
 *
 * @throws TypeError for one that Node.js does not have
 */
export function encoding(name: string): BufferEncoding {
  if (name === 'latin1' || Buffer.isEncoding(name)) return name;
  const known = PYTHON.get(String(name).toLowerCase().replaceAll(/[-_ ]/g, ''));
  if (known !== undefined) return known;
  throw wrong.type(`encoding must be one of Node's, such as 'latin1' or 'utf8': got ${name}`);
}

/** @throws TypeError as `encoding` does */
export function encoded(text: string, name: string): Buffer {
  return Buffer.from(text, encoding(name));
}
