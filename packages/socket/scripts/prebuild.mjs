/**
 * Copies the compiled binaries to where src/binary.ts looks for them in a published package, and
 * prints where that is. One made of other sources is refused. Two options do otherwise:
 *
 * --check  verifies that those of every supported system are there, for that processor, and need no
 *          newer glibc than is promised; copies nothing
 * --keep   leaves those that are there as they are, since they were checked; it runs before packing
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unfit } from './binaries.mjs';
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

/** Whether a file is there, and made of these sources. */
function isCurrent(file) {
  const path = join(folder, file);
  return existsSync(path) && readFileSync(path).includes(digest());
}

/** Ends the process when files are not there, or not made of these sources. */
function verify(files) {
  const wrong = files.filter((file) => !isCurrent(file));
  for (const file of wrong) console.error(`missing, or compiled from other sources: ${file}`);
  if (wrong.length > 0) process.exit(1);
}

/** Ends the process when files are not for all the systems that their names promise. */
function verifyFit(files) {
  for (const file of files) {
    const why = unfit(join(folder, file));
    if (why === null) continue;
    console.error(`${file}: ${why}`);
    process.exitCode = 1;
  }
}

const all = supported.flatMap((file) => both(join('prebuilds', file)));
const own = both(join('prebuilds', name()));

if (process.argv.includes('--check')) {
  verify(all);
  verifyFit(all);
} else {
  const keeps = process.argv.includes('--keep');
  if (keeps) verify(all.filter((file) => !own.includes(file) && existsSync(join(folder, file))));
  if (!(keeps && own.every(isCurrent))) {
    const compiled = BINARIES.map((file) => join('build/Release', file));
    verify(compiled);
    for (const [i, file] of own.entries()) {
      const target = join(folder, file);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(folder, compiled[i]), target);
    }
  }
  for (const file of own) console.log(join(folder, file));
}
