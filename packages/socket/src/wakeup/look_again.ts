/** For how many microseconds one wait is followed by looks, so that timers are on time. */
const LONGEST = 1000;
/** After so many looks in vain, in a row, only one wait in as many is followed by a look. */
const MOST_IN_VAIN = 8;

/**
 * Decides whether the queue is looked into once more in the same turn when something was found in
 * it. A look costs a system call; a turn of the runtime's loop, which would find the same, costs
 * several times that. So looks are worth while as long as they find something.
 */
export class LookAgain {
  #inVain = 0;

  /** How a call of `ready` went that was a look (`again`) or followed a wait. Whether to look now. */
  isWorthIt(again: boolean, found: boolean): boolean {
    if (again) this.#inVain = found ? 0 : this.#inVain + 1;
    return found && (this.#inVain < MOST_IN_VAIN || ++this.#inVain % MOST_IN_VAIN === 0);
  }

  /** Whether it is time for a turn of the runtime's loop, so many microseconds after the wait. */
  isLate(microseconds: number): boolean {
    return microseconds > LONGEST;
  }
}
