/** What file channels leave behind when their process, or their thread, comes to its end. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { onEveryPoller, type UsePoll } from '../support.js';

/**
 * A regular file copied through a pipe by channels in a `map`, which calls `told` at its end; then
 * `end`. Told: what it prints, and the exit code.
 */
function outcome(use_poll: UsePoll, end: string) {
  const copy = `
    import { readdirSync } from 'node:fs';
    import { open } from 'node:fs/promises';
    import { parentPort, Worker } from 'node:worker_threads';
    import { close_all, loop } from '${import.meta.resolve('@asyncore/core')}';
    import { file_dispatcher } from '${import.meta.resolve('@asyncore/file')}';
    import { close, pipe } from '${import.meta.resolve('@asyncore/socket')}';
    const map = new Map();
    const copy = async (told) => {
      const file = await open(${JSON.stringify(import.meta.filename)});
      const [reader, writer] = pipe();
      const [from, into, out] = [file, writer, reader].map((each) => new file_dispatcher(each, map));
      for (const fd of [reader, writer]) close(fd);
      from.timeout = 60;
      from.writable = out.writable = into.readable = () => false;
      from.handle_read = () => {
        const data = from.recv(1000);
        if (data.length > 0) into.send(data);
      };
      from.handle_close = () => told();
      out.handle_read = () => void out.recv(1000);
      into.writable = () => false;
      await loop({ use_poll: ${use_poll}, map });
      await file.close();
    };
    const descriptors = () => readdirSync('/proc/self/fd').length;
    console.log('begins'); // opens stdout
    `;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', copy + end.replaceAll('COPY', JSON.stringify(copy))],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return [stdout, status];
}

const unable = process.platform === 'linux' ? '' : ' (runs on Linux)';

describe.skipIf(unable !== '')(`what is open${unable}`, () => {
  onEveryPoller((use_poll) => {
    it('a process ends by itself when they are closed', () => {
      const end = `
      await copy(() => close_all(map));
      const before = descriptors();
      await copy(() => close_all(map));
      process.on('exit', () => console.log(descriptors() - before, map.size));`;
      expect(outcome(use_poll, end)).toEqual(['begins\n0 0\n', 0]);
    });

    it('a process may exit in the midst of them', () => {
      expect(outcome(use_poll, 'await copy(() => process.exit(7));')).toEqual(['begins\n', 7]);
    });

    it('a thread that is terminated leaves nothing', () => {
      const end = `
      const thread = async () => {
        const source = COPY + 'await copy(() => parentPort.postMessage(0));';
        const url = new URL('data:text/javascript,' + encodeURIComponent(source));
        const worker = new Worker(url, { stdout: true });
        worker.on('error', (error) => console.log(error));
        await new Promise((told) => worker.once('message', told));
        await worker.terminate();
      };
      await thread();
      const before = descriptors();
      for (let i = 0; i < 3; i++) await thread();
      console.log(descriptors() - before);`;
      expect(outcome(use_poll, end)).toEqual(['begins\n0\n', 0]);
    });
  });
});
