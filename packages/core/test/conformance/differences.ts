/** The list of differences as it stands in differences.txt: see README.md beside this file. */
import type { Family, Poller } from './stage.js';

export interface Run {
  readonly scenario: string;
  readonly poller: Poller;
  readonly family: Family;
}

/** What one run gave in CPython, and what it gave here. */
export interface Traces {
  readonly theirs: readonly string[];
  readonly ours: readonly string[];
}

const HEADER = `Where a trace is not CPython's, as diff shows it: only CPython has a line with -, only we have one
with +. Written by \`npm run differences\`, not by hand.
`;

/** What tells one run from all others. */
export function nameOf({ scenario, poller, family }: Run): string {
  return `${scenario} by ${poller} over ${family}`;
}

/** The text of differences.txt: runs of a scenario that differ in the same way stand together. */
export function written(runs: ReadonlyMap<Run, Traces>): string {
  const same = new Map<string, Run[]>();
  for (const [run, { theirs, ours }] of runs) {
    if (theirs.join('\n') === ours.join('\n')) continue;
    const key = `${run.scenario}\n${diff(theirs, ours).join('\n')}`;
    same.set(key, [...(same.get(key) ?? []), run]);
  }
  const parts = [...same].map(([key, these]) => {
    const [scenario, ...lines] = key.split('\n');
    return `\n# ${scenario}\n${headings(these).join('\n')}\n${lines.join('\n')}\n`;
  });
  return HEADER + parts.join('');
}

/** `# by select, poll over inet, inet6`: a line for the families that have the same pollers. */
function headings(runs: readonly Run[]): string[] {
  const families = new Map<string, Family[]>();
  for (const family of new Set(runs.map((run) => run.family))) {
    const pollers = runs.filter((run) => run.family === family).map(({ poller }) => poller);
    const key = pollers.join(', ');
    families.set(key, [...(families.get(key) ?? []), family]);
  }
  return [...families].map(([pollers, names]) => `# by ${pollers} over ${names.join(', ')}`);
}

/** The traces in a text that `written` gave, by the names of the runs. */
export function listed(text: string): Map<string, Traces> {
  const runs = new Map<string, Traces>();
  for (const part of text.split('\n\n').slice(1)) {
    const lines = part.trimEnd().split('\n');
    const [scenario, ...by] = lines.filter((line) => line.startsWith('# '));
    const trace = lines.filter((line) => !line.startsWith('# '));
    const traces = { theirs: side(trace, '-'), ours: side(trace, '+') };
    for (const line of by) {
      const [pollers, families] = line.slice('# by '.length).split(' over ');
      for (const poller of pollers.split(', ')) {
        for (const family of families.split(', ')) {
          runs.set(`${scenario.slice(2)} by ${poller} over ${family}`, traces);
        }
      }
    }
  }
  return runs;
}

function side(trace: readonly string[], sign: '-' | '+'): string[] {
  return trace
    .filter((line) => line.startsWith(`${sign} `) || line.startsWith('  '))
    .map((line) => line.slice(2));
}

/** The lines of both, in order: with two spaces before them those that both have, else `- ` or `+ `. */
function diff(theirs: readonly string[], ours: readonly string[]): string[] {
  // common[i][j]: how many lines theirs from i on and ours from j on have in common.
  const common = Array.from({ length: theirs.length + 1 }, () => Array(ours.length + 1).fill(0));
  for (let i = theirs.length - 1; i >= 0; i--) {
    for (let j = ours.length - 1; j >= 0; j--) {
      common[i][j] =
        theirs[i] === ours[j]
          ? common[i + 1][j + 1] + 1
          : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < theirs.length || j < ours.length) {
    if (i < theirs.length && j < ours.length && theirs[i] === ours[j]) {
      lines.push(`  ${theirs[i++]}`);
      j += 1;
    } else if (j === ours.length || (i < theirs.length && common[i + 1][j] >= common[i][j + 1])) {
      lines.push(`- ${theirs[i++]}`);
    } else {
      lines.push(`+ ${ours[j++]}`);
    }
  }
  return lines;
}
