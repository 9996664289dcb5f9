/**
 * Runs the tests with the C code built under the address and undefined-behaviour sanitizers:
 * `node sanitize.mjs [package…] [test file…]`, by default those of all packages.
 */
import { spawnSync } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { compileCopy, PACKAGES, reports, test } from './watched.mjs';

/** Tests that cannot pass there, and why. All others have to. */
const LEFT_OUT = [
  [
    'redis_server survives random',
    'the sanitizers’ allocator gives memory back later than it allows',
  ],
];

/** The path of a library of gcc's, or null: gcc answers with the bare name when it has none. */
function library(name) {
  const { stdout } = spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return stdout && isAbsolute(stdout.trim()) ? stdout.trim() : null;
}

const runtime = process.platform === 'linux' ? library('libasan.so') : null;
if (!runtime) {
  console.log('Skipped the sanitized run: it needs gcc with libasan, on Linux.');
  process.exit(0);
}

// Undefined behaviour traps, and the address sanitizer reports the trap and its line: the other
// runtime can write to stderr only, which is lost when a test worker dies.
const sanitize = '-fsanitize=address,undefined -fsanitize-undefined-trap-on-error';
const copy = await compileCopy('build-sanitized', {
  CC: 'gcc',
  LINK: 'gcc',
  CFLAGS: `${sanitize} -O1 -g -fno-omit-frame-pointer`,
  LDFLAGS: sanitize,
});
const options = [
  'detect_leaks=0', // Node itself never frees what it allocates once
  'quarantine_size_mb=2:thread_local_quarantine_size_kb=64', // tests measure memory
  ...['abort_on_error=1', 'handle_sigill=1', 'handle_sigtrap=1'],
  `log_path=${join(copy, 'reports/report')}`,
];

const passed = test('sanitized', copy, {
  packages: PACKAGES,
  command: `LD_PRELOAD="${runtime}" ASAN_OPTIONS="${options.join(':')}" exec`,
  leftOut: LEFT_OUT,
});
const found = reports(copy);
for (const report of found) console.error(report);
process.exit(passed && found.length === 0 ? 0 : 1);
