/**
 * One program on one kind of pass, run over and over in this process, a different call altered each time:
 * `runner.mjs PROGRAM POLLER`, started by sweep.mjs with the shim preloaded. It writes lines of JSON, and ends
 * with RESTART when a run has left something behind: sweep.mjs then begins again after that place.
 */
import { readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CALLS } from './calls.mjs';
import { Control, RESTART } from './control.mjs';
import { judge, judgePlain } from './judge.mjs';
import { outcomesOf, placeOf, RANDOM } from './outcome.mjs';
import { altered, programs } from './programs/index.mjs';
import { Record } from './record.mjs';

const FAILED = 3;
const BASE_LINES = 4;
/** When a run counts as one that hangs: in milliseconds, and beside one that is not altered. */
const HANG = 2000;
const HANG_TIMES = 10;
const HANG_AT_FIRST = 10_000;
/** All of the first places, and of the others as many again, at equal distances. */
const FIRST_PLACES = 30;
/** An outcome that showed so much wrong is not tried at further places; a hang counts for three. */
const ENOUGH = 6;
/** What a busy machine may have done is believed when it is so each time. */
const TRIES = 4;
/** In milliseconds: a machine is busy where a run waits longer for a processor. */
const BUSY = 5;
const SLOW = /^stall:|"timeout"/;
/** Random runs alter so many calls of a thousand; they may take longer. */
const PERMILLE = 150;
const LONGER = 3000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: 'string', default: '0,0,0' },
    only: { type: 'string' },
    random: { type: 'string' },
    seconds: { type: 'string', default: '0' },
  },
});
const [program, poller] = positionals;
const control = new Control(process.env.ASYNCORE_SWEEP_CONTROL);
let current = null;

const write = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const turn = () => new Promise(setImmediate);

for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    const [what, ...stack] = String(error?.stack ?? error).split('\n');
    current?.problems.push(`${event} ${what} ${stack.slice(0, 3).join(' ')}`);
  });
}

/** What is open: numbers, and what they are. */
function descriptors() {
  const all = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (!/^\/proc\/\d+\/fd$/.test(target)) all.push(`${fd} ${target}`);
    } catch {
      // The one that read the folder.
    }
  }
  return all;
}

/** How long, in milliseconds, this thread has waited for a processor, by Linux’s own count. */
function waited() {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0; // a kernel that does not count it
  }
}

/** What has passed since it was made, and how much of that this thread has waited for a processor. */
function stopwatch() {
  const begun = performance.now();
  const before = waited();
  return () => {
    const idle = waited() - before;
    return { ms: performance.now() - begun - idle, idle };
  };
}

