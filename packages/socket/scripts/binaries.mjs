/** What a compiled binary says of itself: for which processor it is, and which glibc it needs. */
import { readFileSync } from 'node:fs';

/** Debian 11's, on which the published binaries for glibc are made. */
export const NEWEST_GLIBC = '2.31';

const ELF = { x64: 62, arm64: 183 };
const MACH_O = { x64: 0x01000007, arm64: 0x0100000c };

/** The newest version of glibc that a binary's symbols need; null where it needs none. */
export function glibcOf(binary) {
  const minors = [...binary.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, n]) =>
    Number(n),
  );
  return minors.length === 0 ? null : `2.${Math.max(...minors)}`;
}

/** Why the binary at `path`, in `prebuilds/PLATFORM-ARCH/`, cannot be for all systems of that name; null if it can. */
export function unfit(path) {
  const [, platform, arch] = /prebuilds\/(\w+)-(\w+)\/[^/]*$/.exec(path);
  const binary = readFileSync(path);
  if (platform === 'darwin') {
    return binary.readUInt32LE(4) === MACH_O[arch] ? null : `it is not for ${arch}`;
  }
  if (binary.toString('latin1', 0, 4) !== '\x7fELF') return 'it is no ELF file';
  if (binary.readUInt16LE(18) !== ELF[arch]) return `it is not for ${arch}`;
  const glibc = glibcOf(binary);
  if (path.includes('.musl.')) return glibc === null ? null : `it needs glibc ${glibc}`;
  if (glibc === null) return 'it needs no glibc';
  const isNew = Number(glibc.slice(2)) > Number(NEWEST_GLIBC.slice(2));
  return isNew ? `it needs glibc ${glibc}, newer than ${NEWEST_GLIBC}` : null;
}
