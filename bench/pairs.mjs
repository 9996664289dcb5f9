/**
 * Two checkouts of this library beside each other: the servers of both run, on one processor, and are given the load in
 * turn, a third of a second each, so that what else the machine does meets both alike. Each pair is two new processes,
 * since V8 compiles the same code differently from one to the next. Printed is the mean of the pairs' ratios with its
 * standard error: a difference of less than twice that may be chance.
 *
 *     node bench/pairs.mjs BEFORE [--only ping-pong-50,churn] [--pairs 8] [--turns 8]
 */
import { resolve } from 'node:path';
import { readArguments } from '../scripts/arguments.mjs';
import { cases } from './dist/cases.js';
import { Child } from './dist/child.js';
import { compiled } from './dist/compiled.js';
import { Load } from './dist/load.js';
import { ours } from './dist/servers.js';

const names = cases.filter(({ repeats }) => repeats !== undefined).map(({ name }) => name);
const USUAL = 'ping-pong-50,ping-pong-500,idle-9000,bulk-64k,churn';
const { values, positionals, refuse } = readArguments(
  `node bench/pairs.mjs BEFORE [--only ${USUAL}] [--pairs 8] [--turns 8]`,
  {
    options: {
      only: { type: 'string', default: USUAL },
      pairs: { type: 'string', default: '8' },
      turns: { type: 'string', default: '8' },
    },
    allowPositionals: true,
  },
);
const [before, ...more] = positionals;
if (before === undefined || more.length > 0) refuse('name a checkout, built, to compare with');
const [pairs, turns] = [values.pairs, values.turns].map(Number);
if (!(pairs >= 2 && turns >= 1)) refuse('--pairs is a number from 2, --turns one from 1');
const only = values.only.split(',');
for (const name of only) if (!names.includes(name)) refuse(`${name} is none of ${names}`);

const program = compiled('native/load.c');
const WARM_UP = { seconds: 1.5, requests: Number.MAX_SAFE_INTEGER };
const TURN = { seconds: 0.33, requests: Number.MAX_SAFE_INTEGER };

/** A server of the checkout `root`, warmed up, and its load. */
async function start(root, { protocol, bufferSize, connections, repeats }) {
  const { kind, active, size } = repeats;
  const [epoll] = ours('ours', root);
  const child = new Child(root, 0, epoll.command(protocol, bufferSize, '0'));
  const [, port] = await child.heard(/(\d+)$/);
  const load = new Load(program, 1, port);
  if (kind === 'talk') await load.open(connections);
  const run = (limit) => load.run(kind, active, size, limit);
  await run(WARM_UP);
  const taken = { cpu: 0, units: 0 };
  return {
    /** Nanoseconds of processor time for each unit of the turns so far. */
    cost: () => taken.cpu / taken.units,
    async turn() {
      const cpu = child.cpu();
      taken.units += (await run(TURN)).units;
      taken.cpu += child.cpu() - cpu;
    },
    async stop() {
      await load.stop();
      await child.stop();
    },
  };
}

/** The processor time of this checkout's server, divided by that of the other. */
async function ratio(one, isSwapped) {
  const roots = [resolve(before), resolve(import.meta.dirname, '..')];
  const started = [];
  for (const root of isSwapped ? roots.toReversed() : roots) started.push(await start(root, one));
  for (let turn = 0; turn < turns; turn++) {
    for (const server of turn % 2 ? started : started.toReversed()) await server.turn();
  }
  const [then, now] = (isSwapped ? started.toReversed() : started).map(({ cost }) => cost());
  for (const { stop } of started) await stop();
  return now / then;
}

for (const name of only) {
  const ratios = [];
  const one = cases.find((each) => each.name === name);
  for (let pair = 0; pair < pairs; pair++) ratios.push(await ratio(one, pair % 2 === 1));
  const mean = ratios.reduce((sum, value) => sum + value, 0) / pairs;
  const squares = ratios.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = Math.sqrt(squares / (pairs - 1) / pairs);
  console.log(`${name}: ${mean.toFixed(3)} ± ${error.toFixed(3)}, ${pairs} pairs`);
}
