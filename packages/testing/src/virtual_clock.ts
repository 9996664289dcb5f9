import type { Clock } from '@asyncore/socket/kernel';

/** A timer of virtual time, with the methods of Node's timers. */
class VirtualTimer {
  /** When it goes off; Infinity when it will not. */
  at = Infinity;
  order = 0;
  readonly milliseconds: number;

  constructor(
    readonly clock: VirtualClock,
    readonly callback: () => void,
    milliseconds: unknown,
    readonly repeats: boolean,
    /** A program's own, which the simulation's end forgets. */
    readonly isProgramOwn: boolean,
  ) {
    const wanted = Number(milliseconds);
    this.milliseconds = wanted >= 1 && wanted <= 0x7fffffff ? Math.ceil(wanted) : 1;
    this.refresh();
  }

  refresh(): this {
    this.clock.drop(this);
    this.clock.add(this);
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  close(): this {
    this.clock.drop(this);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.order;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface Immediate {
  callback: (() => void) | null;
}

type Callback = (...args: unknown[]) => void;

/** Time that stands still until somebody moves it. */
export class VirtualClock implements Clock {
  /** The timers, by the time when they go off. */
  #timers: VirtualTimer[] = [];
  #immediates: Immediate[] = [];
  #count = 0;
  #asked = 0;
  /** How often a program may ask for the time in one turn of the loop. Tests make it smaller. */
  mostAsked = 1_000_000;

  constructor(readonly time: { now: number }) {}

  readonly now = () => this.time.now;
  /** For a program's own Date.now and kin. Throws if a function seems to wait for time to pass. */
  readonly programNow = () => {
    this.#asked += 1;
    if (this.#asked > this.mostAsked) {
      this.#asked = 0;
      const what = `it has asked for the time ${this.mostAsked} times`;
      throw new Error(`a function does not return, and virtual time stands still: ${what}`);
    }
    return this.time.now;
  };
  readonly setTimeout = (callback: () => void, milliseconds: number) =>
    this.#timer(callback, milliseconds, false, false);
  readonly clearTimeout = (timer: unknown) => {
    if (timer instanceof VirtualTimer) this.drop(timer);
    else if (typeof timer === 'number' || typeof timer === 'string') {
      const known = this.#timers.find(({ order }) => order === Number(timer));
      if (known !== undefined) this.drop(known);
    }
  };
  readonly setImmediate = (callback: () => void, ...args: unknown[]): NodeJS.Immediate => {
    const immediate: Immediate = { callback: () => (callback as Callback)(...args) };
    this.#immediates.push(immediate);
    return immediate as unknown as NodeJS.Immediate; // only ever given back
  };
  readonly clearImmediate = (immediate: unknown) => {
    if (immediate) (immediate as Immediate).callback = null;
  };

  /** What a program's own setTimeout and setInterval become. */
  readonly programTimeout = (callback: Callback, milliseconds?: unknown, ...args: unknown[]) =>
    this.#timer(() => callback(...args), milliseconds, false, true);
  readonly programInterval = (callback: Callback, milliseconds?: unknown, ...args: unknown[]) =>
    this.#timer(() => callback(...args), milliseconds, true, true);

  #timer(
    callback: () => void,
    milliseconds: unknown,
    repeats: boolean,
    isProgramOwn: boolean,
  ): NodeJS.Timeout {
    const timer = new VirtualTimer(this, callback, milliseconds, repeats, isProgramOwn);
    return timer as unknown as NodeJS.Timeout; // it has everything that is documented
  }

  add(timer: VirtualTimer): void {
    timer.at = this.time.now + timer.milliseconds;
    this.#count += 1;
    timer.order = this.#count;
    let i = this.#timers.length;
    while (i > 0 && this.#timers[i - 1].at > timer.at) i -= 1;
    this.#timers.splice(i, 0, timer);
  }

  drop(timer: VirtualTimer): void {
    if (timer.at === Infinity) return;
    timer.at = Infinity;
    const i = this.#timers.indexOf(timer);
    if (i >= 0) this.#timers.splice(i, 1);
  }

  /** When the next timer goes off, Infinity if none does. */
  get next(): number {
    return this.#timers.length > 0 ? this.#timers[0].at : Infinity;
  }

  /** The driver has a turn: whichever function asked has returned. */
  beginTurn(): void {
    this.#asked = 0;
  }

  get hasImmediates(): boolean {
    return this.#immediates.length > 0;
  }

  /** A timer that is due at `at`: its function, once for each call. */
  due(at: number): (() => void) | undefined {
    const timer = this.#timers[0];
    if (timer === undefined || timer.at > at) return undefined;
    this.#timers.shift();
    timer.at = Infinity;
    if (timer.repeats) this.add(timer);
    return timer.callback;
  }

  /** The functions of the immediates that there are, some of which may be cleared before their turn. */
  takeImmediates(): readonly { readonly callback: (() => void) | null }[] {
    return this.#immediates.splice(0);
  }

  /** Forgets a program's own timers. */
  forgetPrograms(): void {
    this.#timers = this.#timers.filter(({ isProgramOwn }) => !isProgramOwn);
  }
}
