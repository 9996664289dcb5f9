import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Random } from '@asyncore/test-support/random';
import { expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { run, start, unusedPort } from './example.js';
import { input } from './fuzz_attack.js';
import { printing } from './printing.js';

vi.setConfig({ testTimeout: 60_000 });

const GROUP = '239.255.42.98';

async function needMulticast(context: TestContext): Promise<void> {
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let failure = '';
  try {
    socket.addMembership(GROUP, '127.0.0.1');
  } catch (error) {
    failure = (error as Error).message;
  }
  context.skip(failure !== '', `needs multicast on the loopback interface: ${failure}`);
}

function member(name: string, port: number, every = 0.1) {
  const args = ['--name', name, '--port', `${port}`, '--interface', '127.0.0.1'];
  const child = start('multicast_discovery', ...args, '--every', `${every}`);
  return { child, until: printing(child) };
}

it('tells who comes and who goes', async (context) => {
  await needMulticast(context);
  const port = await unusedPort();
  const first = member('first', port);
  await first.until('first looks for others');
  const second = member('second.host-2', port);
  await Promise.all([first.until('+ second.host-2 at 127.0.0.1:'), second.until('+ first at ')]);
  second.child.kill('SIGKILL');
  await first.until('- second.host-2 at ');
});

it('prints no name that could forge a line, and not its own', async (context) => {
  await needMulticast(context);
  const port = await unusedPort();
  const { until, child } = member('me', port, 10);
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await until('me looks for others');
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  for (const name of ['a\nb', '', 'x'.repeat(65), 'me', 'grüß', 'last']) {
    socket.send(`asyncore here: ${name}`, port, GROUP);
  }
  await until('+ last at ');
  expect(text.match(/^[+-] .*$/gm)?.length).toBe(1);
});

it('survives random and mutated datagrams, and prints names only', async (context) => {
  await needMulticast(context);
  const port = await unusedPort();
  const { until, child } = member('me', port, 10);
  const printed = await until('me looks for others');
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.setMulticastInterface('127.0.0.1');
  const random = new Random(Number(process.env.ASYNCORE_FUZZ_SEED ?? Date.now() % 2 ** 32));
  const words = ['asyncore here: ', 'peer-1', 'x'.repeat(64), '\n', '\0', '\xff', '+ forged at'];
  for (let count = 0; count < 300; count++) {
    const datagram = input(random, words).subarray(0, 1400);
    await new Promise((sent) => socket.send(datagram, port, GROUP, sent));
  }
  // UDP may lose it.
  const again = setInterval(() => socket.send('asyncore here: last', port, GROUP), 50);
  onTestFinished(() => clearInterval(again));
  const lines = (await until('+ last at ')).slice(printed.length).trimEnd().split('\n');
  expect(lines.filter((line) => !/^\+ [\w.-]{1,64} at [\d.:]+$/.test(line))).toEqual([]);
  expect([child.exitCode, child.signalCode]).toEqual([null, null]);
});

it.each([
  [['--every', '0'], '--every must be a number of seconds'],
  [['--name', 'a b'], '--name must have 1 to 64 letters, digits, dots, dashes and underscores'],
])('refuses %j', async (args, message) => {
  const { stderr } = await run('multicast_discovery', ...args);
  expect(stderr).toBe(`multicast_discovery: ${message}\n`);
});
