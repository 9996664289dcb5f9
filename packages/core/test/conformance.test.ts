import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import { describe, expect, it } from 'vitest';
import { differences, rules } from './conformance/differences.js';
import * as scenarios from './conformance/scenarios.js';
import { type Family, name, type Poller, Stage } from './conformance/stage.js';

interface Run {
  scenario: string;
  poller: Poller;
  family: Family;
}

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

function differencesOf({ scenario, poller, family }: Run) {
  return differences.filter(
    (difference) =>
      difference.scenario === scenario &&
      (difference.pollers ?? pollers).includes(poller) &&
      (difference.families ?? familiesOf(scenario)).includes(family),
  );
}

/** One side of a difference: the lines that both have, and those marked with `sign`. */
function side(trace: string, sign: '-' | '+'): string[] {
  const lines = trace.split('\n').filter((line) => line.trim() !== '');
  return lines
    .map((line) => line.trimStart())
    .filter((line) => line.startsWith(sign) || !/^[-+] /.test(line))
    .map((line) => line.replace(/^[-+] /, ''));
}

function conform(command: string): void {
  const theirNames = scenariosOfPython(command, '--names').trimEnd().split('\n');
  const theirs = tracesOfPython(command);

  it('has the same scenarios in Python', () => {
    expect(theirNames.sort()).toEqual([...plays.keys()].sort());
  });

  for (const run of runs) {
    const { scenario, poller, family } = run;
    const [difference] = differencesOf(run);
    const title = `${scenario} by ${poller} over ${family}`;
    if (difference === undefined) {
      it(`${title} goes as in CPython`, async () => {
        expect(await ourTrace(run)).toEqual(theirs.get(asked(run)));
      });
    } else {
      it(`${title} differs from CPython: ${difference.because}`, async () => {
        expect(theirs.get(asked(run)), 'CPython').toEqual(side(difference.trace, '-'));
        expect(await ourTrace(run), 'ours').toEqual(side(difference.trace, '+'));
      });
    }
  }
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

describe('the list of differences', () => {
  it('says one thing of a run at most', () => {
    for (const run of runs) expect(differencesOf(run).length, asked(run)).toBeLessThan(2);
  });

  it('has runs that differ in each entry', () => {
    const listed = new Set(runs.flatMap(differencesOf));
    for (const difference of differences) {
      expect(listed, difference.scenario).toContain(difference);
      expect(side(difference.trace, '-')).not.toEqual(side(difference.trace, '+'));
    }
  });

  it('is in the README, rule by rule', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const flat = readme.replaceAll(/\s+/g, ' ');
    for (const rule of Object.values(rules)) expect(flat).toContain(rule);
  });

  it('has an example of each rule', () => {
    const shown = new Set<string>(differences.map(({ because }) => because));
    expect([...shown].sort()).toEqual(Object.keys(rules).sort());
  });
});
