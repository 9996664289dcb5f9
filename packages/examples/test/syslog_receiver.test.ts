import { type ChildProcessWithoutNullStreams, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { expect, it, onTestFinished, vi } from 'vitest';
import { start } from './example.js';
import { printing } from './printing.js';
import { Client, need } from './service.js';

vi.setConfig({ testTimeout: 60_000 });

async function receiver(): Promise<{
  child: ChildProcessWithoutNullStreams;
  until: (text: string) => Promise<unknown>;
  udp: number;
  tcp: number;
}> {
  const child = start('syslog_receiver', '--udp', '0', '--tcp', '0');
  const until = printing(child);
  const line = String(await until('TCP port '));
  const [, udp, tcp] = /UDP port (\d+), TCP port (\d+)/.exec(line) ?? [];
  return { child, until, udp: Number(udp), tcp: Number(tcp) };
}

it('prints facility, severity and text of a datagram, and nothing that forges a line', async () => {
  const { until, udp } = await receiver();
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  for (const [message, line] of [
    ['<34>su: failed', '127.0.0.1 auth.crit su: failed\n'],
    ['<191>last', '127.0.0.1 local7.debug last\n'],
    ['<192>no priority', '127.0.0.1 user.notice <192>no priority\n'],
    ['bare', '127.0.0.1 user.notice bare\n'],
    ['<13>a\nb\x1b[2J\u202e', '127.0.0.1 user.notice a\\x0ab\\x1b[2J\\x202e\n'],
  ]) {
    const printed = until(line);
    socket.send(message, udp, '127.0.0.1');
    await printed;
  }
});

it('takes messages by line and by length on one connection, cut anywhere', async () => {
  const { until, tcp } = await receiver();
  const client = new Client(tcp);
  const said = '<13>one\n7 <14>two\n\n10 <15>three\n<13>four\n';
  const printed = until('user.notice four\n');
  for (const byte of Buffer.from(said)) {
    client.say(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await printed;
  await until('user.info two');
  await until('user.debug three');
});

it.each([
  ['a length that is none', '12x <13>hello'],
  ['a length beyond the limit', '99999999 <13>'],
  ['a line without end', `<13>${'x'.repeat(70_000)}`],
])('closes on %s', async (_, said) => {
  const { tcp } = await receiver();
  const client = new Client(tcp);
  client.say(said);
  await client.until(/(?!)/);
  expect(client.closed).toBe(true);
});

it('takes what logger sends', async (context) => {
  need(context, 'logger', 'bsdutils');
  const { until, udp, tcp } = await receiver();
  for (const args of [
    ['--udp', '--port', `${udp}`, '--rfc3164'],
    ['--tcp', '--port', `${tcp}`, '--rfc5424', '--octet-count'],
  ]) {
    const text = `sent with ${args[0]}`;
    const printed = until(text);
    const how = ['--server', '127.0.0.1', ...args, '--priority', 'user.warning'];
    expect(spawnSync('logger', [...how, text], { encoding: 'utf8' }).stderr).toBe('');
    await printed;
  }
});
