/** What a binary is made of: compiled into it, so that one of other sources can be told. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function digest() {
  const hash = createHash('sha256');
  const sources = readdirSync(import.meta.dirname).filter((name) => /\.[ch]$/.test(name));
  for (const name of ['../binding.gyp', ...sources.sort()]) {
    hash.update(`${name}\0`).update(readFileSync(join(import.meta.dirname, name)));
  }
  return hash.digest('hex');
}
