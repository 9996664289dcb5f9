/** V8's garbage collection, which Node itself has only with a flag. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/**
 * Collects all garbage, at once. Finalizers run later: see `collect`.
 *
 * @type {() => void}
 */
export const gc = runInNewContext('gc');

/** Collects all garbage, and lets finalizers run, which close forgotten sockets. */
export async function collect(turns = 3) {
  for (let turn = 0; turn < turns; turn++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
