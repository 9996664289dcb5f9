/** Compiles shim.c with the machine's C compiler. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CALLS } from './calls.mjs';

/** Why this machine cannot sweep and what would help, or null. */
export function missing() {
  if (process.platform !== 'linux')
    return 'the sweep preloads a library, which it does on Linux only';
  const { error } = spawnSync(process.env.CC ?? 'cc', ['--version']);
  if (error) {
    return `the sweep needs a C compiler (${error.message}): apt install gcc libc6-dev, or CC=PATH`;
  }
  return null;
}

/** Compiles the shim into `folder`, and gives the library's path. Throws what the compiler says. */
export function compileShim(folder) {
  const library = join(folder, 'shim.so');
  const args = [
    ...['-O2', '-Wall', '-Wextra', '-Werror', '-Wno-maybe-uninitialized', '-shared', '-fPIC'],
    `-DCALLS=${CALLS.map((name) => `X(${name})`).join(' ')}`,
    ...['-o', library, join(import.meta.dirname, 'shim.c'), '-ldl'],
  ];
  const { status, stderr } = spawnSync(process.env.CC ?? 'cc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return library;
}
