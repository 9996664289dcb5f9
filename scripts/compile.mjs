/**
 * Compiles what a package's tests run, before vitest starts and before it runs them again: the C sources,
 * if the binaries are made of others, and the TypeScript of the package and of those that it needs. So no
 * test runs what is no longer there, however it is started. A fresh clone needs `npm run setup` first.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Throws when something does not compile; the compiler has said why. */
function compile(folder) {
  const run = (...args) => {
    const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
    if (status !== 0) throw new Error(`does not compile: ${folder}`);
  };
  run(join(root, 'packages/socket/scripts/build.mjs'), '--keep');
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  if (existsSync(join(folder, 'tsconfig.json'))) run(tsc, '-b', folder);
}

/** Vitest's globalSetup. */
export default function setup(project) {
  // Set by what runs tests on code that was changed after it was compiled.
  if (process.env.ASYNCORE_TEST_AS_IT_IS === '1') return;
  compile(project.config.root);
  project.onTestsRerun(() => {
    try {
      compile(project.config.root);
      delete process.env.ASYNCORE_TEST_STALE;
    } catch {
      process.env.ASYNCORE_TEST_STALE = '1'; // and refuse_stale.mjs has the tests fail
    }
  });
}
