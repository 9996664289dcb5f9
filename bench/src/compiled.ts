import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Compiles a C program of this package, and gives its path. */
export function compiled(source: string): string {
  const bench = join(import.meta.dirname, '..');
  const program = join(bench, 'build', basename(source, '.c'));
  mkdirSync(join(bench, 'build'), { recursive: true });
  const flags = ['-O2', '-Wall', '-Wextra', '-o', program];
  execFileSync('gcc', [...flags, join(bench, source)], { stdio: 'inherit' });
  return program;
}
