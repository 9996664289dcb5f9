/**
 * The scenarios that core plays against Python's asyncore, played over the system and over the simulated
 * kernel: the traces are the same.
 */
import { simulate } from '@asyncore/testing';
import { describe, expect, it } from 'vitest';
import * as scenarios from '../../core/test/conformance/scenarios.js';
import { type Family, name, type Poller, Stage } from '../../core/test/conformance/stage.js';

type Play = () => Promise<void>;

const plays = new Map<string, scenarios.Scenario>(Object.entries(scenarios));

/** Urgent data, resets and late refusals are TCP's and UDP's; names are not for Unix sockets. */
const NOT_UNIX = /forms|out_of_band|expt|urgent|reset_|by_hand|shut_down|refused_|name_that/;

async function trace(
  scenario: string,
  poller: Poller,
  family: Family,
  run: (play: Play) => Promise<void>,
): Promise<string> {
  const stage = new Stage(poller, family);
  try {
    await run(async () => plays.get(scenario)?.(stage));
  } catch (error) {
    stage.say('scenario raised', name(error), error);
  } finally {
    stage.close();
  }
  return stage.lines.join('\n').replace(/:\d{4,5}\b/g, ':PORT');
}

/** Over the simulated kernel. */
function simulated(play: Play): Promise<void> {
  return simulate({ loopback: true, loop: null }, async (net) => {
    let outcome: { error?: unknown } | null = null;
    play().then(
      () => {
        outcome = {};
      },
      (error) => {
        outcome = { error };
      },
    );
    await net.until(() => outcome !== null, 'the scenario ends');
    const { error } = outcome as unknown as { error?: unknown };
    if (error !== undefined) throw error;
  });
}

const pollers: Poller[] = ['select', 'poll', 'default'];
const families: Family[] = ['inet', 'inet6', 'unix'];

describe.skipIf(process.platform !== 'linux')('over the simulated kernel as on Linux', () => {
  for (const family of families) {
    for (const scenario of plays.keys()) {
      if (family === 'unix' && NOT_UNIX.test(scenario)) continue;
      if (family !== 'unix' && scenario === 'queue_of_the_listener_full') continue;
      it.each(pollers)(`${scenario} ${family} %s`, async (poller) => {
        const wanted = await trace(scenario, poller, family, (play) => play());
        expect(await trace(scenario, poller, family, simulated)).toBe(wanted);
      });
    }
  }
});
