import { epoll, new_wakeup, POLLPRI, state_of, type Wakeup } from '@asyncore/socket';

/**
 * A flag among the events given to a queue: report new events only (EPOLLET, epoll(7)). 0 on systems
 * without epoll.
 */
export const EDGE = process.platform === 'linux' ? 1 << 31 : 0;

/**
 * A file that reports a change with POLLPRI, as /proc/self/mounts and /proc/pressure do. It reports
 * each change once, to whoever asks first. When Node asks whether the loop's queue is ready, the
 * kernel asks every file in the queue, and the report is lost. So such a file has a queue of its
 * own: when that queue wakes us, the file has changed.
 */
export class ChangingFile {
  /** POLLPRI when the file has changed and that was not reported yet. */
  events = 0;
  readonly #fd: number;
  readonly #queue: epoll;
  readonly #wakeup: Wakeup;
  #isWatched = false;

  /**
   * Calls `changed` when the file has changed. Throws the error of epoll_ctl(2): EPERM for a file
   * on a disk.
   */
  constructor(fd: number, changed: () => void) {
    this.#fd = fd;
    this.#queue = new epoll();
    const pairs = new Int32Array(2);
    try {
      this.#look();
      this.#queue.register(fd, POLLPRI | EDGE);
      this.#wakeup = new_wakeup(
        this.#queue.fileno(),
        () => {
          this.#queue.wait(pairs, 0);
          this.events = POLLPRI;
          changed();
        },
        () => {},
      );
    } catch (error) {
      this.#queue.close();
      throw error;
    }
  }

  /**
   * Must be called before Node waits. Node's own look at the queue asks the file and loses its first
   * report, so this method asks the file before.
   */
  beforeWaiting(): void {
    if (!this.#isWatched) this.#look();
    this.#isWatched = true;
  }

  /** Returns the events, which count as reported from now on. */
  take(): number {
    const { events } = this;
    this.events = 0;
    return events;
  }

  close(): void {
    this.#wakeup.close();
    this.#queue.close();
  }

  #look(): void {
    this.events |= state_of(this.#fd, POLLPRI) & POLLPRI;
  }
}
