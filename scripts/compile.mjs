/**
 * Compiles what a package's tests run, before vitest starts and before it runs them again: the C sources,
 * if the binaries are made of others, and the TypeScript of the package and of those that its tests import. So no
 * test runs what is no longer there, however it is started. A fresh clone needs `npm run setup` first.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isBuilt } from '../packages/socket/scripts/is_built.mjs';
import { locked } from '../packages/socket/scripts/locked.mjs';

const root = join(import.meta.dirname, '..');

// TypeScript's compiler is a program in Go. It takes a quarter less time when it collects no garbage. All packages take
// less than a gigabyte; beyond that it collects after all.
process.env.GOGC ??= 'off';
process.env.GOMEMLIMIT ??= '1GiB';

/** Runs a compiler, and says whether it succeeded; it has said why not. */
function run(command, ...args) {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0));
  });
}

/** Compiles the C sources if the binaries are made of others; with `keep`, those of another Node are kept. */
export async function compileC(options) {
  return (
    isBuilt(options) ||
    run(process.execPath, 'packages/socket/scripts/build.mjs', ...(options.keep ? ['--keep'] : []))
  );
}

/** TypeScript's compiler. Its command starts a Node to start it, which takes longer than finding that nothing has changed. */
export async function compiler() {
  const { default: getExePath } = await import('../node_modules/typescript/lib/getExePath.js');
  return getExePath();
}

/** Compiles the TypeScript of folders, or of tsconfigs, and of those that they refer to. */
export async function compileTypeScript(...projects) {
  const tsc = await compiler();
  const lock = join(root, 'node_modules/.asyncore-compiling');
  return locked(lock, () => run(tsc, '-b', ...projects));
}

/** Compiles everything, for this Node, and says whether that succeeded. */
export async function compileAll() {
  return (await compileC({ keep: false })) && compileTypeScript('tsconfig.build.json');
}

/** What tsc is to compile for the tests in a folder: the folder itself, and the packages that they import. */
export function imported(folder) {
  if (folder === import.meta.dirname) return [join(root, 'tsconfig.build.json')]; // they look at every package
  const names = new Set();
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest)) {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8'));
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      if (name.startsWith('@asyncore/')) names.add(name.slice('@asyncore/'.length));
    }
  }
  const folders = [folder, ...[...names].map((name) => join(root, 'packages', name))];
  return [...new Set(folders)].filter((path) => existsSync(join(path, 'tsconfig.json')));
}

/** Says whether everything compiles. C and TypeScript do not need each other. */
async function compile(folder) {
  const projects = imported(folder);
  const compiled = await Promise.all([
    compileC({ keep: true }),
    projects.length === 0 || compileTypeScript(...projects),
  ]);
  return !compiled.includes(false);
}

async function compileOrThrow(folder, compiling = compile(folder)) {
  if (await compiling) return;
  const error = new Error(`does not compile: ${folder}`);
  error.stack = error.message; // the compiler has said where
  throw error;
}

/** What test.mjs has started, while vitest is loaded in its process. */
let started;

/** Starts to compile for the tests in a folder. Vitest, loaded meanwhile in this process, waits before it runs them. */
export function startCompiling(folder) {
  const compiling = compile(folder);
  compiling.catch(() => {}); // which is thrown where it is waited for
  started = { folder, compiling };
}

/** Has vitest wait until what its tests run is compiled. Called once for each start of it. */
export default async function compileFor(vitest) {
  // Set by what runs tests on code that was changed after it was compiled.
  if (process.env.ASYNCORE_TEST_AS_IT_IS === '1') return;
  const folder = vitest.config.root;
  const compiling = started?.folder === folder ? started.compiling : undefined;
  started = undefined; // what is compiled later is another time's
  const compileOrMark = async (compiling) => {
    try {
      await compileOrThrow(folder, compiling);
      delete process.env.ASYNCORE_TEST_STALE;
    } catch (error) {
      process.env.ASYNCORE_TEST_STALE = '1'; // and refuse_stale.mjs has the tests fail
      console.error(error.message);
    }
  };
  vitest.onTestsRerun(() => compileOrMark());
  if (vitest.config.watch) await compileOrMark(compiling);
  else await compileOrThrow(folder, compiling);
}
