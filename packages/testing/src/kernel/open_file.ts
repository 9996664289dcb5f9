import { E } from './numbers.js';
import type { Watch } from './queue.js';

/** An open file, to which a descriptor and its duplicates refer. */
export abstract class OpenFile {
  /** How many descriptors refer to it. */
  descriptors = 0;
  /** Whether calls on it wait. */
  blocking = false;
  /** The queues' watches of this file. */
  readonly watches = new Set<Watch>();
  /** If the file belongs to the test: called at every change. */
  owner: (() => void) | null = null;
  /** Its name in a trace. */
  label = '';

  /** What it is ready for, as flags of poll(2). */
  abstract mask(): number;

  /** Its last descriptor was closed. */
  abstract released(): void;

  /** Reads. By default the negative errno of something that cannot be read. */
  read(_into: Uint8Array, _length: number): number {
    return -E.EINVAL;
  }

  write(_data: ArrayBufferView): number {
    return -E.EINVAL;
  }

  /** How many bytes can be read. */
  unread(): number {
    return -E.ENOTTY;
  }

  /** What it is ready for may have changed. */
  changed(): void {
    for (const watch of this.watches) watch.queue.candidates.add(watch);
    this.owner?.();
  }
}
