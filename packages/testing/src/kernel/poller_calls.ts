import { type Binding, native, type Pairs } from '@asyncore/socket/kernel';
import type { Kernel } from './kernel.js';
import { C, E, FIRST_DESCRIPTOR } from './numbers.js';
import { Queue } from './queue.js';

const { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI } = C;
export const FD_SETSIZE = FIRST_DESCRIPTOR + native.fd_setsize;

type Name =
  | 'poll'
  | 'select'
  | 'epoll_create'
  | 'epoll_ctl'
  | 'epoll_wait'
  | 'kqueue_create'
  | 'kqueue_ctl'
  | 'kqueue_wait';

/** The functions by which the packages wait for a kernel. */
export function poller_calls(kernel: Kernel): Pick<Binding, Name> {
  const asked = (pairs: Pairs, count: number) =>
    Array.from({ length: count }, (_, i) => ({ fd: pairs[2 * i], events: pairs[2 * i + 1] }));

  const queueOf = (fd: number): Queue | number => {
    const file = kernel.file(fd);
    if (file instanceof Queue) return file;
    return file === undefined ? -E.EBADF : -E.EINVAL;
  };

  const wait = (fd: number, pairs: Pairs, milliseconds: number): number => {
    const queue = queueOf(fd);
    if (typeof queue === 'number') return queue;
    const choose = (n: number, label: string) => kernel.world.choose(n, label);
    return kernel.wait(milliseconds, () => queue.tell(pairs, choose));
  };

  return {
    poll(pairs, count, milliseconds) {
      const all = asked(pairs, count);
      return kernel.wait(milliseconds, () => {
        let ready = 0;
        for (const [i, { fd, events }] of all.entries()) {
          const file = kernel.file(fd);
          const there = file === undefined ? POLLNVAL : file.mask() & (events | POLLERR | POLLHUP);
          pairs[2 * i + 1] = fd < 0 ? 0 : there;
          if (pairs[2 * i + 1] !== 0) ready += 1;
        }
        return ready;
      });
    },
    select(pairs, count, milliseconds) {
      const all = asked(pairs, count);
      if (all.some(({ fd }) => fd < 0 || fd >= FD_SETSIZE)) return -E.EINVAL;
      return kernel.wait(milliseconds, () => {
        let ready = 0;
        for (const [i, { fd, events }] of all.entries()) {
          const file = kernel.file(fd);
          if (file === undefined) return -E.EBADF;
          pairs[2 * i + 1] = selected(file.mask(), events);
          if (pairs[2 * i + 1] !== 0) ready += 1;
        }
        return ready;
      });
    },
    epoll_create: native.epoll_create && (() => kernel.give(new Queue())),
    epoll_ctl(fd, operation, other, events) {
      const queue = queueOf(fd);
      const file = kernel.file(other);
      if (typeof queue === 'number') return queue;
      if (file === undefined) return -E.EBADF;
      if (operation === C.EPOLL_CTL_ADD) return queue.add(other, file, events);
      if (operation === C.EPOLL_CTL_MOD) return queue.modify(other, file, events);
      return queue.remove(other, file);
    },
    epoll_wait: wait,
    kqueue_create: native.kqueue_create && (() => kernel.give(new Queue())),
    kqueue_ctl(fd, other, events) {
      const queue = queueOf(fd);
      const file = kernel.file(other);
      if (typeof queue === 'number') return queue;
      return file === undefined ? -E.EBADF : queue.set(other, file, events);
    },
    kqueue_wait: wait,
  };
}

/** The three sets of select(2), as Linux fills them from the flags of poll. */
function selected(mask: number, events: number): number {
  let found = 0;
  if (events & POLLIN && mask & (POLLIN | POLLHUP | POLLERR)) found |= POLLIN;
  if (events & POLLOUT && mask & (POLLOUT | POLLERR)) found |= POLLOUT;
  if (events & POLLPRI && mask & POLLPRI) found |= POLLPRI;
  return found;
}
