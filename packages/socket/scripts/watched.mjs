/**
 * The tests with the C code compiled once more and a tool that watches it: what sanitize.mjs and
 * valgrind.mjs have in common. Only Node runs under the tool: vitest's workers, and what tests
 * start as process.execPath. Other programs run as they are; some would hang.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compile } from './compile.mjs';

const folder = dirname(import.meta.dirname);
const require = createRequire(import.meta.url);
const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
export const PACKAGES = ['socket', 'core', 'chat', 'file', 'stream', 'tls', 'examples'];

/** Compiles a copy of the sources into `name`, and gives that folder. */
export async function compileCopy(name, flags) {
  const copy = join(folder, name);
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'reports'), { recursive: true });
  cpSync(join(folder, 'binding.gyp'), join(copy, 'binding.gyp'));
  cpSync(join(folder, 'native'), join(copy, 'native'), { recursive: true });
  await compile(copy, flags);
  return copy;
}

/**
 * Runs the tests that the command line names (packages, and what is for vitest), by default those of
 * `packages`, with the binary of `copy`; true if all passed. `command` is what the shell shall have
 * before Node's own path, unless it is given `unwatched`; `leftOut` is what the names of tests that
 * are not run contain, and why.
 */
export function test(tool, copy, { packages, command, unwatched = '--none', leftOut }) {
  const [real, node, preload] = [process.execPath, join(copy, 'node'), join(copy, 'preload.cjs')];
  writeFileSync(
    node,
    `#!/bin/sh
# A library that the test preloads goes together with no tool.
[ -z "$LD_PRELOAD" ] || exec "${real}" "$@"
case " $* " in *" ${unwatched} "*) exec "${real}" "$@" ;; esac
ASYNCORE_WATCHED=1 ${command} "${real}" "$@"
`,
    { mode: 0o755 },
  );
  writeFileSync(
    preload,
    `const { env } = process;
process.execPath = ${JSON.stringify(node)};
if (env.ASYNCORE_WATCHED) env['@ASYNCORE/SOCKET_PREBUILD'] = ${JSON.stringify(copy)};
delete env.ASYNCORE_WATCHED;
delete env.LD_PRELOAD;
`,
  );
  const env = {
    ...{ ASYNCORE_TEST_PATIENCE: '120', ...process.env },
    NODE_OPTIONS: `--require=${JSON.stringify(preload)}`,
  };
  for (const [what, why] of leftOut) console.log(`left out: "${what}": ${why}`);
  const pattern = `^(?!.*(${leftOut.map(([what]) => what).join('|')}))`;
  const args = process.argv.slice(2);
  const named = args.filter((arg) => PACKAGES.includes(arg));
  const rest = args.filter((arg) => !PACKAGES.includes(arg));
  const failed = (named.length > 0 ? named : packages).filter((name) => {
    console.log(`${name}, ${tool}`);
    const options = ['run', `--testNamePattern=${pattern}`, ...rest];
    const cwd = join(folder, '..', name);
    const { status } = spawnSync(real, [vitest, ...options], { cwd, env, stdio: 'inherit' });
    return status !== 0;
  });
  return failed.length === 0;
}

/** The reports that the tool has left. */
export function reports(copy) {
  const path = join(copy, 'reports');
  return readdirSync(path).map((name) => readFileSync(join(path, name), 'utf8'));
}
