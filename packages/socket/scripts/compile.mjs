/** How the C sources become a binary: node-gyp, Node's own headers, the system's compiler. */
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
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

/** Takes away the objects that were compiled of other contents than `files` has, and the binaries. */
function removeOld(folder, before, files) {
  const changed = Object.keys(files).filter((name) => files[name] !== before[name]);
  const sameHeaders = changed.every((name) => name.endsWith('.c'));
  const objects = sameHeaders ? [...changed, 'exports.c'] : Object.keys(files); // exports.c has the digest
  for (const binary of BINARIES) {
    rmSync(join(folder, 'build/Release', binary), { force: true });
    for (const name of objects) {
      const object = join(
        `obj.target/${binary.replace('.node', '')}/native`,
        name.replace('.c', '.o'),
      );
      // Make compiles it when either is missing, however old the source seems.
      rmSync(join(folder, 'build/Release', object), { force: true });
      rmSync(join(folder, 'build/Release/.deps/Release', `${object}.d`), { force: true });
    }
  }
}

/**
 * Compiles binding.gyp of a folder, which has the C sources or a copy of them, into its build/Release; ends the
 * process when that fails. Only the files whose contents have changed are compiled again, if binding.gyp, Node, the
 * compiler and its flags are the same.
 */
export function compile(folder, flags = {}) {
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
  if (before.key === key) removeOld(folder, before.files, files);
  else configure(folder, variables);
  writeFileSync(record, JSON.stringify({ key, files }));
  writeFileSync(join(folder, 'build/sources.h'), `#define SOURCES "${sources}"\n`);
  run(make(), ['-C', 'build', 'BUILDTYPE=Release', `-j${availableParallelism()}`], {
    cwd: folder,
    env: { ...env, ...variables },
  });
  if (digest(folder) !== sources) compile(folder, flags); // somebody saved a file meanwhile
}
