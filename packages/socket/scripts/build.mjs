/**
 * Compiles the C sources, unless the binaries already are what they would become. With --keep those of
 * another Node are good enough: Node-API is the same there.
 */
import { writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { compile } from './compile.mjs';
import { isBuilt, STAMP, stampNow } from './is_built.mjs';

const stamp = stampNow();
if (!isBuilt({ keep: process.argv.includes('--keep') })) {
  compile(dirname(import.meta.dirname));
  writeFileSync(STAMP, stamp);
}
