/**
 * Prints files, and what is added to them as they grow or are rotated: tail -n +1 -F.
 *
 *     follow PATH...
 *
 * A FIFO or a device is read when there is something to read. A regular file is always ready, so
 * the channel comes to its end and then looks four times a second whether there is more.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { loop } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';

// O_NONBLOCK: opening a FIFO does not wait for somebody who writes to it.
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

export class Follower extends file_dispatcher {
  path: string;
  file = fstatSync(this.fileno());
  position = 0;
  atEnd = false;
  replaced = false;
  timer = setInterval(() => this.look(), 250);

  constructor(path: string) {
    const fd = openSync(path, FLAGS);
    super(fd);
    closeSync(fd); // the channel has a duplicate
    this.path = path;
  }

  readable() {
    return !process.stdout.writableNeedDrain;
  }

  handle_read() {
    const data = this.recv(65536);
    this.position += data.length;
    process.stdout.write(data);
  }

  /** The end of a regular file, or whoever wrote to the FIFO is gone. */
  handle_eof() {
    this.atEnd = true;
    if (this.replaced || this.file.isFIFO()) this.open();
  }

  /** Nobody writes to the FIFO any more. look() finds the next one who does. */
  handle_close() {}

  look() {
    const now = statSync(this.path, { throwIfNoEntry: false });
    if (now === undefined) return; // its successor is still to come
    const isFile = this.file.isFile();
    const truncated = isFile && now.size < this.position;
    this.replaced = now.ino !== this.file.ino || now.dev !== this.file.dev || truncated;
    if (!isFile) {
      if (this.replaced || this.atEnd) this.open();
    } else if (this.atEnd && (this.replaced || now.size > this.position)) {
      this.atEnd = false;
      this.set_file(this); // to read on: a duplicate is at the same place of the open file
    }
  }

  open() {
    if (!existsSync(this.path)) return;
    const fd = openSync(this.path, FLAGS);
    this.set_file(fd);
    closeSync(fd);
    this.file = fstatSync(this.fileno());
    this.position = 0;
    this.atEnd = this.replaced = false;
  }

  close() {
    clearInterval(this.timer);
    super.close();
  }
}

export async function main(args: string[]): Promise<void> {
  if (args.length === 0) throw new Error('usage: follow PATH...');
  for (const path of args) new Follower(path);
  await loop();
}
