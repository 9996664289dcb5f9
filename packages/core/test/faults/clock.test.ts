/** The wall clock stepping, by years: the loop goes by the one that cannot be set. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onEveryPoller, own } from '../support.js';
import { Program } from './programs.js';

const library = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
].find(existsSync);
const unable = library ? '' : ' (runs where libfaketime is: apt-get install faketime)';

/** Runs a program that can `step` its wall clock to a date. */
function atTheMercyOfClocks(body: string): Program {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  own({ close: () => rmSync(folder, { recursive: true }) });
  const clock = join(folder, 'clock');
  return new Program(
    `import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    import { dispatcher, loop, poll, poll2, socket_map } from '@asyncore/core';
    import { errno, OSError, Socket, socketpair } from '@asyncore/socket';
    const clock = '${clock}';
    const step = (year) => {
      writeFileSync(clock, \`@\${year}-01-01 00:00:00\`);
      while (new Date().getFullYear() !== year);
    };
    const [ours, peer] = socketpair();
    const quiet = new dispatcher(ours);
    quiet.handle_read = () => console.log(String(quiet.recv(10)));
    const lasts = async (pass) => {
      const start = process.hrtime.bigint();
      await pass();
      const took = Number(process.hrtime.bigint() - start) / 1e9;
      console.log(took > 0.09 && took < 2 ? 'right' : took);
    };
    step(2030);
    ${body}
    process.exit();`,
    'exec "$@"',
    {
      LD_PRELOAD: library,
      '@ASYNCORE/SOCKET_PREBUILD': undefined, // it does not go together with the sanitizers
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  );
}

describe.skipIf(unable !== '')(`the wall clock${unable}`, () => {
  onEveryPoller((use_poll) => {
    it.each([2000, 2037])(
      'stepping to %i during a pass does not change how long it waits',
      async (year) => {
        const program = atTheMercyOfClocks(`
        setTimeout(step, 20, ${year});
        await lasts(() => loop({ use_poll: ${use_poll}, timeout: 0.1, count: 1 }));`);
        expect(await program.rest()).toEqual(['right']);
      },
    );
  });

  it.each(['poll', 'poll2'])('having stepped does not change how long %s blocks', async (pass) => {
    const program = atTheMercyOfClocks(`
      ${pass}(0);
      step(2000);
      await lasts(() => ${pass}(0.1));`);
    expect(await program.rest()).toEqual(['right']);
  });

  it.each([
    ['poll', 2000],
    ['poll2', 2037],
  ])('while %s blocks, stepping to %i and a signal do not change how long', async (pass, year) => {
    const program = atTheMercyOfClocks(`
      process.on('SIGUSR2', () => {});
      const change = 'sleep 0.03; echo "$1" > "$2"; kill -USR2 $PPID';
      spawn('sh', ['-c', change, 'sh', '@${year}-01-01 00:00:00', clock], { stdio: 'ignore' });
      await lasts(() => ${pass}(0.1));`);
    expect(await program.rest()).toEqual(['right']);
  });

  // In a loop a timer ends the rest; a synchronous pass looks at the clock.
  describe.each(['poll', 'poll2'])('stepping between calls of %s', (pass) => {
    it.each([2000, 2037])('to %i does not keep a resting listener from going on', async (year) => {
      const program = atTheMercyOfClocks(`
        const server = new dispatcher();
        server.create_socket();
        server.bind(['127.0.0.1', 0]);
        server.listen();
        server.log_info = () => {};
        server.handle_accepted = (sock) => {
          sock.close();
          server.close();
        };
        const { socket } = server;
        socket.accept = () => {
          delete socket.accept;
          throw new OSError('accept', errno.EMFILE);
        };
        new Socket().connect_ex(server.getsockname());
        await lasts(() => {
          ${pass}(1);
          step(${year});
          for (let i = 0; i < 300 && server.accepting; i++) ${pass}(0.01);
        });`);
      expect(await program.rest()).toEqual(['right']);
    });
  });
});
