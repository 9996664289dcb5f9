import { readFileSync } from 'node:fs';

/** Where a thread notes the first copy of this package: its module, without what a tool adds to the URL. */
const mark = Symbol.for('asyncore.core');

/**
 * Warns when another copy of this package is loaded in this thread already. Each copy has a
 * `socket_map` and a `loop` of its own, so a channel of one is never served by the loop of the other.
 */
export function warnOfAnotherCopy(): void {
  const copies = globalThis as { [mark]?: string };
  const { url = 'a bundle' } = import.meta as { url?: string }; // one in CommonJS has none
  const here = url.replace(/[?#].*/, '');
  const first = copies[mark];
  if (first === undefined) {
    Object.defineProperty(globalThis, mark, { value: here });
  } else if (first !== here) {
    process.emitWarning(
      `two copies of @asyncore/core are loaded, ${versionOf(first)} and ${versionOf(here)}: channels of one are not served by the loop of the other. See "npm ls @asyncore/core"`,
    );
  }
}

/** Of the copy to which a module in dist belongs; where it lies, if a bundle has no package.json. */
function versionOf(module: string): string {
  try {
    return JSON.parse(readFileSync(new URL('../package.json', module), 'utf8')).version;
  } catch {
    return module;
  }
}
