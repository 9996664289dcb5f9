/**
 * The classes of smtpd (smtp_server/smtpd.ts), which CPython's own tests of it drive, of 3.11, over a bridge:
 * see smtpd_bridge.py.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { read } from '@asyncore/core';
import { smtpd } from '@asyncore/examples';
import { socketpair } from '@asyncore/socket';
import { expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000 });

/** What those tests want and is not there, and why. */
const LEFT_OUT: Record<string, string> = {
  'SMTPDChannelTest.test_attribute_deprecations': 'the aliases that smtpd has deprecated',
  'SMTPDChannelIPv6Test.test_attribute_deprecations': 'the same',
};

const CURE = 'needs the tests of CPython 3.11: apt-get install libpython3.11-testsuite';

/** A Python that has these tests. */
function tester(): string | undefined {
  const commands = [process.env.PYTHON, 'python3.11', '/usr/bin/python3.11', 'python3'];
  return commands.find((command) => {
    if (!command) return false;
    const args = ['-W', 'ignore', '-c', 'import test.test_smtpd'];
    return spawnSync(command, args, { timeout: 30_000 }).status === 0;
  });
}

it('pass CPython’s own tests of smtpd, but for what is listed', (context) => {
  const python = tester();
  context.skip(python === undefined, CURE);
  const script = fileURLToPath(new URL('smtpd_bridge.py', import.meta.url));
  const { stdout, stderr } = spawnSync(
    python as string,
    ['-B', '-W', 'ignore', script, process.execPath],
    { encoding: 'utf8', timeout: 100_000 },
  );
  expect(stderr).toBe('');
  const outcomes: Record<string, string> = JSON.parse(stdout);
  const failed = Object.entries(outcomes).filter(([name, outcome]) => {
    return !['ok', 'skipped'].includes(outcome) && LEFT_OUT[name] === undefined;
  });
  expect(Object.fromEntries(failed)).toEqual({});
  for (const name of Object.keys(LEFT_OUT)) {
    expect(outcomes[name], `${name} passes, so it is not to be left out`).not.toBe('ok');
  }
  expect(Object.keys(outcomes).length).toBeGreaterThan(150);
  // Without IPv6 those that need it are skipped.
  const passed = Object.values(outcomes).filter((outcome) => outcome === 'ok').length;
  expect(passed).toBeGreaterThan(75);
});

const MAILS: unknown[] = [];

class Taking extends smtpd.SMTPServer {
  override process_message(...[, , rcpttos, data]: unknown[]): unknown {
    MAILS.push([rcpttos, String(data)]);
    return undefined;
  }
}

/** The codes that these lines are answered with, behind those that name sender and recipient. */
function said(data_size_limit: number, ...lines: string[]): string {
  const server = new Taking(['127.0.0.1', 0], ['127.0.0.1', 0]);
  server.close();
  MAILS.length = 0;
  const [ours, theirs] = socketpair();
  const channel = new smtpd.SMTPChannel(server, ours, 'peer', { data_size_limit });
  for (const line of ['HELO me', 'MAIL FROM:<a@b>', 'RCPT TO:<c@d>', ...lines]) {
    channel.recv = () => Buffer.from(`${line}\r\n`, 'latin1');
    read(channel);
  }
  const text = String(theirs.recv(65536));
  channel.close();
  theirs.close();
  return Array.from(text.matchAll(/^(\d{3}) /gm), ([, code]) => code)
    .slice(4)
    .join(' ');
}

it('put right what smtpd has wrong', () => {
  expect(said(0, 'DATA', '.', 'NOOP')).toBe('354 250 250');
  expect(MAILS).toEqual([[['c@d'], '']]);
  expect(said(0, 'RSET', 'MAIL FROM:<\xff@x>', 'NOOP')).toBe('250 500 250');
  expect(said(0, 'DATA', '..', '.x', '...', '.')).toBe('354 250');
  expect(MAILS).toEqual([[['c@d'], '.\nx\n..']]);
});

it('a mail over the limit is refused, and the session goes on', () => {
  const x = (count: number) => 'x'.repeat(count);
  expect(said(20, 'DATA', x(20), '.', 'NOOP')).toBe('354 250 250');
  expect(said(20, 'DATA', x(21), '.', 'NOOP')).toBe('354 552 250');
  expect(said(20, 'DATA', x(9), x(9), '.', 'NOOP')).toBe('354 250 250');
  expect(said(20, 'DATA', x(9), x(10), '.', 'NOOP')).toBe('354 552 250');
  expect(said(20, 'DATA', ...Array(9).fill(x(9)), '.', 'NOOP')).toBe('354 552 250');
});
