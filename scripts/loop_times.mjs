/**
 * How long a contributor waits, measured in a fresh clone of this repository: `npm run loop-times`. It prints a table
 * with what is wanted; `-- --suites` adds each package's whole tests, and `npm test`. Times are of this machine, with
 * all else that it does meanwhile: the load tells how many other programs wanted a core.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readArguments } from './arguments.mjs';

const root = dirname(import.meta.dirname);
const { values } = readArguments('npm run loop-times -- [--suites]', {
  options: { suites: { type: 'boolean' } },
});
const temp = mkdtempSync(join(tmpdir(), 'asyncore-loop-'));
const clone = join(temp, 'asyncore');
const PACKAGES = ['socket', 'core', 'chat', 'file', 'stream', 'tls', 'testing', 'examples'];
const rows = [];
const [load] = loadavg();

function run(folder, ...command) {
  const { npm_config_user_agent, INIT_CWD, ...env } = process.env;
  const [program, ...args] = command;
  const cwd = join(clone, folder);
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Times a command, which is to end with `code`. */
function step(title, wanted, folder, command, code = 0) {
  const start = performance.now();
  const { status, output } = run(folder, ...command);
  const seconds = (performance.now() - start) / 1000;
  const note = (status === 0) === (code === 0) ? '' : `, but it ended with ${status}`;
  if (note) console.error(output);
  rows.push([title, `${seconds.toFixed(1)} s${note}`, wanted]);
  console.log(`${title}: ${seconds.toFixed(1)} s${note}`);
}

const file = (path) => join(clone, path);
const edit = (path, text) => appendFileSync(file(path), text);
const test = (name, file) => ['./test', name, `test/${file}`];

try {
  spawnSync('git', ['clone', '--quiet', root, clone], { stdio: 'inherit' });
  step('clone → first test of chat', '20 s', '.', [
    'npm',
    'test',
    '--',
    'chat',
    'test/simple_producer',
  ]);
  writeFileSync(
    file('packages/chat/test/nothing.test.ts'),
    "import { it } from 'vitest';\nit('has nothing to do', () => {});\n",
  );
  process.env.ASYNCORE_TEST_AS_IT_IS = '1';
  const alone = ['node', file('node_modules/vitest/vitest.mjs'), 'run', 'test/nothing'];
  step('(Vitest alone: an empty test, nothing compiled)', '', 'packages/chat', alone);
  delete process.env.ASYNCORE_TEST_AS_IT_IS;
  rmSync(file('packages/chat/test/nothing.test.ts'));
  const chat = test('chat', 'simple_producer');
  edit('packages/chat/src/index.ts', 'export {};\n');
  step('.ts edited → one test file', '1 s', '.', chat);
  edit('packages/core/src/index.ts', 'export {};\n');
  step('the same, in core, seen from chat', '1 s', '.', chat);
  edit('packages/socket/native/poll.c', '\n');
  step('.c edited → one test file', '2 s', '.', test('socket', 'constant'));
  const public_type = 'packages/core/src/close_all.ts';
  const before = readFileSync(file(public_type), 'utf8');
  writeFileSync(
    file(public_type),
    before.replace('export function close_all(', 'export function close_all(wanted: RegExp, '),
  );
  step('a public type changed → errors elsewhere', '1 s', '.', ['node', 'scripts/setup.mjs'], 1);
  writeFileSync(file(public_type), before);
  run('.', 'node', 'scripts/setup.mjs');
  for (const name of PACKAGES) {
    step(`quick run of ${name}`, '10 s', '.', ['npm', 'run', '--silent', 'quick', '--', name]);
  }
  if (values.suites) {
    for (const name of PACKAGES) step(`suite of ${name}`, '', '.', ['npm', 'test', '--', name]);
    step('npm test', '240 s', '.', ['npm', 'test']);
  }
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${availableParallelism()} cores, load ${load.toFixed(1)}\n\n| step | takes | wanted |\n|---|---|---|`,
  );
  for (const row of rows) console.log(`| ${row.join(' | ')} |`);
} finally {
  rmSync(temp, { recursive: true, force: true });
}
