/**
 * Copies the compiled binaries to where src/binary.ts looks for them in a published package, and
 * prints where that is. `--check` instead verifies that those of every supported system are there.
 * Either way, one made of other sources is refused.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BINARIES } from './compile.mjs';
import { digest } from './digest.cjs';

const folder = dirname(import.meta.dirname);
const supported = [
  'linux-x64/@asyncore+socket.glibc.node',
  'linux-x64/@asyncore+socket.musl.node',
  'linux-arm64/@asyncore+socket.glibc.node',
  'linux-arm64/@asyncore+socket.musl.node',
  'darwin-x64/@asyncore+socket.node',
  'darwin-arm64/@asyncore+socket.node',
];

/** The name by node-gyp-build's rules; it tells musl from glibc by the same file. */
function name() {
  const { platform, arch } = process;
  if (platform !== 'linux') return `${platform}-${arch}/@asyncore+socket.node`;
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  return `${platform}-${arch}/@asyncore+socket.${libc}.node`;
}

/** The binary of sockets and the one that loops need. */
function both(file) {
  return [file, file.replace('+socket', '+wakeup')];
}

/** Ends the process when files are not there, or not made of these sources. */
function verify(files) {
  const sources = digest();
  const wrong = files.filter((file) => {
    const path = join(folder, file);
    return !existsSync(path) || !readFileSync(path).includes(sources);
  });
  for (const file of wrong) console.error(`missing, or compiled from other sources: ${file}`);
  if (wrong.length > 0) process.exit(1);
}

if (process.argv.includes('--check')) {
  verify(supported.flatMap((file) => both(join('prebuilds', file))));
} else {
  const compiled = BINARIES.map((file) => join('build/Release', file));
  verify(compiled);
  both(join(folder, 'prebuilds', name())).forEach((target, i) => {
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(folder, compiled[i]), target);
    console.log(target);
  });
}
