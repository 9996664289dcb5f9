import { BEFORE_WAITING, NOTHING } from '@asyncore/socket';
import type { Kernel } from './kernel/kernel.js';
import { drained, pending_requests, real_now, turned } from './outside.js';
import type { VirtualClock } from './virtual_clock.js';

/** Node's own loop has a turn after this many of ours. Without it, the time limit of a test would never come. */
const BETWEEN_REAL_TURNS = 500;
/** How often `ready` is called in one turn; a real one goes on for a millisecond. */
const MOST_LOOKS = 50;
const MOST_PREPARED = 1000;
/** How long to wait for files and the like, which are outside the simulation, in milliseconds. */
const OUTSIDE = 1000;

/** A wait for something to happen. */
interface Waiter {
  /** Whether it has happened. */
  readonly isFulfilled: () => boolean;
  /**
   * Whether to give up if the next event comes at `next`. The wait with the earliest `end` gives up
   * first.
   */
  readonly isOver: (next: number) => boolean;
  readonly end: number;
  /** How many turns it may take. */
  readonly most: number;
  /** How the wait ends when it is given up: with an error, or as fulfilled (null). */
  readonly giveUp: () => Error | null;
  /** The error of a wait that has taken too many turns. */
  readonly endless: (why: string) => Error;
  /** Whether it never ends when the simulation ends before; others reject. */
  readonly isForgotten: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** The number of the turn, and the time, in which it began. */
  readonly turn: number;
  readonly begin: number;
}

/**
 * Takes the place of Node's event loop: lets events, timers, loops and immediates have their turns, and
 * moves the clock when nothing is left to do at this moment. It runs only while somebody waits.
 */
export class Driver {
  #waiters: Waiter[] = [];
  #isRunning = false;
  #turns = 0;
  /** All turns that there were. */
  #count = 0;
  /** How many waits have ended since the last turn. */
  #ended = 0;
  #isOver = false;
  /** What ends a wait that would go on for ever. Tests make these numbers smaller. */
  readonly limits = {
    /** How many turns a wait for something may take. */
    wait: 100_000,
    /** The same for `advance`, which says itself how long it takes. */
    advance: 1_000_000,
    /** How many waits in a row may end without a turn between them. */
    ended: 100_000,
    /** After how many turns in which nothing arrives and no time passes the program counts as spinning. */
    turns: 2000,
  };
  /** When something last arrived, or a descriptor was last ready. */
  #lastArrival = 0;
  #failure: { error: unknown } | null = null;
  /** Node's own requests, which do not belong to the simulation. */
  #requestsBefore = pending_requests();

  /** `begin` is called at the beginning of each turn. */
  constructor(
    readonly kernel: Kernel,
    readonly clock: VirtualClock,
    readonly begin: () => void,
  ) {}

  /** Rejects the waits with an error that nothing has caught. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  throwIfFailed(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** How many turns there were, or null while somebody waits. */
  get restingSince(): number | null {
    return this.#waiters.length > 0 ? null : this.#count;
  }

