/**
 * Runs tests by package:
 *
 *     npm test                          all of them
 *     npm test -- chat                  one package's, or several packages'
 *     npm test -- chat test/faults      these files; what follows the packages is vitest's
 *     npm run quick -- chat             those that take no time
 *     npm run watch -- chat             again whenever something changes
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

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

/** Runs a program as if it were this one. */
function run(cwd, command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

if (mode === 'run' && args.length === 0) {
  process.exit(run(root, 'turbo', 'run', 'test', '--concurrency=1', '--continue'));
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
if (mode === 'quick') process.env.ASYNCORE_TEST_QUICK = '1';

let code = 0;
for (const name of names.length > 0 ? names : folders.keys()) {
  const cwd = join(root, folders.get(name));
  console.log(`==> ${folders.get(name)}`);
  code = run(cwd, join(root, 'node_modules/.bin/vitest'), ...options, ...rest) || code;
}
process.exit(code);
