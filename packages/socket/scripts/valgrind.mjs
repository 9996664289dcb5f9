/**
 * Runs the tests under valgrind: `node valgrind.mjs [package…] [test file…]`, by default those of
 * all packages but the examples. Beside what the sanitizers see it finds memory used or passed to
 * the kernel before it was written, and what is never freed. Only errors of our own code count, and
 * what it calls: V8 itself is full of reads that valgrind cannot know to be harmless.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { compileCopy, PACKAGES, reports, test } from './watched.mjs';

/** Tests that cannot pass there, and why. All others have to. */
const LEFT_OUT = [
  [' 2 GiB', 'valgrind takes the end of such a block for one beyond it'],
  ['large output arrives', 'has to take less than three seconds'],
  ['uses no processor time', 'measures it'],
  ['stays quick', 'measures time, of TypeScript only'],
  ['(as long as they find something|true again in the same turn)', 'has a millisecond for it'],
  ['(rain of signals|what a signal handler sends)', 'more signals come than it can deliver'],
  ['larger than the memory it takes', 'valgrind’s own memory counts too'],
  ['2000 (readers|writers)', 'so many take minutes; 450 of them are run'],
];
// Everything takes twenty times as long.
process.env.ASYNCORE_FUZZ_SECONDS ??= '20';
process.env.ASYNCORE_TEST_MEGABYTES ??= '16';
const OURS = /asyncore_(socket|wakeup)\.node$/;

if (process.platform !== 'linux' || spawnSync('valgrind', ['--version']).error) {
  console.log('Skipped: it needs valgrind, on Linux: apt-get install valgrind');
  process.exit(0);
}

/** The errors of a report in which our code has a part; of leaks, those of memory it asked for. */
function ours(report) {
  const errors = report.match(/<error>[\s\S]*?<\/error>/g) ?? [];
  return errors.filter((error) => {
    // V8's collector looks at all of the stack for what may be a pointer.
    if (error.includes('heap::base::Stack')) return false;
    // What the fuzzer gives for an address may be shorter than a family, which valgrind subtracts.
    if (error.includes('.sa_data)')) return false;
    const objects = [...error.matchAll(/<obj>(.*?)<\/obj>/g)].map(([, object]) => object);
    if (!error.includes('<kind>Leak_')) return objects.some((object) => OURS.test(object));
    const caller = objects.find((object) => !/\/(vgpreload_|libc\.|ld-)/.test(object));
    return caller !== undefined && OURS.test(caller);
  });
}

const copy = await compileCopy('build-valgrind', { CFLAGS: '-g -fno-omit-frame-pointer' });
const command = [
  ...['exec valgrind -q --smc-check=all-non-file --error-limit=no --num-callers=30'],
  ...['--leak-check=full --show-leak-kinds=definite --child-silent-after-fork=yes'],
  `--xml=yes --xml-file="${join(copy, 'reports/%p.xml')}"`,
].join(' ');
const passed = test('under valgrind', copy, {
  packages: PACKAGES.filter((name) => name !== 'examples'),
  command,
  unwatched: '--eval', // such programs are there to be looked at from outside, and in time
  leftOut: LEFT_OUT,
});
const watched = reports(copy);
const found = watched.flatMap(ours);
for (const error of found) console.error(error);
console.log(`valgrind: ${watched.length} processes, ${found.length} errors of ours`);
process.exit(passed && found.length === 0 && watched.length > 0 ? 0 : 1);
