import { LookAgain, NOTHING, type Pending, type Wakeup } from '@asyncore/socket';
import type { Kernel } from './kernel.js';
import type { Queue } from './queue.js';

/** A wakeup that the driver calls when its queue is ready. */
export class SimulatedWakeup implements Wakeup {
  /** When `prepare` is to be called. */
  pending: Pending = NOTHING;
  readonly looks = new LookAgain();

  constructor(
    readonly kernel: Kernel,
    readonly queue: Queue,
    readonly ready: (again: boolean) => unknown,
    readonly prepare: () => void,
  ) {
    kernel.wakeups.add(this);
  }

  get isOpen(): boolean {
    return this.kernel.wakeups.has(this);
  }

  close(): void {
    if (this.kernel.wakeups.delete(this)) this.kernel.closedWakeups += 1;
  }
}
