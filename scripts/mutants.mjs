/**
 * How strong are the simulated tests? Breaks core and chat in one place after another (mutants/places.mjs), in a
 * copy of the packages, and prints which test notices it, and after how long. `npm run mutants -- --only TEXT`
 * tries those whose name the pattern TEXT matches. Fails if one is noticed by nothing within a minute
 * (`--seconds N`), unless its place says what else guards it. The two files of tests run side by side; on Linux
 * the minute is one of processor time for each, so that a busy machine finds as much.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { places } from './mutants/places.mjs';

const TESTS = ['test/promises.test.ts', 'test/chaos.test.ts'];
const PACKAGES = ['socket', 'core', 'chat', 'file', 'testing'];
const CONFIG = ['vitest.config.ts', 'package.json', 'tsconfig.base.json', 'tsconfig.test.json'];
const root = dirname(import.meta.dirname);
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '60' },
  },
});
const patience = Number(values.seconds);
const temp = mkdtempSync(join(tmpdir(), 'asyncore-mutants-'));

/** A copy of the packages that can be broken. */
function newCopy(name) {
  const copy = join(temp, name);
  const keep = (path) => !/\/(prebuilds|build\/(?!Release)|html)/.test(path);
  for (const one of PACKAGES) {
    cpSync(join(root, 'packages', one), join(copy, 'packages', one), {
      recursive: true,
      verbatimSymlinks: true,
      filter: keep,
    });
  }
  for (const one of ['node_modules', 'test-support', 'scripts']) {
    symlinkSync(join(root, one), join(copy, one));
  }
  for (const one of CONFIG) cpSync(join(root, one), join(copy, one));
  return copy;
}

/** The processor time of a group of processes and of those that it has waited for, in seconds: proc(5). */
function processorTime(group) {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[2]) !== group) continue;
      for (const time of fields.slice(11, 15)) ticks += Number(time);
    } catch {
      // It has just ended.
    }
  }
  return ticks / 100;
}

/** Its workers are in a group with it, to be ended as a whole. */
let running = null;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (running !== null) process.kill(-running.pid, 'SIGKILL');
    rmSync(temp, { recursive: true, force: true });
    process.exit(1);
  });
}

/** The first test that fails, or null; and the seconds that it took. */
function firstFailure(copy) {
  const start = performance.now();
  const child = spawn(
    join(root, 'node_modules/.bin/vitest'),
    ['run', '--bail', '1', '--no-color', ...TESTS],
    {
      cwd: join(copy, 'packages/testing'),
      env: {
        ...process.env,
        ASYNCORE_SCHEDULES: '6000',
        ASYNCORE_TEST_AS_IT_IS: '1',
        VITEST_MAX_WORKERS: String(TESTS.length),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  );
  running = child;
  let output = '';
  let seconds = 0;
  const isLinux = process.platform === 'linux';
  const look = setInterval(() => {
    seconds = isLinux
      ? processorTime(child.pid) / TESTS.length
      : (performance.now() - start) / 1000;
    if (seconds > patience) process.kill(-child.pid, 'SIGKILL');
  }, 250);
  return new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
      });
    }
    child.on('close', () => {
      clearInterval(look);
      running = null;
      const [, test] = /FAIL {2}test\/(.*)/.exec(output) ?? [];
      const [, message] = /(?:Error|failure): (.*)/.exec(output) ?? [];
      const what = test && `${test}: ${message}`;
      resolve([what ?? (/Error/.test(output) ? 'nothing runs' : null), seconds]);
    });
  });
}

const results = { noticed: 0, guarded: 0, unnoticed: 0, unfit: 0 };

async function tryPlace(copy, { name, folder, module, from, to, guard }) {
  const file = join(copy, 'packages', folder, 'dist', `${module}.js`);
  const before = readFileSync(file, 'utf8');
  const after = before.replace(from, to);
  if (after === before) {
    results.unfit += 1;
    console.log(`NOT APPLIED            ${name}: ${module} has changed, change the place`);
    return;
  }
  writeFileSync(file, after);
  if (spawnSync(process.execPath, ['--check', file], { timeout: 60_000 }).status !== 0) {
    writeFileSync(file, before);
    results.unfit += 1;
    console.log(`NO PROGRAM             ${name}: what is left of ${module} cannot be parsed`);
    return;
  }
  const [what, seconds] = await firstFailure(copy);
  writeFileSync(file, before);
  const time = `${seconds.toFixed(1)} s`.padStart(7);
  if (what !== null) {
    results.noticed += 1;
    console.log(`noticed     ${time}  ${name}  (${what.slice(0, 120)})`);
  } else if (guard !== null) {
    results.guarded += 1;
    console.log(`guarded     ${time}  ${name}: ${guard}`);
  } else {
    results.unnoticed += 1;
    console.log(`NOT NOTICED ${time}  ${name}`);
  }
}

try {
  const tried = places.filter(({ name }) => new RegExp(values.only).test(name));
  const copy = newCopy('copy');
  const [fault] = values.only === '' ? await firstFailure(copy) : [null];
  if (fault !== null) throw new Error(`the tests fail as they are: ${fault}`);
  for (const one of tried) await tryPlace(copy, one);
  const { noticed, guarded, unnoticed, unfit } = results;
  console.log(
    `${noticed} of ${tried.length} noticed within ${patience} s, ${guarded} guarded otherwise, ${unnoticed} not noticed`,
  );
  if (unnoticed + unfit > 0) process.exitCode = 1;
} finally {
  rmSync(temp, { recursive: true, force: true });
}
