/**
 * Makes a fresh clone ready (dependencies, native binary, TypeScript), then runs the command given.
 * A step with nothing to do takes milliseconds.
 */
import './node_version.mjs';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { requireTools } from '../packages/socket/scripts/compile.mjs';
import { compileAll } from './compile.mjs';

const root = dirname(import.meta.dirname);
const stamp = join(root, 'node_modules/.asyncore-setup');
const at = (...path) => join(root, ...path);

process.env.TURBO_TELEMETRY_DISABLED = '1';
process.chdir(root);

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** A digest of everything that decides what lies in node_modules. */
function wanted() {
  const folders = readdirSync(at('packages')).map((name) => join('packages', name));
  const hash = createHash('sha256');
  for (const folder of [
    '.',
    'bench',
    'endurance',
    'docs/reference',
    'scripts',
    'test-support',
    ...folders,
  ]) {
    for (const name of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml']) {
      const file = at(folder, name);
      if (existsSync(file)) hash.update(`${join(folder, name)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** The folder of the pnpm that installed node_modules; turbo runs its tasks through it. */
function installed() {
  if (!existsSync(stamp)) return null;
  const { digest, pnpm } = JSON.parse(readFileSync(stamp, 'utf8'));
  return digest === wanted() && existsSync(join(pnpm, 'pnpm')) ? pnpm : null;
}

function install() {
  // ./test keeps them here: the registry may need them.
  const { ASYNCORE_EXTRA_CA_CERTS } = process.env;
  if (ASYNCORE_EXTRA_CA_CERTS) process.env.NODE_EXTRA_CA_CERTS = ASYNCORE_EXTRA_CA_CERTS;
  // Said at once, not when everything is downloaded.
  if (!existsSync(at('packages/socket/build/stamp'))) requireTools();
  const { packageManager } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  const npx = ['--yes', `--package=${packageManager}`, '-c'];
  // npm's node_modules and pnpm's do not mix.
  if (existsSync(at('node_modules/.package-lock.json'))) {
    rmSync(at('node_modules'), { recursive: true });
  }
  // The scripts are this project's own, and the steps below do what they do.
  run('npx', ...npx, 'pnpm install --frozen-lockfile --ignore-scripts --reporter=append-only');
  const { stdout } = spawnSync('npx', [...npx, 'command -v pnpm'], { encoding: 'utf8' });
  const pnpm = dirname(stdout.trim());
  writeFileSync(stamp, JSON.stringify({ digest: wanted(), pnpm }));
  return pnpm;
}

/** Runs the command as if it were this process: its output, its exit code, its signals. */
async function become(command, ...args) {
  // A program for Node needs no other process, which would take a tenth of a second to start.
  if (command === 'node' && /^[^-]/.test(args[0])) {
    process.argv.splice(1, Infinity, resolve(args[0]), ...args.slice(1));
    await import(pathToFileURL(process.argv[1]));
    return;
  }
  const child = spawn(command, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // The terminal sends Ctrl-C to both; it must not end this one first.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY) || child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('close', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

const path = [at('node_modules/.bin')];
if (!process.env.npm_config_user_agent?.startsWith('pnpm')) path.push(installed() ?? install());
process.env.PATH = [...path, process.env.PATH].join(delimiter);

const [command, ...args] = process.argv.slice(2);
// Tests compile what they run, while vitest is loaded.
if (args[0] !== 'scripts/test.mjs' && !(await compileAll())) process.exit(1);
if (command) await become(command, ...args);
