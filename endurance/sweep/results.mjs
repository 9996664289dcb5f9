/** What came of a program on one kind of pass: how often each outcome was tried, and what was wrong. */

/** The outcome that a place belongs to: `recv:EINTR` of `recv#3:EINTR`. */
const outcomeOf = (place) => place.replace(/#\d+/, '');

export class Results {
  complaints = [];
  #ran = new Map();

  constructor(program, poller) {
    this.program = program;
    this.poller = poller;
  }

  ran(outcome) {
    this.#ran.set(outcome, (this.#ran.get(outcome) ?? 0) + 1);
  }

  /** `place`: where, `complaints`: what the judge says, and what else is known of the run. Gives that with its program. */
  complain(complaint) {
    const { program, poller } = this;
    const outcome = outcomeOf(complaint.place);
    const known = { ...complaint, program, poller, outcome };
    this.complaints.push(known);
    if (!this.#ran.has(outcome)) this.#ran.set(outcome, 1);
    return known;
  }

  get runs() {
    return [...this.#ran.values()].reduce((sum, count) => sum + count, 0);
  }

  get outcomes() {
    return this.#ran.size;
  }

  get violations() {
    return this.complaints.length;
  }

  /** The number of outcomes that were wrong at one place at least. */
  get failed() {
    return new Set(this.complaints.map(({ outcome }) => outcome)).size;
  }
}
