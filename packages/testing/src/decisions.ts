import { random_by } from './random.js';

/** How often a decision differs from the plain one. A run draws one of these for each kind of decision. */
const WILDNESS = [0, 0.03, 0.3, 0.9];

/**
 * The choices of a simulated network, as a list of numbers: 0 is what usually happens. They come from a
 * seed, or are repeated from a list (and are 0 after its end).
 */
export class Decisions {
  readonly made: number[] = [];
  /** How many choices there were, for each decision. */
  readonly sizes: number[] = [];
  readonly #given: readonly number[] | null;
  readonly #random: () => number;
  readonly #wildness = new Map<string, number>();

  constructor(seed: number, given: readonly number[] | null) {
    this.#given = given;
    this.#random = random_by(seed);
  }

  /** A number from 0 to below `n`. */
  choose(n: number, label: string): number {
    if (n <= 1) return 0;
    const chosen =
      this.#given === null
        ? this.#by_seed(n, label)
        : Math.min(this.#given[this.made.length] ?? 0, n - 1);
    this.made.push(chosen);
    this.sizes.push(n);
    return chosen;
  }

  #by_seed(n: number, label: string): number {
    let wildness = this.#wildness.get(label);
    if (wildness === undefined) {
      wildness = WILDNESS[Math.floor(this.#random() * WILDNESS.length)];
      this.#wildness.set(label, wildness);
    }
    if (wildness === 0 || this.#random() >= wildness) return 0;
    // The first and the last choice find more faults than others.
    const where = this.#random();
    if (where < 0.3) return 1;
    if (where < 0.4) return n - 1;
    return 1 + Math.floor(this.#random() * (n - 1));
  }
}
