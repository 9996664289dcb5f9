/**
 * How strong are the simulated tests? Breaks core and chat in one place after another, in a copy of the
 * packages, and prints which test notices it, and after how long. `npm run mutants -- --only TEXT` tries those
 * whose name the pattern TEXT matches. Fails if fewer than 14 of 16 are noticed within a minute each (`--seconds N`
 * on a machine that is busy).
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const WANTED = 14 / 16;

/** What is broken, where, and how. */
const MUTANTS = [
  [
    'handle_close may come twice',
    'core',
    'dispatcher/socket_endpoint',
    /if \(this\.is\(OVER\)\)\s+return false;/,
    '',
  ],
  ['events after close in the same pass', 'core', 'registration', '!this.alive || ', ''],
  ["events of a descriptor's past", 'core', 'loop', 'registration.since < wait', 'true'],
  ['a nested poll tells again', 'core', 'registration', ' || this.#served > wait', ''],
  [
    'the queue forgets what was sent of a chunk',
    'core',
    'output/output_queue',
    'subarray(start, start + left)',
    'subarray(0, left)',
  ],
  [
    'half-close drops the rest',
    'core',
    'output/output',
    'this.#answersOnly = this.isWaiting;',
    'this.#answersOnly = false;',
  ],
  ['a hang-up loses data', 'core', 'registration', 'isUnread && !(', 'false && !('],
  [
    'a loss before the last read is told at once',
    'core',
    'dispatcher/socket_endpoint',
    '|| !this.#willRead()',
    '|| true',
  ],
  [
    'a terminator cut in two',
    'chat',
    'terminator_matcher',
    'find_prefix_at_end(buffer.subarray(start), term)',
    '0',
  ],
  [
    'removed descriptors stay in the queue',
    'core',
    'channels',
    'this.listener?.removed(known);',
    '',
  ],
  ['parses no more after a drain', 'chat', 'async_chat', 'this.#matcher.resume();', ';'],
  [
    'the listener never wakes from its rest',
    'core',
    'dispatcher/listening',
    'return this.isResting ? REST : undefined;',
    'return undefined;',
  ],
  [
    'a partial send is taken for a whole one',
    'core',
    'output/output',
    'queue.consume(sent);',
    'queue.consume(given);',
  ],
  [
    'told of the end twice',
    'core',
    'dispatcher/socket_endpoint',
    /if \(this\.is\(ENDED \| OVER\)\)\s+return;/,
    '',
  ],
  [
    'a released connection does not count down',
    'core',
    'dispatcher/listening',
    'this.#connections -= 1;',
    '',
  ],
  [
    'a look-up of an earlier attempt counts',
    'core',
    'dispatcher/connecting',
    'if (this.#lookup === lookup)',
    'if (true)',
  ],
  ['timeouts are told too soon', 'core', 'timeouts', 'if (left <= 0)', 'if (left <= 5000)'],
  ['timeouts are never told', 'core', 'timeouts', 'registration.tellTimeout();', ';'],
  [
    'a closing channel takes more',
    'core',
    'output/output',
    "this.#closedBy = 'close_when_done';",
    '',
  ],
  [
    'close_when_done closes at once',
    'core',
    'output/output',
    'this.#closes = true;',
    'this.#ending.linger();',
  ],
  ['no drain is told', 'chat', 'async_chat', /this\.handle_drain\(\)/g, 'undefined'],
  [
    'what is too long is not told',
    'chat',
    'async_chat',
    'this.#chat.handle_overflow()',
    'undefined',
  ],
  [
    'nothing is asked after a change',
    'core',
    'registration',
    'this.channels.listener?.changed(this);',
    ';',
  ],
  [
    'the lingering never ends',
    'core',
    'dispatcher/socket_endpoint',
    'this.is(LINGERING | BROKEN)',
    'this.is(BROKEN)',
  ],
];

const TESTS = ['test/promises.test.ts', 'test/chaos.test.ts'];
const root = dirname(import.meta.dirname);
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '60' },
  },
});
/** How long each may take to be noticed, in milliseconds. */
const patience = Number(values.seconds) * 1000;
const copy = mkdtempSync(join(tmpdir(), 'asyncore-mutants-'));

/** The first test that fails, or null; and how long it took, in milliseconds. */
function firstFailure() {
  const start = performance.now();
  const child = spawn(
    join(root, 'node_modules/.bin/vitest'),
    ['run', '--bail', '1', '--no-color', ...TESTS],
    {
      cwd: join(copy, 'packages/testing'),
      env: { ...process.env, ASYNCORE_SCHEDULES: '6000', ASYNCORE_TEST_AS_IT_IS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // its workers are to end with it
    },
  );
  let output = '';
  const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), patience);
  return new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
      });
    }
    child.on('close', () => {
      clearTimeout(timer);
      const [, test] = /FAIL {2}test\/(.*)/.exec(output) ?? [];
      const [, message] = /(?:Error|failure): (.*)/.exec(output) ?? [];
      const what = test && `${test}: ${message}`;
      resolve([what ?? (/Error/.test(output) ? 'nothing runs' : null), performance.now() - start]);
    });
  });
}

let noticed = 0;
let tried = 0;
try {
  for (const name of ['socket', 'core', 'chat', 'file', 'testing']) {
    const keep = (path) => !/\/(prebuilds|build\/(?!Release)|html)/.test(path);
    const to = join(copy, 'packages', name);
    cpSync(join(root, 'packages', name), to, {
      recursive: true,
      verbatimSymlinks: true,
      filter: keep,
    });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  symlinkSync(join(root, 'test-support'), join(copy, 'test-support'));
  symlinkSync(join(root, 'scripts'), join(copy, 'scripts'));
  for (const file of [
    'vitest.config.ts',
    'package.json',
    'tsconfig.base.json',
    'tsconfig.test.json',
  ]) {
    cpSync(join(root, file), join(copy, file));
  }
  const [fault] = values.only === '' ? await firstFailure() : [null];
  if (fault !== null) throw new Error(`the tests fail as they are: ${fault}`);
  for (const [name, folder, module, from, to] of MUTANTS) {
    if (!new RegExp(values.only).test(name)) continue;
    const file = join(copy, 'packages', folder, 'dist', `${module}.js`);
    const before = readFileSync(file, 'utf8');
    const after = before.replace(from, to);
    tried += 1;
    if (after === before) {
      console.log(`NOT APPLIED   ${name}: ${module} has changed, change the mutant`);
      continue;
    }
    writeFileSync(file, after);
    const [what, milliseconds] = await firstFailure();
    writeFileSync(file, before);
    const seconds = `${(milliseconds / 1000).toFixed(1)} s`.padStart(7);
    if (what !== null) noticed += 1;
    console.log(
      `${what === null ? 'NOT NOTICED' : `noticed`.padEnd(11)} ${seconds}  ${name}${what === null ? '' : `  (${what.slice(0, 120)})`}`,
    );
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${noticed} of ${tried} noticed within ${patience / 1000} s`);
if (noticed < tried * WANTED) process.exitCode = 1;
