/**
 * Builds the C sources under the address and undefined-behaviour sanitizers and runs the test
 * suites with that binary: `node sanitize.mjs [package…]`, by default socket and core.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { compile } from './compile.mjs';

const folder = dirname(import.meta.dirname);
const copy = join(folder, 'build-sanitized');
const report = join(copy, 'report');
const packages = process.argv.length > 2 ? process.argv.slice(2) : ['socket', 'core'];

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

rmSync(copy, { recursive: true, force: true });
mkdirSync(copy);
cpSync(join(folder, 'binding.gyp'), join(copy, 'binding.gyp'));
cpSync(import.meta.dirname, join(copy, 'native'), { recursive: true });
// Undefined behaviour traps, and the address sanitizer reports the trap and its line: the other
// runtime can write to stderr only, which is lost when a test worker dies.
const sanitize = '-fsanitize=address,undefined -fsanitize-undefined-trap-on-error';
compile(copy, {
  CC: 'gcc',
  LINK: 'gcc',
  CFLAGS: `${sanitize} -O1 -g -fno-omit-frame-pointer`,
  LDFLAGS: sanitize,
});

const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
let failed = 0;
for (const name of packages) {
  console.log(`${name}, sanitized`);
  const { status } = spawnSync(process.execPath, [vitest, 'run'], {
    cwd: join(folder, '..', name),
    stdio: 'inherit',
    env: {
      ...process.env,
      '@ASYNCORE/SOCKET_PREBUILD': copy,
      LD_PRELOAD: runtime,
      // Node itself never frees what it allocates once.
      ASAN_OPTIONS: `detect_leaks=0:abort_on_error=1:handle_sigill=1:handle_sigtrap=1:log_path=${report}`,
    },
  });
  if (status !== 0) failed += 1;
}
const reports = readdirSync(copy).filter((name) => name.startsWith('report.'));
for (const name of reports) console.error(readFileSync(join(copy, name), 'utf8'));
process.exit(failed + reports.length === 0 ? 0 : 1);
