/**
 * Finds out which of the registered descriptors are ready, by `select`, `poll`, `epoll` or `kqueue`.
 * All of them use the flags of poll(2). POLLERR, POLLHUP and POLLNVAL are reported unasked: a
 * descriptor registered for 0 is watched for these alone.
 */
export interface Poller {
  /** Starts to watch `fd` for `events`: POLLIN, POLLOUT, POLLPRI, and on Linux POLLRDHUP. */
  register(fd: number, events: number): void;
  /** Changes the events of a registered descriptor. */
  modify(fd: number, events: number): void;
  /** Stops watching `fd`. Call it before closing: epoll keeps a closed descriptor while a duplicate is open. */
  unregister(fd: number): void;
  /**
   * Waits at most `timeout` seconds (null: without limit) until a descriptor is ready, and returns pairs
   * `[fd, events]`. Waiting blocks the thread.
   */
  poll(timeout?: number | null): [fd: number, events: number][];
  /**
   * Waits as `poll` does, but allocates nothing: writes pairs of fd and events into `into`, and returns their
   * number. Descriptors for which there is no room are reported the next time.
   */
  wait(into: Int32Array, timeout: number | null): number;
  /** Unregisters everything, and closes the queue's own descriptor if it has one. */
  close(): void;
}
