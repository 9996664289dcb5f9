/** For how many milliseconds one wait is followed by looks, so that timers are on time. */
const LONGEST = 1;
/** After so many looks in vain, in a row, only one wait in as many is followed by a look. */
const MOST_IN_VAIN = 8;

/**
 * Decides whether the queue is looked into once more in the same turn when something was found in
 * it. A look costs a system call; a turn of the runtime's loop, which would find the same, costs
 * several times that. So looks are worth while as long as they find something.
 */
export class LookAgain {
  #end = 0;
  #inVain = 0;

  /** A wait is over: what follows is not a look. */
  begin(): void {
    this.#end = performance.now() + LONGEST;
  }

  /** How a call went that was a look (`again`) or followed a wait. Gives whether to look now. */
  decide(again: boolean, found: boolean): boolean {
    if (again) this.#inVain = found ? 0 : this.#inVain + 1;
    return found && this.#isWorthIt() && performance.now() < this.#end;
  }

  #isWorthIt(): boolean {
    return this.#inVain < MOST_IN_VAIN || ++this.#inVain % MOST_IN_VAIN === 0;
  }
}