  /**
   * Goes on until `isFulfilled`; rejects when nothing more happens within that many seconds. `message`
   * may be told why, if it is for another reason.
   */
  until(
    isFulfilled: () => boolean,
    within: number,
    message: (why?: string) => string,
  ): Promise<void> {
    if (typeof within !== 'number' || !(within >= 0))
      throw new RangeError(`a wait's seconds must be a number from 0: got ${within}`);
    const end = this.kernel.now + within * 1000;
    return this.#wait({
      isFulfilled,
      isOver: (next) => next > end,
      end,
      most: this.limits.wait,
      giveUp: () => new Error(message()),
      endless: (why) => new Error(message(why)),
      isForgotten: false,
    });
  }

  /** Lets that many seconds pass. */
  advance(seconds: number): Promise<void> {
    const { kernel } = this;
    const end = kernel.now + seconds * 1000;
    return this.#wait({
      isFulfilled: () => false,
      isOver: (next) => next > end,
      end,
      most: this.limits.advance,
      giveUp: () => {
        kernel.now = Math.max(kernel.now, end);
        return null;
      },
      endless: (why) => new Error(`advance: ${why}`),
      isForgotten: true,
    });
  }

  /** Goes on until nothing has arrived, and no descriptor was ready, for `quiet` seconds. */
  settle(quiet: number, within: number): Promise<void> {
    const { kernel } = this;
    const start = kernel.now;
    const end = start + within * 1000;
    const quietAt = () => Math.max(start, this.#lastArrival) + quiet * 1000;
    return this.#wait({
      isFulfilled: () => false,
      isOver: (next) => next > quietAt() || next > end,
      end,
      most: this.limits.wait,
      giveUp: () => {
        if (this.next > quietAt()) return null;
        return new Error(`settle: something has happened all the time, for ${within} s`);
      },
      endless: (why) => new Error(`settle: ${why}`),
      isForgotten: true,
    });
  }

  #wait(waiter: Omit<Waiter, 'resolve' | 'reject' | 'turn' | 'begin'>): Promise<void> {
    // Whoever reads the error wants to know which of their waits it was.
    const here = new Error();
    return new Promise((resolve, rejectWith) => {
      const reject = (error: unknown) => rejectWith(error);
      const giveUp = () => at(here, waiter.giveUp());
      const endless = (why: string) => at(here, waiter.endless(why));
      if (this.#isOver) {
        reject(at(here, new Error('simulate: this network has ended: is an await missing?')));
        return;
      }
      const { kernel } = this;
      const all = { ...waiter, giveUp, endless, resolve, reject };
      this.#waiters.push({ ...all, turn: this.#count, begin: kernel.now });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Ends what still waits, and refuses further waits. */
  end(): void {
    this.#isOver = true;
    this.#turns = 0;
    for (const { isForgotten, endless, reject } of this.#waiters.splice(0)) {
      if (isForgotten) continue;
      reject(endless('the simulation has ended: is an await missing?'));
    }
  }

  /** The time of the next event, Infinity if there is none. */
  get next(): number {
    return Math.min(this.kernel.next, this.clock.next);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      await drained();
      for (let i = 1; this.#waiters.length > 0; i++) {
        if (i % BETWEEN_REAL_TURNS === 0) await turned();
        if (this.#tell()) await drained();
        else if (!(await this.turn())) await this.#nothingReady();
      }
    } catch (error) {
      for (const { reject } of this.#waiters.splice(0)) reject(error);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Ends the waits that are over. Returns whether there was one. */
  #tell(): boolean {
    const failure = this.#failure;
    const told = this.#waiters.filter(({ isFulfilled }) => failure !== null || isFulfilled());
    if (told.length === 0) return false;
    this.#ended += 1;
    const { ended } = this.limits;
    if (this.#ended > ended) {
      const what = 'waits in a row were for what had come already';
      throw new Error(`something spins: ${ended} ${what}, so no time passed`);
    }
    this.#waiters = this.#waiters.filter((waiter) => !told.includes(waiter));
    for (const { resolve, reject } of told) {
      if (failure === null) resolve();
      else reject(failure.error);
    }
    return true;
  }

  async #nothingReady(): Promise<void> {
    if (this.clock.hasImmediates) return;
    const { next } = this;
    const over = this.#overAt(next);
    // In virtual time, files and the like take no time.
    if (next > this.kernel.now + 1 && (await this.#outside())) return;
    if (over === undefined) {
      this.#moveTo(next);
      return;
    }
    await turned();
    if (this.#hasChanged(next) || (await this.turn())) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter !== over);
    const error = over.giveUp();
    if (error === null) over.resolve();
    else over.reject(error);
    await drained();
  }

  /** The wait that gives up first if nothing happens before `next`. */
  #overAt(next: number): Waiter | undefined {
    let first: Waiter | undefined;
    for (const waiter of this.#waiters) {
      const isOver = next === Infinity || waiter.isOver(next); // or nothing ever happens again
      if (isOver && (first === undefined || waiter.end < first.end)) first = waiter;
    }
    return first;
  }

  #moveTo(time: number): void {
    if (time <= this.kernel.now) return;
    this.kernel.now = time;
    this.#turns = 0;
  }

  /** Lets Node finish its pending requests. Returns whether that has changed anything. */
  async #outside(): Promise<boolean> {
    if (pending_requests() <= this.#requestsBefore) return false;
    const end = real_now() + OUTSIDE;
    const { next } = this;
    while (pending_requests() > this.#requestsBefore) {
      await turned();
      if (this.#hasChanged(next) || (await this.turn())) return true;
      if (real_now() > end) this.#requestsBefore = pending_requests(); // a request that takes too long is not waited for again
    }
    return false;
  }

  /** Notes that something has come from outside of the simulation. */
  #hasChanged(next: number): boolean {
    return this.#tell() || this.clock.hasImmediates || this.next !== next;
  }

  /**
   * Does what a turn of Node's loop does: timers, prepare, ready descriptors, immediates, and all
   * microtasks after each call. Returns whether anything has happened.
   */
  async turn(): Promise<boolean> {
    const { kernel, clock } = this;
    let didSomething = kernel.land() > 0;
    if (didSomething) {
      this.#turns = 0;
      this.#lastArrival = kernel.now;
    }
    this.#turns += 1;
    this.#count += 1;
    this.#ended = 0;
    kernel.beginTurn();
    clock.beginTurn();
    this.#endEndless();
    if (this.#turns > this.limits.turns) {
      throw new Error(
        `something spins: in ${this.limits.turns} turns nothing arrived and no time passed`,
      );
    }
    this.begin();
    const { now } = kernel;
    for (let timer = clock.due(now); timer !== undefined; timer = clock.due(now)) {
      await this.#call(timer);
      didSomething = true;
    }
    if (await this.#prepare()) didSomething = true;
    if (await this.#ready()) {
      didSomething = true;
      this.#lastArrival = kernel.now;
    }
    for (const immediate of clock.takeImmediates()) {
      if (immediate.callback === null) continue;
      await this.#call(immediate.callback);
      didSomething = true;
    }
    return didSomething;
  }

  /** Ends the waits that have taken too many turns. */
  #endEndless(): void {
    const isEndless = ({ turn, most }: Waiter) => this.#count - turn > most;
    if (!this.#waiters.some(isEndless)) return;
    const endless = this.#waiters.filter(isEndless);
    this.#waiters = this.#waiters.filter((waiter) => !endless.includes(waiter));
    for (const waiter of endless) {
      const seconds = Number(((this.kernel.now - waiter.begin) / 1000).toPrecision(3));
      const turns = `${waiter.most} turns of the loop and ${seconds} s`;
      waiter.reject(
        waiter.endless(
          `something has happened all the time, in ${turns} ({ trace: true } shows what)`,
        ),
      );
    }
  }

  async #prepare(): Promise<boolean> {
    const { wakeups } = this.kernel;
    let didSomething = false;
    for (const wakeup of [...wakeups]) {
      if (!wakeup.isOpen || wakeup.pending === NOTHING) continue;
      if (wakeup.pending === BEFORE_WAITING) didSomething = true;
      await this.#call(wakeup.prepare);
    }
    for (let i = 0; i < MOST_PREPARED; i++) {
      const late = [...wakeups].find(({ pending }) => pending === BEFORE_WAITING);
      if (late === undefined) break;
      await this.#call(late.prepare);
      didSomething = true;
    }
    return didSomething;
  }

  async #ready(): Promise<boolean> {
    let didSomething = false;
    for (const wakeup of [...this.kernel.wakeups]) {
      if (!wakeup.isOpen || wakeup.queue.mask() === 0) continue;
      didSomething = true;
      let isLook = false;
      for (let i = 0; i < MOST_LOOKS; i++) {
        const look = isLook;
        const found = (await this.#call(() => wakeup.ready(look))) === true;
        isLook = wakeup.looks.isWorthIt(look, found);
        if (!isLook || !wakeup.isOpen || wakeup.pending !== NOTHING) break;
      }
    }
    return didSomething;
  }

  async #call(callback: () => unknown): Promise<unknown> {
    let result: unknown;
    try {
      result = callback();
    } catch (error) {
      this.fail(error);
    }
    await drained();
    return result;
  }
}

/** `error`, as if thrown where `here` was made. */
function at<E extends Error | null>(here: Error, error: E): E {
  const frames = /\n {4}at .*/s.exec(here.stack ?? '');
  if (error !== null && frames !== null) error.stack = `${error}${frames[0]}`;
  return error;
}