/** One run; `alter` says what the shim is to do. */
async function once(alter, limit) {
  const before = descriptors();
  const record = new Record(poller);
  current = record;
  const passed = stopwatch();
  alter();
  let timer;
  const late = new Promise((resolve) => {
    const look = () => {
      const left = limit - passed().ms;
      if (left <= 0) resolve('hang');
      else timer = setTimeout(look, left);
    };
    timer = setTimeout(look, limit);
  });
  const done = programs[program](record).then(
    () => 'ok',
    (error) => `the program threw ${error?.stack}`,
  );
  const end = await Promise.race([done, late]);
  clearTimeout(timer);
  record.abandoned = end === 'hang';
  const { ms, idle } = passed();
  await turn();
  await turn();
  const counted = control.end();
  const left = () => descriptors().filter((each) => !before.includes(each));
  // Node closes what is its own a little later.
  for (let tries = 0; tries < 20 && left().length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { record, end, ms, idle, ...counted, left: left() };
}

function give(reason) {
  write({ failed: reason });
  process.exit(FAILED);
}

/** Without a base line nothing can be judged. */
function giveUnaltered(reason) {
  give(`unaltered: ${program} on ${poller} goes wrong by itself: ${reason}`);
}

/** A run in which nothing is altered: all arrives, in time. */
async function plainRun() {
  for (let tries = 1; ; tries++) {
    const run = await once(() => control.count(), HANG_AT_FIRST);
    const complaints = [...judgePlain(run)];
    if (complaints.length === 0) return run;
    if (tries === TRIES || !isDoubtful(run, complaints)) giveUnaltered(complaints.join('; '));
  }
}

/** Runs in which nothing is altered: the last one, with the time of the slowest and the most calls. */
async function baseLine() {
  const runs = [];
  for (let i = 0; i < BASE_LINES; i++) runs.push(await plainRun());
  const counts = {};
  for (const name of CALLS) counts[name] = Math.max(...runs.map((run) => run.counts[name]));
  // The first one warms up.
  const ms = Math.max(...runs.slice(1).map((run) => run.ms));
  const base = { ...runs[BASE_LINES - 1], counts, ms };
  if (counts.unknown > 0) giveUnaltered('the addon makes a call that has no name in calls.mjs');
  if (!Object.values(counts).some((count) => count > 0)) {
    giveUnaltered('the shim sees no call of the addon');
  }
  return base;
}

/** Whether the machine may be the reason: it was slow, or timers came late to a program that lives by them. */
function isDoubtful(run, complaints) {
  if (complaints.length === 0 || !isClean(run)) return false;
  const mayBeLate = run.record.isTimed && run.idle > BUSY;
  return mayBeLate || complaints.every((each) => SLOW.test(each));
}

/**
 * A run, judged. What is doubtful has to be so again, and slower than a run in which nothing is altered: other
 * threads of this process have their own processors to wait for.
 */
async function judged(alter, limit, outcome, base) {
  let { ms } = base;
  for (let tries = 1; ; tries++) {
    const run = await once(alter, limit);
    const complaints = run.hits > 0 ? judge(run, outcome, { ...base, ms }) : [];
    if (tries === TRIES || !isDoubtful(run, complaints)) return { run, complaints };
    const plain = await once(() => control.count(), HANG_AT_FIRST);
    ms = Math.max(base.ms, plain.ms);
  }
}

const hangs = ({ ms }) => Math.max(HANG, HANG_TIMES * ms);

/** A run that left nothing behind can be followed by another in the same process. */
const isClean = ({ end, record, left }) =>
  end === 'ok' && record.map.size === 0 && left.length === 0;

/** The numbers of the calls to alter, when a run makes `count` of them. */
function* places(count, times) {
  const further = Math.ceil(count / (2 * FIRST_PLACES)) * (times === Infinity ? 4 : 1);
  for (let n = 1; n <= FIRST_PLACES; n++) yield n;
  for (let n = FIRST_PLACES + further; n <= count + 2 * FIRST_PLACES; n += further) yield n;
}

const summary = ({ record }) =>
  [...record.conversations.values()]
    .filter(({ told }) => Object.keys(told).length > 0)
    .map(({ name, told }) => `${name} ${JSON.stringify(told)}`)
    .join(' ');

function complain(place, outcome, { run, complaints }) {
  const { record, hits, ms } = run;
  const { loopError, setup, thrown } = record;
  const state = {
    hits,
    ms: Math.round(ms),
    told: summary(run).slice(0, 800),
    loopError,
    setup,
    thrown,
  };
  write({ place, kind: outcome.kind, complaints, ...state });
}

async function sweep(base) {
  const [fromCall, fromOutcome, fromPlace, seen] = values.from.split(',').map(Number);
  const calls = altered[program] ?? CALLS.filter((name) => name !== 'unknown');
  for (const [c, call] of CALLS.entries()) {
    if (c < fromCall || base.counts[call] === 0 || !calls.includes(call)) continue;
    for (const [o, outcome] of outcomesOf(call, program === 'stubborn').entries()) {
      if (c === fromCall && o < fromOutcome) continue;
      const isFirst = c === fromCall && o === fromOutcome;
      let wrong = isFirst ? (seen ?? 0) : 0;
      for (const n of places(base.counts[call], outcome.times)) {
        if (isFirst && n <= fromPlace) continue;
        if (wrong >= ENOUGH) break;
        const place = placeOf(outcome, n);
        write({ at: [c, o, n], place });
        const result = await judged(() => control.alter(outcome, n), hangs(base), outcome, base);
        if (result.run.hits === 0) break;
        write({ ran: `${call}:${outcome.title}` });
        if (result.complaints.length === 0) continue;
        wrong += result.run.end === 'ok' ? 1 : 3;
        complain(place, outcome, result);
        if (!isClean(result.run)) {
          write({ seen: wrong });
          process.exit(RESTART);
        }
      }
    }
  }
}

/** Plays one place again, with all that was told and each error's stack. */
async function only(place, base) {
  const [, call, n, title] = /^(\w+)#(\d+):(.+)$/.exec(place) ?? [];
  const all = CALLS.includes(call) ? outcomesOf(call, program === 'stubborn') : [];
  const outcome = all.find((each) => each.title === title);
  if (!outcome)
    give(`no outcome is ${place}; those of ${call} are ${all.map((each) => each.title)}`);
  const result = await judged(() => control.alter(outcome, Number(n)), hangs(base), outcome, base);
  const { record, hits } = result.run;
  for (const { errors = [] } of record.channels) for (const stack of errors) console.error(stack);
  console.error(`${hits} altered; ${summary(result.run)}`);
  if (hits === 0) give('there is no such call');
  write({ ran: `${call}:${title}` });
  if (result.complaints.length > 0) complain(place, outcome, result);
}

/** Runs in which any call may be interrupted, short or empty; one at least. */
async function random(first, seconds, base) {
  const end = performance.now() + seconds * 1000;
  const patient = { ...base, ms: base.ms + LONGER, counts: {} };
  for (const name of CALLS) patient.counts[name] = base.counts[name] * 10 + 2000;
  for (let seed = first; seed === first || performance.now() < end; seed++) {
    write({ at: [0, 0, seed], place: `seed ${seed}` });
    const alter = () => control.alterAny(seed, PERMILLE);
    const result = await judged(alter, HANG + LONGER, RANDOM, patient);
    write({ ran: `seed ${seed}` });
    if (result.complaints.length === 0) continue;
    complain(`seed ${seed}`, RANDOM, result);
    return;
  }
}

const base = await baseLine();
if (values.only) await only(values.only, base);
else if (values.random) await random(Number(values.random), Number(values.seconds), base);
else await sweep(base);
write({ finished: true });
process.exit(0);
