/** Where Unix sockets and files of the programs lie. */
import { join } from 'node:path';

export const folder = process.env.ASYNCORE_SWEEP_FOLDER;
let made = 0;

/** A path that no socket had yet. */
export function socketPath() {
  made += 1;
  return join(folder, `socket-${process.pid}-${made}`);
}
