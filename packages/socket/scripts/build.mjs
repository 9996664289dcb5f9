/**
 * Compiles the C sources, unless the binaries already are what they would become. With --keep those of
 * another Node are good enough: Node-API is the same there.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { compile } from './compile.mjs';
import { isBuilt, STAMP, stampNow } from './is_built.mjs';
import { locked } from './locked.mjs';

const folder = dirname(import.meta.dirname);
const keep = process.argv.includes('--keep');

await locked(join(folder, 'node_modules/.asyncore-compiling'), async () => {
  const stamp = stampNow();
  if (isBuilt({ keep })) return; // by another process, meanwhile
  await compile(folder);
  writeFileSync(STAMP, stamp);
});
