/**
 * Tells which of the registered descriptors are ready. `select`, `poll`, `epoll` and `kqueue` are
 * the system's ways to find out; all speak poll(2)'s flags. POLLERR, POLLHUP and POLLNVAL are told
 * unasked, so a descriptor registered for nothing else is watched for these alone.
 */
export interface Poller {
  /** Starts to watch `fd` for `events` (POLLIN | POLLOUT | POLLPRI, POLLRDHUP on Linux). */
  register(fd: number, events: number): void;
  /** Watches a registered descriptor for other events. */
  modify(fd: number, events: number): void;
  /** Stops. Do it before the descriptor is closed: a duplicate of it would keep it in epoll. */
  unregister(fd: number): void;
  /**
   * Waits at most `timeout` seconds, null for as long as it takes, and gives those that are ready.
   * Waiting blocks the thread.
   */
  poll(timeout?: number | null): [fd: number, events: number][];
  /**
   * The same without allocating: writes pairs fd, events into `into` and gives their number.
   * Those for which there is no room are told the next time.
   */
  wait(into: Int32Array, timeout: number | null): number;
  /** Lets go of what it holds of the system. */
  close(): void;
}
