import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import { describe, expect, it } from 'vitest';
import { listed, nameOf, type Run, type Traces, written } from './conformance/differences.js';
import { reasons } from './conformance/reasons.js';
import * as scenarios from './conformance/scenarios.js';
import { type Family, name, type Poller, Stage } from './conformance/stage.js';

const file = join(import.meta.dirname, 'conformance/differences.txt');
const text = readFileSync(file, 'utf8');
const differences = listed(text);
/** Set by `npm run differences`: the list is written anew, not compared. */
const writes = process.env.ASYNCORE_WRITE_DIFFERENCES === '1';

/** The rules of the README, by their marks: what stands before `<!-- A1 -->`. */
const rules = new Map(
  readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    .replaceAll(/\s+/g, ' ')
    .split(' - ')
    .map((item) => /^(.+?) <!-- (\w+) -->/.exec(item))
    .filter((match) => match !== null)
    .map(([, rule, mark]) => [mark, rule]),
);

const plays = new Map<string, scenarios.Scenario>(Object.entries(scenarios));
const pollers: Poller[] = ['select', 'poll', 'default'];
const runs = [...plays.keys()].flatMap((scenario) =>
  familiesOf(scenario).flatMap((family) =>
    pollers.map((poller): Run => ({ scenario, poller, family })),
  ),
);

/** Urgent data, resets and late refusals are TCP's and UDP's; names are not for Unix sockets. */
function familiesOf(scenario: string): Family[] {
  if (scenario === 'forms') return ['inet'];
  if (scenario === 'queue_of_the_listener_full') return ['unix'];
  const notUnix = /out_of_band|expt|urgent|reset_|by_hand|shut_down|refused_|name_that/;
  return notUnix.test(scenario) ? ['inet', 'inet6'] : ['inet', 'inet6', 'unix'];
}

/** What to ask Python for. Our default, the best the system has, is held to its poll. */
function asked({ scenario, poller, family }: Run): string {
  return `${scenario} ${poller === 'select' ? 'select' : 'poll'} ${family}`;
}

function python(command: string, ...args: string[]) {
  return spawnSync(command, ['-B', '-W', 'ignore', ...args], { encoding: 'utf8', timeout: 60_000 });
}

function scenariosOfPython(command: string, ...args: string[]): string {
  const program = join(import.meta.dirname, 'conformance/scenarios.py');
  const { stdout, stderr, status } = python(command, program, ...args);
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}

/** CPython's traces, by what was asked. */
function tracesOfPython(command: string): Map<string, string[]> {
  const all = [...new Set(runs.map(asked))];
  const printed = scenariosOfPython(command, ...all.flatMap((run) => run.split(' ')));
  return new Map(
    printed
      .split(/^# /m)
      .slice(1)
      .map((part): [string, string[]] => {
        const [header, ...lines] = part.trimEnd().split('\n');
        return [header, lines];
      }),
  );
}

async function ourTrace({ scenario, poller, family }: Run): Promise<string[]> {
  const stage = new Stage(poller, family);
  try {
    await plays.get(scenario)?.(stage);
  } catch (error) {
    stage.say('scenario raised', name(error), error);
  } finally {
    stage.close();
  }
  return stage.lines;
}

/** The mark of the rule by which a run differs, if its scenario may. */
function reasonOf({ scenario, family }: Run): string | undefined {
  const reason = reasons[scenario];
  return typeof reason === 'object' ? reason[family] : reason;
}

function conform(command: string): void {
  const theirNames = scenariosOfPython(command, '--names').trimEnd().split('\n');
  const theirs = tracesOfPython(command);

  it('has the same scenarios in Python', () => {
    expect(theirNames.sort()).toEqual([...plays.keys()].sort());
  });

  const traces = new Map<Run, Traces>();
  for (const run of runs) {
    const difference = differences.get(nameOf(run));
    const rule = rules.get(reasonOf(run) ?? '');
    const title = difference ? `differs from CPython: ${rule}` : 'goes as in CPython';
    it(`${nameOf(run)} ${writes ? 'is written' : title}`, async () => {
      const both = { theirs: theirs.get(asked(run)) ?? [], ours: await ourTrace(run) };
      traces.set(run, both);
      if (writes) return;
      expect(both.theirs, 'CPython').toEqual(difference?.theirs ?? both.theirs);
      expect(both.ours, 'ours').toEqual(difference?.ours ?? both.theirs);
    });
  }

  it('has a list of differences as npm run differences writes it', (test) => {
    if (traces.size < runs.length) test.skip('needs every scenario: run the whole file');
    if (writes) writeFileSync(file, written(traces));
    else expect(text).toBe(written(traces));
  });
}

const command = referee('asyncore');

/** What is missing for the comparison, if anything is. */
const missing =
  process.platform !== 'linux'
    ? 'needs Linux, whose hang-ups the listed traces are of'
    : command === undefined
      ? NO_REFEREE
      : undefined;

describe('conformance with CPython', () => {
  if (missing === undefined) return conform(command as string);
  console.warn(`The conformance test is skipped: it ${missing}.`);
  it.skip(missing, () => {});
});

describe.skipIf(writes)('the list of differences', () => {
  it('has only runs that there are, and a difference in each', () => {
    const names = runs.map(nameOf);
    for (const [run, { theirs, ours }] of differences) {
      expect(names).toContain(run);
      expect(ours, run).not.toEqual(theirs);
    }
  });

  it('has a rule of the README for each run', () => {
    for (const run of runs) {
      if (differences.has(nameOf(run)))
        expect([...rules.keys()], nameOf(run)).toContain(reasonOf(run));
    }
  });

  it('has an example of each rule that is marked in the README, and of each reason', () => {
    const differing = runs.filter((run) => differences.has(nameOf(run)));
    const marks = new Set(differing.map(reasonOf));
    expect([...marks].sort()).toEqual([...rules.keys()].sort());
    expect([...new Set(differing.map(({ scenario }) => scenario))].sort()).toEqual(
      Object.keys(reasons).sort(),
    );
  });
});
