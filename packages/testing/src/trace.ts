/** What happened, line by line, with the time. */
export class Trace {
  readonly lines: string[] = [];

  constructor(readonly time: { now: number }) {}

  /** `isOdd`: something that is not the plain case. */
  add(what: string, isOdd = false): void {
    const seconds = (this.time.now / 1000).toFixed(5);
    this.lines.push(`${seconds} s  ${isOdd ? '~ ' : '  '}${what}`);
  }
}

/** A message shows this many lines of the beginning, and of the end. */
const MOST_SHOWN = 500;

/** The trace as lines below a message. */
export function indented(lines: readonly string[]): string {
  const more = lines.length - 2 * MOST_SHOWN;
  const shown =
    more > 0
      ? [...lines.slice(0, MOST_SHOWN), `… ${more} more …`, ...lines.slice(-MOST_SHOWN)]
      : lines;
  return shown.map((line) => `\n    ${line}`).join('');
}
