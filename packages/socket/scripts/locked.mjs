/** One process at a time compiles in a clone: two at once would read what the other has half written. */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** How long somebody else may compile, in seconds. */
const MOST_SECONDS = 300;

/** Whether a process runs; also somebody else's. */
function runs(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch ({ code }) {
    return code === 'EPERM';
  }
}

/** The process that a lock names, or null where there is no lock. */
function holder(lock) {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Takes a lock away that a process has left when it was killed. */
function removeLeft(lock) {
  const taken = `${lock}.${process.pid}.left`;
  try {
    renameSync(lock, taken);
    // Another may have been as quick, and its lock is not the one that was looked at.
    if (runs(holder(taken))) linkSync(taken, lock);
    unlinkSync(taken);
  } catch ({ code }) {
    if (code !== 'ENOENT' && code !== 'EEXIST') throw new Error(`cannot remove ${lock}: ${code}`);
  }
}

/**
 * Runs `job`, which may be async, while no other process runs one with the same `lock`, the path of a file, and gives
 * what it gives. Throws when another takes more than five minutes. What a killed process has locked is free.
 */
export async function locked(lock, job) {
  const own = `${lock}.${process.pid}`;
  const end = performance.now() + MOST_SECONDS * 1000;
  try {
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(own, String(process.pid));
  } catch ({ code }) {
    if (code === 'EACCES' || code === 'EROFS') return job(); // a clone that one may only read
    throw new Error(`cannot write ${own}: ${code}`);
  }
  try {
    for (;;) {
      try {
        linkSync(own, lock); // unlike a new file, it has its content at once
        break;
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const other = holder(lock);
      if (other !== null && !runs(other)) removeLeft(lock);
      else if (performance.now() > end) {
        throw new Error(`process ${other} is still compiling; if it does not, remove ${lock}`);
      } else await setTimeout(10);
    }
  } finally {
    rmSync(own, { force: true });
  }
  const free = () => rmSync(lock, { force: true });
  process.once('exit', free); // also where the job ends the process
  try {
    return await job();
  } finally {
    process.off('exit', free);
    free();
  }
}
