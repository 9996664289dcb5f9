/** What conversations leave behind when their process, or their thread, comes to its end. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { onEveryPoller, type UsePoll } from '../support.js';

/**
 * An echo of lines and its client, in a `map` of their own; then `end`, with `received` that
 * resolves after some data. Told: what is still open, and the exit code.
 */
function outcome(use_poll: UsePoll, end: string) {
  const talk = `
    import { createReadStream, readdirSync } from 'node:fs';
    import { isMainThread, parentPort, Worker } from 'node:worker_threads';
    import { async_chat } from '${import.meta.resolve('@asyncore/chat')}';
    import { close_all, dispatcher, loop } from '${import.meta.resolve('@asyncore/core')}';
    const map = new Map();
    const talk = (told) => {
      const server = new dispatcher(null, map);
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen();
      server.handle_accepted = (sock) => {
        const echo = new async_chat(sock, map);
        echo.timeout = 60;
        echo.set_terminator('\\n');
        echo.collect_incoming_data = (data) => echo._collect_incoming_data(data);
        echo.found_terminator = () => {
          echo.push(echo._get_data());
          echo.push_with_producer(createReadStream('/dev/zero'));
        };
      };
      const client = new async_chat(null, map);
      client.log_info = () => {};
      client.create_socket();
      client.connect(server.getsockname());
      client.handle_connect = () => client.push(Buffer.from('hello\\nand a half'));
      client.set_terminator(1e6);
      client.collect_incoming_data = () => {};
      client.found_terminator = told;
      return loop({ use_poll: ${use_poll}, map });
    };
    const open = () => readdirSync('/proc/self/fd').length;
    console.log('begins'); // opens stdout`;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `${talk}\n${end.replaceAll('TALK', JSON.stringify(talk))}`],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return [stdout, status];
}

const unable = process.platform === 'linux' ? '' : ' (runs on Linux)';

describe.skipIf(unable !== '')(`what is open${unable}`, () => {
  onEveryPoller((use_poll) => {
    it('a process ends by itself when they are closed', () => {
      const end = `
      await talk(() => close_all(map)); // what Node opens once for streams
      await new Promise((resolve) => setTimeout(resolve, 10));
      const before = open();
      await talk(() => close_all(map));
      process.on('exit', () => console.log(open() - before, map.size));`;
      expect(outcome(use_poll, end)).toEqual(['begins\n0 0\n', 0]);
    });

    it('a process may exit in the midst of them', () => {
      expect(outcome(use_poll, 'await talk(() => process.exit(7));')).toEqual(['begins\n', 7]);
    });

    it('a thread that is terminated leaves nothing', () => {
      const end = `
      const thread = async () => {
        const source = TALK + '\\nawait talk(() => parentPort.postMessage(0));';
        const url = new URL('data:text/javascript,' + encodeURIComponent(source));
        const worker = new Worker(url, { stdout: true });
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
