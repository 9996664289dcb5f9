/**
 * Finds out which of the registered descriptors are ready, by `select`, `poll`, `epoll` or `kqueue`.
 * All of them use the flags of poll(2). POLLERR, POLLHUP and POLLNVAL are reported unasked: a
 * descriptor registered for 0 is watched for these alone.
 */
export interface Poller {
  /** Starts to watch `fd` for `events` (POLLIN | POLLOUT | POLLPRI, POLLRDHUP on Linux). */
  register(fd: number, events: number): void;
  /** Watches a registered descriptor for other events. */
  modify(fd: number, events: number): void;
  /** Stops watching `fd`. Do it before closing: while a duplicate lives, epoll keeps a closed one. */
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
  /** Forgets all, and closes the descriptor of a queue. */
  close(): void;
}
