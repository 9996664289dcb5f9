import { binding } from './binding.js';
import { Descriptor } from './descriptor.js';
import { checked, errno } from './os_error.js';
import type { Poller } from './poller.js';
import { pairsOf, roomForBatch, waiting } from './waiting.js';

const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = binding.constants;

/**
 * Linux's queue of ready descriptors, epoll(7): what is registered stays with the kernel, and
 * waiting costs time in proportion to those that are ready. It refuses regular files (EPERM).
 */
export class epoll extends Descriptor implements Poller {
  /** epoll_create1(2). Throws ENOSYS where there is no epoll: everywhere but on Linux. */
  constructor() {
    super(checked('epoll_create', binding.epoll_create?.() ?? -errno.ENOSYS));
  }

  register(fd: number, events: number): void {
    checked('epoll_ctl', binding.epoll_ctl(this.fileno(), EPOLL_CTL_ADD, fd, events));
  }

  modify(fd: number, events: number): void {
    checked('epoll_ctl', binding.epoll_ctl(this.fileno(), EPOLL_CTL_MOD, fd, events));
  }

  unregister(fd: number): void {
    checked('epoll_ctl', binding.epoll_ctl(this.fileno(), EPOLL_CTL_DEL, fd, 0));
  }

  poll(timeout: number | null = null): [fd: number, events: number][] {
    const into = roomForBatch();
    return pairsOf(into, this.wait(into, timeout));
  }

  wait(into: Int32Array, timeout: number | null): number {
    return waiting('epoll_wait', into, timeout, (milliseconds) =>
      binding.epoll_wait(this.fileno(), into, milliseconds),
    );
  }
}
