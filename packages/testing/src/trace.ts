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

/** The trace as lines below a message. */
export function indented(lines: readonly string[]): string {
  return lines.map((line) => `\n    ${line}`).join('');
}
