/**
 * Runs the test suite under valgrind: `node valgrind.mjs [test file…]`, by default all of socket's.
 * Beside what the sanitizers see it finds memory used or passed to the kernel before it was written,
 * and what a thread that ends has not freed. Only errors of our own code count, and what it calls:
 * V8 itself is full of reads that valgrind cannot know to be harmless.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compile } from './compile.mjs';

const folder = dirname(import.meta.dirname);
const copy = join(folder, 'build-valgrind');
const reports = join(copy, 'reports');
/** In seconds: everything takes twenty times as long. */
const FUZZ = process.env.ASYNCORE_FUZZ_SECONDS ?? 20;
const OURS = 'asyncore_socket.node';

if (process.platform !== 'linux' || spawnSync('valgrind', ['--version']).error) {
  console.log('Skipped: it needs valgrind, on Linux: apt-get install valgrind');
  process.exit(0);
}

rmSync(copy, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
cpSync(join(folder, 'binding.gyp'), join(copy, 'binding.gyp'));
cpSync(import.meta.dirname, join(copy, 'native'), { recursive: true });
compile(copy, { CFLAGS: '-g -fno-omit-frame-pointer' });

const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(
  'valgrind',
  [
    ...['-q', '--smc-check=all-non-file', '--error-limit=no', '--num-callers=30'],
    ...['--leak-check=full', '--show-leak-kinds=definite', '--trace-children=yes'],
    // The programs that tests start are there to be looked at from outside, and in time.
    ...[
      '--trace-children-skip=*/python3*,*/bash,*/sh,*/git',
      '--trace-children-skip-by-arg=--eval',
    ],
    ...['--xml=yes', `--xml-file=${join(reports, '%p.xml')}`],
    // valgrind is a shell script, and a shell does not pass on a name like this.
    ...['env', `@ASYNCORE/SOCKET_PREBUILD=${copy}`, `ASYNCORE_FUZZ_SECONDS=${FUZZ}`],
    ...[process.execPath, vitest, 'run', '--maxWorkers=1', ...process.argv.slice(2)],
    ...['--testTimeout=120000', '--hookTimeout=120000', '--teardownTimeout=120000'],
    // It takes the end of such a block for one beyond it.
    '--testNamePattern=^(?!.* 2 GiB)',
  ],
  { cwd: folder, stdio: 'inherit' },
);

/** The errors of a report in which our code has a part; of leaks, those of memory it asked for. */
function ours(report) {
  const errors = report.match(/<error>[\s\S]*?<\/error>/g) ?? [];
  return errors.filter((error) => {
    // What the fuzzer gives for an address may be shorter than a family, which valgrind subtracts.
    if (error.includes('.sa_data)')) return false;
    const objects = [...error.matchAll(/<obj>(.*?)<\/obj>/g)].map(([, object]) => object);
    if (!error.includes('<kind>Leak_')) return objects.some((object) => object.endsWith(OURS));
    const caller = objects.find((object) => !/\/(vgpreload_|libc\.|ld-)/.test(object));
    return caller?.endsWith(OURS);
  });
}

const found = readdirSync(reports).flatMap((name) => {
  return ours(readFileSync(join(reports, name), 'utf8'));
});
for (const error of found) console.error(error);
const watched = readdirSync(reports).length;
console.log(`valgrind: ${watched} processes, ${found.length} errors of ours`);
process.exit(status === 0 && found.length === 0 && watched > 0 ? 0 : 1);
