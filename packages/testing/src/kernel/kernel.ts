import type { Binding } from '@asyncore/socket/kernel';
import { calls } from './calls.js';
import type { Datagram } from './datagram.js';
import { type Event, EventQueue } from './event_queue.js';
import { E, FIRST_DESCRIPTOR } from './numbers.js';
import type { OpenFile } from './open_file.js';
import { Ports } from './ports.js';
import { Queue } from './queue.js';
import type { Tcp } from './tcp.js';
import type { UnixSocket } from './unix_socket.js';
import { SimulatedWakeup } from './wakeup.js';
import type { World } from './world.js';

/** A kernel in memory: its open files, the events to come, and a time that the driver moves. */
export class Kernel {
  /** In milliseconds. */
  now = 0;
  /** SO_SNDBUF and SO_RCVBUF of new sockets, in bytes. */
  sendRoom = 1 << 17;
  receiveRoom = 1 << 17;
  readonly tcp = new Ports<Tcp>();
  readonly udp = new Ports<Datagram>();
  /** Bound Unix sockets by path. */
  readonly paths = new Map<string, UnixSocket>();
  /** The wakeups that wait for queues, and how many of them have stopped. */
  readonly wakeups = new Set<SimulatedWakeup>();
  closedWakeups = 0;
  readonly binding: Binding;
  readonly #events = new EventQueue();
  readonly #files: (OpenFile | undefined)[] = [];
  #lowest = 0;
  #asked = 0;
  /** How often a program may ask in one turn of the loop. Tests make it smaller. */
  mostAsked = 200_000;

  /** `descriptors` is how many may be open (EMFILE). */
  constructor(
    readonly world: World,
    public descriptors = 1024,
  ) {
    this.binding = calls(this);
  }

  // ---- descriptors ----

  /** Returns a new descriptor for `file`, or -EMFILE. */
  give(file: OpenFile): number {
    let i = this.#lowest;
    while (this.#files[i] !== undefined) i += 1;
    if (i >= this.descriptors) return -E.EMFILE;
    this.#lowest = i + 1;
    this.#files[i] = file;
    file.descriptors += 1;
    return FIRST_DESCRIPTOR + i;
  }

  file(fd: number): OpenFile | undefined {
    return this.#files[fd - FIRST_DESCRIPTOR];
  }

  /** The open files, by descriptor. */
  open(): [fd: number, file: OpenFile][] {
    return this.#files.flatMap((file, i): [number, OpenFile][] =>
      file === undefined ? [] : [[FIRST_DESCRIPTOR + i, file]],
    );
  }

  close(fd: number): number {
    const file = this.file(fd);
    if (file === undefined) return -E.EBADF;
    const i = fd - FIRST_DESCRIPTOR;
    this.#files[i] = undefined;
    this.#lowest = Math.min(this.#lowest, i);
    this.release(file);
    return 0;
  }

  /** A descriptor, or a message on its way, no longer refers to `file`. */
  release(file: OpenFile): void {
    file.descriptors -= 1;
    if (file.descriptors > 0) return;
    for (const watch of file.watches) watch.queue.forget(watch);
    file.released();
  }

  /** Makes a wakeup for a queue, given its descriptor. Throws if that is no queue. */
  wakeup(fd: number, ready: (again: boolean) => unknown, prepare: () => void): SimulatedWakeup {
    const queue = this.file(fd);
    if (!(queue instanceof Queue)) throw new Error(`simulated network: ${fd} is no queue`);
    return new SimulatedWakeup(this, queue, ready, prepare);
  }

  // ---- time ----

  /** Makes something happen in so many milliseconds. */
  in(milliseconds: number, action: () => void): Event {
    return this.#events.add(this.now + milliseconds, action);
  }

  /** When something happens next, Infinity if nothing will. */
  get next(): number {
    return this.#events.next;
  }

  /** Makes everything happen that is due, and returns how many events that were. */
  land(): number {
    let count = 0;
    while (this.#events.next <= this.now) {
      this.#events.take()?.action();
      count += 1;
    }
    return count;
  }

  /** The driver has a turn: whichever function asked has returned. */
  beginTurn(): void {
    this.#asked = 0;
  }

  /** Counts a call by which a function may wait for what cannot come before it returns. Throws after too many. */
  asked(): void {
    this.#asked += 1;
    if (this.#asked <= this.mostAsked) return;
    this.#asked = 0;
    const what = `it has called poll, recv, choose or the like ${this.mostAsked} times`;
    throw new Error(`simulated network: a function does not return: ${what}`);
  }

  /** Waits as a blocking call does, until `check` returns something else than 0. */
  wait(milliseconds: number, check: () => number): number {
    this.asked();
    let result = check();
    const end = milliseconds < 0 ? Infinity : this.now + milliseconds;
    while (result === 0 && milliseconds !== 0) {
      const { next } = this;
      if (next === Infinity && end === Infinity) {
        throw new Error('simulated network: a call that blocks waits for ever');
      }
      this.now = Math.max(this.now, Math.min(next, end));
      if (next > end) return check();
      this.land();
      result = check();
    }
    return result;
  }
}
