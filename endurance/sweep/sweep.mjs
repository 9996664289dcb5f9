/**
 * Every system call of the addon fails in turn, is cut short or interrupted, in every program on every kind
 * of pass: `npm run sweep [-- --pollers epoll --programs chat,echo]`. The README in the folder above says more.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Job } from './job.mjs';
import { POLLERS, PROGRAMS } from './names.mjs';
import { report } from './report.mjs';
import { compileShim, missing } from './shim.mjs';

const PROCESSES = 2;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pollers: { type: 'string', default: POLLERS.join() },
    programs: { type: 'string', default: PROGRAMS.join() },
    only: { type: 'boolean', default: false },
    random: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
  },
});

function chosen(option, names, all) {
  const wrong = names.find((name) => !all.includes(name));
  if (wrong !== undefined) throw new Error(`--${option}: ${wrong} is none of ${all.join(' ')}`);
  return all.filter((name) => names.includes(name));
}

/** Every program on every kind of pass. */
function pairs() {
  const programs = chosen('programs', values.programs.split(','), PROGRAMS);
  const pollers = chosen('pollers', values.pollers.split(','), POLLERS);
  return programs.flatMap((program) => pollers.map((poller) => ({ program, poller })));
}

/** In an order that the seed decides. */
function shuffled(all, seed) {
  const order = [...all];
  let state = seed;
  for (let i = order.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function jobs() {
  if (values.only) {
    const [program = '', poller = '', place] = positionals;
    chosen('only', [program], PROGRAMS);
    chosen('only', [poller], POLLERS);
    if (!place) throw new Error('--only PROGRAM POLLER CALL#N:OUTCOME');
    return [new Job(program, poller, ['--only', place], { shows: true, begunAgain: false })];
  }
  const all = pairs();
  if (!values.random) return all.map(({ program, poller }) => new Job(program, poller, []));
  const seconds = Number(values.seconds);
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  if (!(seconds >= 0)) throw new Error('--seconds must be a number of seconds');
  if (!Number.isInteger(seed)) throw new Error('--seed must be an integer');
  console.log(`seed ${seed}`);
  const slice = seconds === 0 ? 0 : Math.max(1, (seconds * PROCESSES) / all.length);
  const args = ['--random', String(seed), '--seconds', String(slice)];
  return shuffled(all, seed).map(
    ({ program, poller }) => new Job(program, poller, args, { begunAgain: false }),
  );
}

const queue = jobs();
const lacking = missing();
if (lacking) {
  console.log(`skipped: ${lacking}`);
  console.log('0 passed, 0 failed');
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'asyncore-sweep-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
const shim = compileShim(folder);

const begun = performance.now();
const end = values.random ? begun + Number(values.seconds) * 1000 : Infinity;
const done = [];

/** One job after the other. */
async function work() {
  while (queue.length > 0 && (performance.now() < end || done.length < PROCESSES)) {
    const job = queue.shift();
    done.push(job.results);
    await job.run(shim, folder);
  }
}

await Promise.all(Array.from({ length: PROCESSES }, work));
for (const line of report(done.flatMap(({ complaints }) => complaints))) console.log(line);
const sum = (name) => done.reduce((total, results) => total + results[name], 0);
const seconds = Math.round((performance.now() - begun) / 1000);
console.log(`${sum('runs')} runs, ${sum('violations')} violations, ${seconds} s`);
console.log(`${sum('outcomes') - sum('failed')} passed, ${sum('failed')} failed`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
