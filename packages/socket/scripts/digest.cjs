/**
 * What a binary is made of: compiled into it, so that one of other sources can be told. A CommonJS
 * module because the import of the package cannot wait for another kind on every Node.
 */
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

/** The sources in a folder that is laid out as this package is: the name of each, and its content. */
function sources(folder) {
  const names = readdirSync(join(folder, 'native')).filter((name) => /\.[ch]$/.test(name));
  const read = (name, path) => [name, readFileSync(join(folder, path))];
  return [
    read('../binding.gyp', 'binding.gyp'),
    ...names.sort().map((name) => read(name, join('native', name))),
  ];
}

const own = join(__dirname, '..');

exports.digest = (folder = own) => {
  const hash = createHash('sha256');
  for (const [name, content] of sources(folder)) hash.update(`${name}\0`).update(content);
  return hash.digest('hex');
};

/** The digest of each source by its name, binding.gyp among them. */
exports.contents = (folder = own) =>
  Object.fromEntries(
    sources(folder).map(([name, content]) => [
      name.replace('../', ''),
      createHash('sha256').update(content).digest('hex'),
    ]),
  );
