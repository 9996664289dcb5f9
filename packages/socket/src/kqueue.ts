import { binding } from './binding.js';
import { Descriptor } from './descriptor.js';
import { checked, errno } from './os_error.js';
import type { Poller } from './poller.js';
import { pairsOf, roomForBatch, waiting } from './waiting.js';

/**
 * The queue of ready descriptors of macOS and the BSDs, kqueue(2): what is registered stays with
 * the kernel, and waiting costs time in proportion to those that are ready.
 */
export class kqueue extends Descriptor implements Poller {
  /** kqueue(2). Throws ENOSYS where there is no kqueue: on Linux. */
  constructor() {
    super(checked('kqueue', binding.kqueue_create?.() ?? -errno.ENOSYS));
  }

  register(fd: number, events: number): void {
    checked('kevent', binding.kqueue_ctl(this.fileno(), fd, events));
  }

  modify(fd: number, events: number): void {
    checked('kevent', binding.kqueue_ctl(this.fileno(), fd, events));
  }

  unregister(fd: number): void {
    checked('kevent', binding.kqueue_ctl(this.fileno(), fd, 0));
  }

  poll(timeout: number | null = null): [fd: number, events: number][] {
    const into = roomForBatch();
    return pairsOf(into, this.wait(into, timeout));
  }

  wait(into: Int32Array, timeout: number | null): number {
    return waiting('kevent', into, timeout, (milliseconds) =>
      binding.kqueue_wait(this.fileno(), into, milliseconds),
    );
  }
}
