/**
 * Whether calls wait is a property of the open file, which duplicates of a descriptor and other
 * processes share: a shell and all it starts share a terminal's. What is made non-blocking here is
 * made blocking again when the last of its descriptors here is closed, or the process exits.
 */
import { fstatSync } from 'node:fs';
import { get_blocking, OSError, set_blocking } from '@asyncore/socket';

/** An open file that was blocking, and those of its descriptors that are in use here. */
interface OpenFile {
  identity: string;
  fds: Set<number>;
}

const byDescriptor = new Map<number, OpenFile>();
/** Several open files may be of one file: a pipe's two ends are. */
const byIdentity = new Map<string, Set<OpenFile>>();

/** Calls on `fd` no longer wait. `letBlock` is to be called before it is closed. */
export function keepFromBlocking(fd: number): void {
  const wasBlocking = get_blocking(fd);
  const identity = identityOf(fd);
  if (byDescriptor.get(fd)?.identity !== identity) forget(fd); // it was closed behind our back
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

/** Makes the open file of `fd` blocking again, if it was and nothing else here uses it. */
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
    // Closed behind our back: there is nothing left to do.
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
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

/** No portable call tells whether two descriptors share an open file: so one is changed for a moment. */
function isSameOpenFile(a: number, b: number): boolean {
  try {
    const blocking = get_blocking(b);
    if (get_blocking(a) !== blocking) return false;
    set_blocking(a, !blocking);
    const isSame = get_blocking(b) !== blocking;
    set_blocking(a, blocking);
    return isSame;
  } catch (error) {
    if (error instanceof OSError) return false; // closed behind our back
    throw error;
  }
}
