/**
 * Runs tests by package:
 *
 *     npm test                          all of them, two packages side by side
 *     npm test -- chat                  one package's, or several packages'
 *     npm test -- chat test/faults      these files; what follows the packages is vitest's
 *     npm run quick -- chat             those that take least: see test_costs.mjs
 *     npm run watch -- chat             again whenever something changes
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { compileAll, startCompiling } from './compile.mjs';
import { QUICK } from './quick_files.mjs';

const root = join(import.meta.dirname, '..');
const folders = new Map(
  ['bench', 'endurance', 'scripts', ...readdirSync(join(root, 'packages'))].map((name) => [
    name,
    ['bench', 'endurance', 'scripts'].includes(name) ? name : `packages/${name}`,
  ]),
);

const [mode, ...args] = process.argv.slice(2);
const first = args.findIndex((arg) => !folders.has(arg));
const names = args.slice(0, first < 0 ? args.length : first);
const rest = args.slice(names.length);

function fail(message) {
  console.error(`${message} Packages: ${[...folders.keys()].join(', ')}.`);
  process.exit(1);
}

const vitest = join(root, 'node_modules/vitest/vitest.mjs');

/** Runs the tests in a folder, in a process of their own. */
function run(cwd, args) {
  const { status, error } = spawnSync(process.execPath, [vitest, ...args], {
    cwd,
    stdio: 'inherit',
  });
  if (error) throw error;
  return status ?? 1;
}

/** Runs the tests in a folder in this process, which becomes vitest's: starting another takes time. */
async function become(cwd, args) {
  if (process.env.ASYNCORE_TEST_AS_IT_IS !== '1') startCompiling(cwd);
  process.chdir(cwd);
  process.argv.splice(1, Infinity, vitest, ...args);
  await import('../node_modules/vitest/vitest.mjs');
}

/** The packages, those whose tests take longest first. */
function longestFirst() {
  const costs = JSON.parse(readFileSync(join(import.meta.dirname, 'test_costs.json'), 'utf8'));
  const cost = (name) => Object.values(costs[name] ?? {}).reduce((sum, one) => sum + one, 0);
  return [...folders.keys()].toSorted((a, b) => cost(b) - cost(a));
}

/** End what runs. */
const endings = new Set();

/** A package that takes this long hangs: the others go on, and what it printed is shown. */
const MOST_SECONDS = 2400;

/** One package's tests to their end, which print what they say when they have ended. */
function runBeside(name) {
  const start = performance.now();
  const cwd = join(root, folders.get(name));
  const child = spawn(process.execPath, [vitest, 'run'], {
    cwd,
    env: { ASYNCORE_TEST_PATIENCE: '30', ...process.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own, to be ended as a whole
  });
  const end = () => process.kill(-child.pid, 'SIGKILL');
  endings.add(end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const timer = setTimeout(() => {
    output += `\nEnded: it took more than ${MOST_SECONDS} s. The file that hangs is not in the list above.\n`;
    end();
  }, MOST_SECONDS * 1000);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      output += error.message;
    });
    child.on('exit', () => {
      clearTimeout(timer);
      endings.delete(end);
    });
    child.on('close', (status) => {
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      console.log(`==> ${folders.get(name)}, ${seconds} s\n${output}`);
      resolve(status ?? 1);
    });
  });
}

/** All packages' tests. Those of one wait for each other's processes more than they use the cores. */
async function runAll() {
  const order = longestFirst();
  const failed = [];
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      for (const end of endings) end();
      process.exit(1);
    });
  }
  const workers = Array.from({ length: Math.min(2, availableParallelism()) }, async () => {
    for (let name = order.shift(); name; name = order.shift()) {
      if ((await runBeside(name)) !== 0) failed.push(name);
    }
  });
  await Promise.all(workers);
  if (failed.length > 0) console.log(`FAILED: ${failed.join(', ')}`);
  return failed.length > 0 ? 1 : 0;
}

/**
 * Has tests find the Python itself where `python3` is a script that looks for it, as pyenv's is: that takes half a
 * second each time, and the tests start Python a hundred times.
 */
function findPython() {
  const program = 'import os, sys; print(os.path.dirname(sys.executable), end="")';
  const { status, stdout } = spawnSync('python3', ['-c', program], { encoding: 'utf8' });
  const path = process.env.PATH.split(delimiter);
  if (status === 0 && !path.includes(stdout)) process.env.PATH = [stdout, ...path].join(delimiter);
}

if (mode === 'run' && args.length === 0) {
  if (!(await compileAll())) process.exit(1);
  findPython();
  process.exit(await runAll());
}
if (mode === 'watch' && names.length !== 1)
  fail('Name one package to watch: npm run watch -- core.');
if (rest.length > 0 && !rest[0].startsWith('-') && names.length === 0) {
  fail(`There is no package ${rest[0]}.`);
}

const options = {
  run: ['run'],
  quick: ['run'],
  watch: ['watch'],
}[mode];
if (mode === 'quick') process.env.ASYNCORE_TEST_QUICK = String(QUICK);
// A package may have no fast tests; files that were named and are not there, or are slow, are a mistake.
if (mode === 'quick' && rest.some((arg) => !arg.startsWith('-'))) {
  options.push('--passWithNoTests=false');
}

if (names.length === 1) {
  console.log(`==> ${folders.get(names[0])}`);
  process.on('exit', () => {
    if (mode !== 'quick' || rest.length > 0 || performance.now() < 10_000) return;
    console.log(
      `This took more than ten seconds. If the machine is not busy: npm run test-costs -- ${names[0]}`,
    );
  });
  await become(join(root, folders.get(names[0])), [...options, ...rest]);
} else {
  let code = 0;
  for (const name of names.length > 0 ? names : folders.keys()) {
    console.log(`==> ${folders.get(name)}`);
    code = run(join(root, folders.get(name)), [...options, ...rest]) || code;
  }
  process.exit(code);
}
