/**
 * Copies the compiled binary to where node-gyp-build looks for it in a published package.
 * `--check` instead verifies that the binaries of every supported system are there.
 */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

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

if (process.argv.includes('--check')) {
  const absent = supported.filter((file) => !existsSync(join(folder, 'prebuilds', file)));
  for (const file of absent) console.error(`missing: prebuilds/${file}`);
  process.exit(absent.length === 0 ? 0 : 1);
}

const target = join(folder, 'prebuilds', name());
mkdirSync(dirname(target), { recursive: true });
copyFileSync(join(folder, 'build/Release/asyncore_socket.node'), target);
console.log(target);
