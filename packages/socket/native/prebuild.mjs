/**
 * Copies the compiled binary to where node-gyp-build looks for it in a published package.
 * `--check` instead verifies that the binaries of every supported system are there. Either way, one
 * made of other sources is refused.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  verify(supported.map((file) => join('prebuilds', file)));
} else {
  const binary = 'build/Release/asyncore_socket.node';
  verify([binary]);
  const target = join(folder, 'prebuilds', name());
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(folder, binary), target);
  console.log(target);
}
