import { type Memory, native } from '@asyncore/socket/kernel';
import { C } from './numbers.js';
import { OpenFile } from './open_file.js';

const { POLLIN, POLLOUT } = C;

/** A file of the system's, under a descriptor of the simulated kernel. */
export class DiskFile extends OpenFile {
  readonly #fd: number;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    super();
    this.#fd = fd;
  }

  size(): bigint {
    return native.fstat(this.#fd).size;
  }

  readAt(into: Memory, length: number, offset: number): number {
    return native.pread(this.#fd, into, length, offset);
  }

  override read(into: Uint8Array, length: number): number {
    return native.read(this.#fd, into, length);
  }

  override mask(): number {
    return POLLIN | POLLOUT; // a file is always ready: poll(2)
  }

  override released(): void {
    native.close(this.#fd);
  }
}
