import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { start } from './example.js';
import { printing } from './printing.js';
import { Client } from './service.js';

const original = fileURLToPath(new URL('../../../docs/porting/log_relay.py', import.meta.url));
const ports = ['--udp', '0', '--tcp', '0'];

function startPython(context: TestContext): ChildProcessWithoutNullStreams {
  const python = referee('asyncore');
  context.skip(!python, NO_REFEREE);
  const child = spawn(python as string, ['-u', '-W', 'ignore', original, ...ports]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe.each([
  ['the original', startPython],
  ['the port', () => start('log_relay', ...ports)],
])('%s', (_, run) => {
  async function relay(context: TestContext) {
    const printed = printing(run(context));
    const [, udp, tcp] = /UDP port (\d+), .*TCP port (\d+)\n/.exec(await printed('\n')) ?? [];
    const socket = createSocket('udp4');
    onTestFinished(() => void socket.close());
    socket.connect(Number(udp), '127.0.0.1');
    await once(socket, 'connect');
    return { printed, tcp: Number(tcp), log: (line: string) => socket.send(line) };
  }

  it('shows a viewer the lines it asked for, and answers its commands', async (context) => {
    const { printed, tcp, log } = await relay(context);
    const viewer = new Client(tcp);
    viewer.say('grep disk\r\n');
    await viewer.until(/\+/);
    for (const line of ['disk sda1 full\n', 'fan slow', 'disk sdb1 full']) log(line);
    await viewer.until(/sdb1/);
    viewer.say('count\n\nhelp me\nquit\n');
    expect(await viewer.until(/never/)).toBe(
      [
        '+ lines with "disk"',
        '127.0.0.1 disk sda1 full',
        '127.0.0.1 disk sdb1 full',
        '+ 3 so far',
        '- what is help? grep, count, quit',
        '+ bye',
        '',
      ].join('\r\n'),
    );
    expect(await printed('viewer from')).toContain('info: a viewer from 127.0.0.1\n');
  });

  it('goes on when a viewer has gone, and tells of every hundred lines', async (context) => {
    const { printed, tcp, log } = await relay(context);
    const gone = new Client(tcp);
    gone.say('count\n');
    await gone.until(/so far/);
    gone.socket.destroy();
    const viewer = new Client(tcp);
    viewer.say('count\n');
    await viewer.until(/so far/);
    for (let i = 1; i <= 100; i++) {
      log(`line ${i}.`);
      await viewer.until(new RegExp(`line ${i}\\.`));
    }
    expect(await printed('100 lines\n')).toContain('\n100 lines\n');
  });
});
