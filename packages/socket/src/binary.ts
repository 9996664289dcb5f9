/** Finds and loads the compiled C: one binary for sockets, another for what needs libuv. */
import { existsSync, readdirSync } from 'node:fs';
import module from 'node:module'; // as a whole: webpack replaces a createRequire that it knows
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAME = '@asyncore/socket';

const folder = packageFolder();
const require = module.createRequire(join(folder, 'package.json'));
// Only a checkout has this file. What is published was compared when it was packed.
const digest = join(folder, 'scripts/digest.cjs');
const compile = existsSync(digest)
  ? 'npm run setup'
  : `npx node-gyp rebuild --directory=${JSON.stringify(folder)}`;

/** This module's file: in a bundle, the bundle. One in CommonJS has no import.meta.url. */
function place(): string {
  const { url } = import.meta as { url?: string };
  if (url !== undefined) return fileURLToPath(url);
  return typeof __filename === 'string' ? __filename : resolve(process.argv[1] ?? 'bundle');
}

/**
 * The package's folder. A bundle has the code and lies elsewhere: then it is the package that is
 * installed where the bundle, or the process, is. Throws where there is none.
 */
function packageFolder(): string {
  const file = place();
  const own = dirname(dirname(file));
  if (existsSync(join(own, 'native/socket.c'))) return join(own, '/');
  for (const from of [file, resolve(process.argv[1] ?? 'bundle'), resolve('package.json')]) {
    try {
      return join(module.createRequire(from).resolve(`${NAME}/package.json`), '../');
    } catch {
      // Not there.
    }
  }
  throw new Error(
    `${NAME} is bundled in ${file}, without its binary: mark ${NAME} as external, and install it where the bundle runs. See docs/troubleshooting.md`,
  );
}

/**
 * What a binary exports. Only the tests check that this is a `T`. Throws when there is no binary for
 * this system, when the system refuses it, and in a checkout when it is made of other sources.
 */
export function loadBinary<T extends object>(name: 'socket' | 'wakeup'): T {
  if (process.platform === 'win32') {
    throw new Error(
      '@asyncore/socket does not run on Windows: it is made of BSD sockets, poll and epoll or ' +
        'kqueue. Use it on Linux or macOS, or in WSL.',
    );
  }
  let exports: T & { readonly sources: string };
  try {
    exports = require(pathOf(name));
  } catch (cause) {
    throw unloadable(cause);
  }
  if (existsSync(digest) && require(digest).digest() !== exports.sources) {
    throw new Error(
      `The binary of @asyncore/socket is not made of the C sources in ${folder}: ${compile}`,
    );
  }
  return { ...exports }; // a copy, since V8 reads properties of an object made in C slowly
}

/**
 * node-gyp-build takes the first binary that fits the system. Two fit, which lie side by side, so
 * only the name is replaced.
 */
function pathOf(name: string): string {
  const found: string = require('node-gyp-build').path(folder);
  return join(
    dirname(found),
    basename(found).replace(/(asyncore[_+])(socket|wakeup)/, `$1${name}`),
  );
}

/** Why nothing was loaded: there is no binary, or there is one and the system refuses it. */
function unloadable(cause: unknown): Error {
  try {
    readdirSync(folder); // node-gyp-build takes a folder that it cannot read for an empty one
  } catch (error) {
    return refused(error);
  }
  if (!messageOf(cause).startsWith('No native build was found')) return refused(cause);
  const { platform, arch } = process;
  return new Error(`@asyncore/socket has no binary for this ${platform} ${arch}: ${compile}`, {
    cause,
  });
}

/** The error has the code of its cause: EMFILE, for one, which may pass. */
function refused(cause: unknown): Error {
  const { code } = Object(cause) as NodeJS.ErrnoException;
  const error = new Error(`@asyncore/socket could not load its binary: ${messageOf(cause)}`, {
    cause,
  });
  return code === undefined ? error : Object.assign(error, { code });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
