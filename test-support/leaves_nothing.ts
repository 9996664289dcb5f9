/** What channels of a package leave behind when their process, or their thread, comes to its end. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { onEveryPoller, type UsePoll } from './stage.js';

const unable = process.platform === 'linux' ? '' : ' (runs on Linux)';

/**
 * Declares the tests. `program` gives the source of a function `run(told)` that has channels in `map` at
 * work in a loop, and calls `told` in a handler; `close_all` is there for it too.
 */
export function leavesNothing(program: (use_poll: UsePoll) => string): void {
  const source = (use_poll: UsePoll) => `
    import { readdirSync } from 'node:fs';
    import { parentPort, Worker } from 'node:worker_threads';
    import { close_all, dispatcher, loop } from '${import.meta.resolve('@asyncore/core')}';
    const map = new Map();
    const open = () => readdirSync('/proc/self/fd').length;
    console.log('begins'); // opens stdout
    ${program(use_poll)}\n`;

  /** What the program and then `end` print, and the exit code. */
  function outcome(use_poll: UsePoll, end: string) {
    const begin = source(use_poll);
    const { stdout, status } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', begin + end.replaceAll('SOURCE', JSON.stringify(begin))],
      { encoding: 'utf8', timeout: 60_000 },
    );
    return [stdout, status];
  }

  describe.skipIf(unable !== '')(`what is open${unable}`, () => {
    onEveryPoller((use_poll) => {
      it('a process ends by itself when they are closed', () => {
        const end = `
        await run(() => close_all(map)); // Node opens something once for streams
        await new Promise((nothingLeft) => process.once('beforeExit', nothingLeft));
        const before = open();
        await run(() => close_all(map));
        process.on('exit', () => console.log(open() - before, map.size));`;
        expect(outcome(use_poll, end)).toEqual(['begins\n0 0\n', 0]);
      });

      it('a process may exit in the midst of them', () => {
        expect(outcome(use_poll, 'await run(() => process.exit(7));')).toEqual(['begins\n', 7]);
      });

      it('a thread that is terminated leaves nothing', () => {
        const end = `
        const thread = async () => {
          const source = SOURCE + 'await run(() => parentPort.postMessage(0));';
          const url = new URL('data:text/javascript,' + encodeURIComponent(source));
          const worker = new Worker(url, { stdout: true });
          worker.on('error', (error) => console.log(error));
          await new Promise((told) => worker.once('message', told));
          await worker.terminate();
        };
        await thread();
        const before = open();
        for (let i = 0; i < 3; i++) await thread();
        console.log(open() - before);`;
        expect(outcome(use_poll, end)).toEqual(['begins\n0\n', 0]);
      });
    });
  });
}
