/**
 * Compiles what a package's tests run, before vitest starts and before it runs them again: the C sources,
 * if the binaries are made of others, and the TypeScript of the package and of those that it needs. So no
 * test runs what is no longer there, however it is started. A fresh clone needs `npm run setup` first.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isBuilt } from '../packages/socket/scripts/is_built.mjs';

const root = join(import.meta.dirname, '..');

/** Runs a compiler, and says whether it succeeded; it has said why not. */
function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  return status === 0;
}

/** Compiles the C sources if the binaries are made of others; with `keep`, those of another Node are kept. */
export function compileC(options) {
  return (
    isBuilt(options) ||
    run(process.execPath, 'packages/socket/scripts/build.mjs', ...(options.keep ? ['--keep'] : []))
  );
}

/** Compiles the TypeScript of a folder, or of a tsconfig, and of those that it refers to. */
export async function compileTypeScript(project) {
  // Its command starts a Node to start this, which takes longer than finding that nothing has changed.
  const { default: getExePath } = await import('../node_modules/typescript/lib/getExePath.js');
  return run(getExePath(), '-b', project);
}

/** Throws when something does not compile. */
async function compile(folder) {
  const compiles =
    compileC({ keep: true }) &&
    (!existsSync(join(folder, 'tsconfig.json')) || (await compileTypeScript(folder)));
  if (!compiles) throw new Error(`does not compile: ${folder}`);
}

/** Vitest's globalSetup. */
export default async function setup(project) {
  // Set by what runs tests on code that was changed after it was compiled.
  if (process.env.ASYNCORE_TEST_AS_IT_IS === '1') return;
  await compile(project.config.root);
  project.onTestsRerun(async () => {
    try {
      await compile(project.config.root);
      delete process.env.ASYNCORE_TEST_STALE;
    } catch {
      process.env.ASYNCORE_TEST_STALE = '1'; // and refuse_stale.mjs has the tests fail
    }
  });
}
