/** How the C sources become a binary: node-gyp, Node's own headers, the system's compiler. */
import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { contents, digest } from './digest.cjs';

const { env } = process;

/** What is compiled, in build/Release. */
export const BINARIES = ['asyncore_socket.node', 'asyncore_wakeup.node'];

/** What gyp writes: the Makefile, and how each file is compiled, for clangd and other tools. */
const FORMATS = ['-f', 'make', '-f', 'compile_commands_json'];

/** Where Node's own headers lie: the official archives, nvm and the distributions agree. */
function nodedir() {
  if (env.npm_config_nodedir) return env.npm_config_nodedir;
  const prefixes = [realpathSync(process.execPath), process.execPath].map((path) =>
    dirname(dirname(path)),
  );
  return prefixes.find((path) => existsSync(join(path, 'include/node/node_api.h')));
}

function onPath(name) {
  return env.PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function missing() {
  return [
    !env.CC && !onPath('cc') && 'a C compiler',
    !env.MAKE && !onPath('make') && !onPath('gmake') && 'make',
    !env.PYTHON && !env.npm_config_python && !onPath('python3') && 'python3',
  ].filter(Boolean);
}

/** Ends the process when what compiles is not there, and says how to get it. */
export function requireTools() {
  const lacking = missing();
  if (lacking.length > 0) {
    console.error(
      `@asyncore/socket cannot be compiled without ${lacking.join(', ')}: apt install build-essential python3 (Debian, Ubuntu); dnf install gcc make python3 (Fedora); apk add build-base linux-headers python3 (Alpine); xcode-select --install (macOS)`,
    );
    process.exit(1);
  }
}

/** The command that reads Makefiles of GNU's. */
function make() {
  return env.MAKE ?? (onPath('gmake') ? 'gmake' : 'make');
}

/** Runs a program; when it fails, prints what it said and ends the process. */
function run(command, args, options) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    ...options,
  });
  if (status === 0) return;
  process.stderr.write(error ? `${command}: ${error.message}\n` : stdout + stderr);
  process.exit(1);
}

/** Makes build/Makefile of binding.gyp anew, and leaves nothing of what was compiled before. */
function configure(folder, flags) {
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  rmSync(join(folder, 'build'), { recursive: true, force: true });
  run(process.execPath, [gyp, 'configure', `--directory=${folder}`, '--', ...FORMATS], {
    env: { ...env, ...flags },
  });
  // Where clangd looks for it.
  const commands = 'compile_commands.json';
  renameSync(join(folder, 'build/Release', commands), join(folder, 'build', commands));
}

/** Where make leaves an object or a binary, and how it was made. */
const madePath = (folder, target) => join(folder, 'build', target);
const recordPath = (folder, target) => join(folder, 'build/Release/.deps', `${target}.d`);

/** What make calls the objects of a source, which belong to one binary or to several. */
function objectsOf(name) {
  return BINARIES.map(
    (binary) =>
      `Release/obj.target/${binary.replace('.node', '')}/native/${name.replace('.c', '.o')}`,
  );
}

/**
 * Takes away the objects that were compiled of other contents than `files` has, and the binaries. Says whether what
 * make has recorded still holds: headers may be others when one of them has changed.
 */
function removeOld(folder, before, files) {
  const changed = Object.keys(files).filter((name) => files[name] !== before[name]);
  const sameHeaders = changed.every((name) => name.endsWith('.c'));
  const sources = sameHeaders ? [...changed, 'exports.c'] : Object.keys(files); // exports.c has the digest
  for (const binary of BINARIES) rmSync(join(folder, 'build/Release', binary), { force: true });
  for (const object of sources.flatMap(objectsOf)) {
    rmSync(madePath(folder, object), { force: true });
    // Make compiles it when either is missing, however old the source seems.
    if (!sameHeaders) rmSync(recordPath(folder, object), { force: true });
  }
  return sameHeaders;
}

