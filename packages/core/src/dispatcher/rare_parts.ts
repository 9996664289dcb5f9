import type { Attempt } from './connecting.js';
import type { Listening } from './listening.js';
import type { Timers } from './timers.js';

/** What only few connections have. */
interface Rare {
  /** The error that ended the connection; null for an ordinary end. */
  readonly reason: unknown;
  /** The last attempt to connect. */
  readonly attempt: Attempt | null;
  /** The part that only a listener needs; null for others. */
  readonly listening: Listening | null;
  /** Null until one is set. */
  readonly timers: Timers | null;
  /** How many bytes were read and discarded while the channel lingers. */
  readonly drained: number;
}
/** That of most connections, to keep them small. */
const NOTHING_RARE: Rare = {
  reason: null,
  attempt: null,
  listening: null,
  timers: null,
  drained: 0,
};

/** The parts of a connection that only few have. The others share one object, so that they stay small. */
export abstract class RareParts {
  private rare: Rare = NOTHING_RARE;

  private change(what: Partial<Rare>): void {
    this.rare = { ...this.rare, ...what };
  }

  get reason(): unknown {
    return this.rare.reason;
  }
  set reason(reason: unknown) {
    if (reason !== this.rare.reason) this.change({ reason });
  }

  get attempt(): Attempt | null {
    return this.rare.attempt;
  }
  set attempt(attempt: Attempt | null) {
    if (attempt !== this.rare.attempt) this.change({ attempt });
  }

  get listening(): Listening | null {
    return this.rare.listening;
  }
  set listening(listening: Listening | null) {
    if (listening !== this.rare.listening) this.change({ listening });
  }

  get timers(): Timers | null {
    return this.rare.timers;
  }
  set timers(timers: Timers | null) {
    if (timers !== this.rare.timers) this.change({ timers });
  }

  protected get drained(): number {
    return this.rare.drained;
  }
  protected set drained(drained: number) {
    if (drained !== this.rare.drained) this.change({ drained });
  }
}
