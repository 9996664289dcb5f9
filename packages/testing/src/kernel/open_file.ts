import { E } from './numbers.js';
import type { Watch } from './queue.js';

/** What a descriptor stands for, and its duplicates with it. */
export abstract class OpenFile {
  /** How many descriptors it has. */
  descriptors = 0;
  /** Whether its calls wait. */
  blocking = false;
  /** What queues watch it for. */
  readonly watches = new Set<Watch>();
  /** It is the test's, which is told of every change. */
  owner: (() => void) | null = null;
  /** In a trace. */
  label = '';

  /** What it is ready for, in poll(2)'s flags. */
  abstract mask(): number;

  /** Its last descriptor was closed. */
  abstract released(): void;

  /** The negative errno, by default, of something that cannot be read. */
  read(_into: Uint8Array, _length: number): number {
    return -E.EINVAL;
  }

  write(_data: ArrayBufferView): number {
    return -E.EINVAL;
  }

  /** The bytes that can be read. */
  unread(): number {
    return -E.ENOTTY;
  }

  /** Its mask may be another. */
  changed(): void {
    for (const watch of this.watches) watch.queue.candidates.add(watch);
    this.owner?.();
  }
}