/** The command by which make has made something, or null. */
function recorded(folder, target) {
  const path = recordPath(folder, target);
  if (!existsSync(path)) return null;
  const [line] = readFileSync(path, 'utf8').split('\n', 1);
  const start = `cmd_${target} := `;
  return line.startsWith(start) ? line.slice(start.length) : null;
}

/** Runs commands of a shell side by side, as many as there are cores; when one fails, ends the process. */
async function runAll(commands, options) {
  const rest = commands.values();
  const failed = [];
  const one = (command) =>
    new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', command], {
        ...options,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      child.on('error', reject);
      child.on('close', (code) => resolve(code === 0 || failed.push(command)));
    });
  const workers = Array.from({ length: availableParallelism() }, async () => {
    for (const command of rest) await one(command);
  });
  await Promise.all(workers);
  if (failed.length > 0) process.exit(1);
}

/**
 * Makes the objects and binaries that are missing by the commands that make has recorded, and says whether it could.
 * Make itself starts twenty programs for each of them, which takes longer than the compiler.
 */
async function makeAsRecorded(folder, options) {
  const links = BINARIES.map((binary) => recorded(folder, `Release/obj.target/${binary}`));
  if (links.includes(null)) return false;
  const objects = links.flatMap((link) => link.match(/Release\/obj\.target\/\S+\.o(?=\s)/g) ?? []);
  const missing = objects.filter((object) => !existsSync(madePath(folder, object)));
  const commands = missing.map((object) => recorded(folder, object));
  if (commands.includes(null)) return false;
  const cwd = join(folder, 'build');
  await runAll(commands, { ...options, cwd });
  await runAll(links, { ...options, cwd });
  for (const binary of BINARIES) {
    linkSync(join(cwd, 'Release/obj.target', binary), join(cwd, 'Release', binary));
  }
  return true;
}

/**
 * Compiles binding.gyp of a folder, which has the C sources or a copy of them, into its build/Release; ends the
 * process when that fails. Only the files whose contents have changed are compiled again, if binding.gyp, Node, the
 * compiler and its flags are the same.
 */
export async function compile(folder, flags = {}) {
  requireTools();
  const variables = {
    // Undefined leaves it to node-gyp, which downloads the headers.
    npm_config_nodedir: nodedir(),
    // gyp links with the C++ compiler unless told otherwise, and there is no C++ here.
    LINK: env.LINK ?? env.CC ?? 'cc',
    ...flags,
  };
  const { platform, arch, version } = process;
  const given = ['CC', 'CFLAGS', 'CPPFLAGS', 'LDFLAGS'].map((name) => env[name]);
  const sources = digest(folder);
  const { 'binding.gyp': binding, ...files } = contents(folder);
  const key = JSON.stringify([folder, platform, arch, version, binding, given, variables]);
  const record = join(folder, 'build/objects.json');
  const before = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : {};
  const hasRun = before.key === key;
  const canRepeat = hasRun && removeOld(folder, before.files, files);
  if (!hasRun) configure(folder, variables);
  const write = (compiled) => writeFileSync(record, JSON.stringify({ key, files: compiled }));
  // Should this be ended before all is compiled, the next one compiles again what has changed.
  const isCompiled = ([name, content]) => hasRun && before.files[name] === content;
  write(Object.fromEntries(Object.entries(files).filter(isCompiled)));
  writeFileSync(join(folder, 'build/sources.h'), `#define SOURCES "${sources}"\n`);
  const options = { env: { ...env, ...variables } };
  if (!(canRepeat && (await makeAsRecorded(folder, options)))) {
    const args = ['-C', 'build', 'BUILDTYPE=Release', `-j${availableParallelism()}`];
    run(make(), args, { cwd: folder, ...options });
  }
  write(files);
  if (digest(folder) !== sources) await compile(folder, flags); // somebody saved a file meanwhile
}
