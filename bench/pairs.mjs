/**
 * Two checkouts of this library beside each other: the servers of both run, on one processor, and are given the load in
 * turn, a third of a second each. What else the machine does meets both alike, so that a difference of two hundredths
 * shows; measured one after the other, as `npm run bench` does, it takes a tenth. Each pair is two new processes,
 * since V8 compiles the same code differently from one to the next.
 *
 *     node bench/pairs.mjs BEFORE [--only ping-pong-50,churn] [--pairs 8] [--turns 8]
 */
import { resolve } from 'node:path';
import { readArguments } from '../scripts/arguments.mjs';
import { Child } from './dist/child.js';
import { compiled } from './dist/compiled.js';
import { Load } from './dist/load.js';
import { ours } from './dist/servers.js';

const PAGE = 8192;
const CASES = {
  'ping-pong-50': { kind: 'talk', active: 50 },
  'ping-pong-500': { kind: 'talk', active: 500 },
  'idle-9000': { kind: 'talk', active: 10, idle: 9000 },
  'bulk-64k': { kind: 'talk', active: 10, size: 65536, bufferSize: 65536 },
  churn: { kind: 'churn', active: 50 },
};
const names = Object.keys(CASES);
const { values, positionals, refuse } = readArguments(
  `node bench/pairs.mjs BEFORE [--only ${names}] [--pairs 8] [--turns 8]`,
  {
    options: {
      only: { type: 'string', default: names.join() },
      pairs: { type: 'string', default: '8' },
      turns: { type: 'string', default: '8' },
    },
    allowPositionals: true,
  },
);
const [before, ...more] = positionals;
if (before === undefined || more.length > 0) refuse('name a checkout, built, to compare with');
const [pairs, turns] = [values.pairs, values.turns].map(Number);
if (!(pairs >= 1 && turns >= 1)) refuse('--pairs and --turns are numbers from 1');
const only = values.only.split(',');
for (const name of only) if (!names.includes(name)) refuse(`there is no case ${name}`);

const program = compiled('native/load.c');
const WARM_UP = { seconds: 1.5, requests: Number.MAX_SAFE_INTEGER };
const TURN = { seconds: 0.33, requests: Number.MAX_SAFE_INTEGER };

/** A server of the checkout `root`, warmed up, and its load. */
async function start(root, { kind, active, idle = 0, size = 64, bufferSize = PAGE }) {
  const [epoll] = ours('ours', root);
  const child = new Child(root, 0, epoll.command('stream', bufferSize, '0'));
  const [, port] = await child.heard(/(\d+)$/);
  const load = new Load(program, 1, port);
  if (kind === 'talk') await load.open(active + idle);
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
  for (let pair = 0; pair < pairs; pair++) ratios.push(await ratio(CASES[name], pair % 2 === 1));
  const sorted = ratios.toSorted((a, b) => a - b).map((value) => value.toFixed(2));
  const mean = ratios.reduce((sum, value) => sum + value, 0) / pairs;
  console.log(`${name}: ${mean.toFixed(3)} (${sorted[0]}–${sorted.at(-1)}), ${pairs} pairs`);
}
