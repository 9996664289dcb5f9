import { mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Lays out node_modules in `folder` with the packages of this clone, of which there may be no release yet. */
export function link(folder: string, packages: readonly string[]): void {
  const modules = join(folder, 'node_modules');
  for (const name of packages) {
    const manifest = realpathSync(fileURLToPath(import.meta.resolve(`${name}/package.json`)));
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(dirname(manifest), join(modules, name));
  }
  mkdirSync(join(modules, '.bin'));
  symlinkSync('../typescript/bin/tsc', join(modules, '.bin/tsc'));
  symlinkSync('../@biomejs/biome/bin/biome', join(modules, '.bin/biome'));
}
