/** How the C sources become a binary: node-gyp, Node's own headers, the system's compiler. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { digest } from './digest.cjs';

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

/** Compiles binding.gyp of a folder into its build/Release; ends the process when that fails. */
export function compile(folder, flags = {}) {
  requireTools();
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      gyp,
      'rebuild',
      `--directory=${folder}`,
      '--jobs=max',
      '--',
      ...FORMATS,
      `-Dsources_digest=${digest()}`,
    ],
    {
      encoding: 'utf8',
      env: {
        ...env,
        // Undefined leaves it to node-gyp, which downloads the headers.
        npm_config_nodedir: nodedir(),
        // gyp links with the C++ compiler unless told otherwise, and there is no C++ here.
        LINK: env.LINK ?? env.CC ?? 'cc',
        ...flags,
      },
    },
  );
  if (status === 0) {
    // Where clangd looks for it.
    const commands = 'compile_commands.json';
    renameSync(join(folder, 'build/Release', commands), join(folder, 'build', commands));
    return;
  }
  process.stderr.write(stdout + stderr);
  process.exit(1);
}
