/**
 * Whether calls wait is a property of the open file. All duplicates of a descriptor share it, also those
 * in other processes: a shell and the programs it starts share the terminal. So what is made non-blocking
 * here is made blocking again when this process has closed the last of its descriptors, or exits.
 */
import { get_blocking, OSError, set_blocking } from '@asyncore/socket';
import { binding } from '@asyncore/socket/kernel';

/** An open file that was blocking before, and its descriptors that this process uses. */
interface OpenFile {
  identity: string;
  fds: Set<number>;
}

const byDescriptor = new Map<number, OpenFile>();
/** By device and inode. One of these may have several open files: the two ends of a pipe, for example. */
const byIdentity = new Map<string, Set<OpenFile>>();

/** Makes `fd` non-blocking. Whoever calls this calls `letBlock` before closing `fd`. */
export function keepFromBlocking(fd: number): void {
  const wasBlocking = get_blocking(fd);
  const identity = identityOf(fd);
  if (byDescriptor.get(fd)?.identity !== identity) forget(fd); // somebody else closed it, and the number is used again
  const files = byIdentity.get(identity) ?? new Set();
  let file = [...files].find(({ fds }) => [...fds].some((other) => isSameOpenFile(other, fd)));
  set_blocking(fd, false);
  if (file === undefined && !wasBlocking) return;
  file ??= { identity, fds: new Set() };
  if (byDescriptor.size === 0) process.on('exit', letAllBlock);
  file.fds.add(fd);
  byDescriptor.set(fd, file);
  byIdentity.set(identity, files.add(file));
}

/** Makes the open file of `fd` blocking again, if it was so before and no other descriptor here uses it. */
export function letBlock(fd: number): void {
  const file = forget(fd);
  if (file?.fds.size === 0) makeBlocking(file.identity, fd);
}

function letAllBlock(): void {
  for (const [fd, { identity }] of byDescriptor) makeBlocking(identity, fd);
}

function makeBlocking(identity: string, fd: number): void {
  try {
    if (identityOf(fd) === identity) set_blocking(fd, true);
  } catch {
    // Somebody else has closed it: there is nothing left to do.
  }
}

function forget(fd: number): OpenFile | undefined {
  const file = byDescriptor.get(fd);
  if (file === undefined) return undefined;
  byDescriptor.delete(fd);
  if (byDescriptor.size === 0) process.off('exit', letAllBlock);
  file.fds.delete(fd);
  const files = byIdentity.get(file.identity);
  if (file.fds.size === 0) files?.delete(file);
  if (files?.size === 0) byIdentity.delete(file.identity);
  return file;
}

function identityOf(fd: number): string {
  const { dev, ino } = binding.fstat(fd);
  return `${dev}:${ino}`;
}

/**
 * Whether two descriptors share an open file. No portable call tells, so the mode of one is changed for a
 * moment, to see whether the other's changes too.
 */
function isSameOpenFile(a: number, b: number): boolean {
  try {
    const blocking = get_blocking(b);
    if (get_blocking(a) !== blocking) return false;
    set_blocking(a, !blocking);
    const isSame = get_blocking(b) !== blocking;
    set_blocking(a, blocking);
    return isSame;
  } catch (error) {
    if (error instanceof OSError) return false; // somebody else has closed one of them
    throw error;
  }
}
