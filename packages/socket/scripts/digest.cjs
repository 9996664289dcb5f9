/**
 * What a binary is made of: compiled into it, so that one of other sources can be told. A CommonJS
 * module because the import of the package cannot wait for another kind on every Node.
 */
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

exports.digest = () => {
  const hash = createHash('sha256');
  const folder = join(__dirname, '../native');
  const sources = readdirSync(folder).filter((name) => /\.[ch]$/.test(name));
  for (const name of ['../binding.gyp', ...sources.sort()]) {
    hash.update(`${name}\0`).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex');
};
