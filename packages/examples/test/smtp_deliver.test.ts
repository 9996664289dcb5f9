/** What smtp_server does with a mail beside keeping it: prints it, or passes it on to another server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { close_all, loop } from '@asyncore/core';
import { type Deliver, type Mail, printed, relayTo, SMTPServer } from '@asyncore/examples';
import type { InetAddress } from '@asyncore/socket';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { run, serverFor, unusedPort } from './example.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => close_all());

const mail = (text: string, isUtf8 = false): Mail => ({
  sender: 'a@x',
  recipients: ['b@x', 'c@x'],
  data: Buffer.from(text),
  text: Buffer.from(text),
  peer: '192.0.2.1',
  isUtf8,
});

/** What is answered to a mail, by a server of this process that delivers so. */
async function answerTo(deliver: Deliver, text = 'Subject: a\r\n\r\nb\r\n'): Promise<string> {
  const server = new SMTPServer('127.0.0.1', 0, deliver);
  const running = loop();
  const client = new Client((server.getsockname() as InetAddress)[1]);
  client.say(`HELO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n${text}.\r\nNOOP\r\nQUIT\r\n`);
  const said = await client.until(/never/);
  server.close();
  await running;
  return said.split('\r\n').slice(5).join('\n');
}

it('prints a mail as Python’s DebuggingServer, with control characters as codes', () => {
  const lines: string[] = [];
  printed((line) => lines.push(line))(mail('Subject: ü\r\n\r\nHello\x1b[31m\r\n\r\nbye\r\n'));
  expect(lines).toEqual([
    '---------- MESSAGE FOLLOWS ----------',
    'Subject: ü',
    'X-Peer: 192.0.2.1',
    '',
    'Hello\\x1b[31m',
    '',
    'bye',
    '------------ END MESSAGE ------------',
  ]);
});

it('answers what delivery says, now or later', async () => {
  expect(await answerTo(() => '250 Okish')).toBe(`250 Okish\n250 fine\n221 ${hostname()} closes\n`);
  expect(await answerTo(async () => '451 later')).toMatch(/^451 later\n250 fine\n221/);
  const mails: Mail[] = [];
  expect(await answerTo((mail) => mails.push(mail))).toMatch(/^250 kept\n/); // it gives a number
  expect(await answerTo(async () => undefined)).toMatch(/^250 kept\n250 fine\n221/);
  expect(await answerTo(() => Promise.reject(new Error('no space left')))).toMatch(
    /^452 cannot keep it now\n250 fine\n221/,
  );
});

it('passes a mail on, and its answer back', async () => {
  const file = join(folder, 'sink');
  const next = await example('smtp_server', '--sink', file);
  const relay = await example('smtp_server', '--relay', `127.0.0.1:${next.port}`);
  const client = new Client(relay.port);
  const utf8 = Buffer.from('ö@x').toString('latin1');
  client.say(
    `EHLO me\r\nMAIL FROM:<a@x> SMTPUTF8\r\nRCPT TO:<${utf8}>\r\nRCPT TO:<c@x>\r\nDATA\r\nA: b\r\n\r\n..x\r\n\xff\0\r\n.\r\nQUIT\r\n`,
  );
  expect(await client.until(/never/)).toMatch(/^250 passed on\r$/m);
  const { data_b64, ...envelope } = JSON.parse(readFileSync(file, 'utf8'));
  expect(envelope).toEqual({ mailfrom: 'a@x', rcpttos: ['ö@x', 'c@x'] });
  expect(Buffer.from(data_b64, 'base64').toString('latin1')).toBe(
    'A: b\r\nX-Peer: 127.0.0.1\r\n\r\n.x\r\n\xff\0\r\n',
  );
});

/** A server that says these lines, one to each that comes. */
function saying(...lines: string[]): Promise<number> {
  return serverFor((socket) => {
    const left = [...lines];
    const say = () => {
      const line = left.shift();
      if (line === undefined) socket.destroy();
      else socket.write(`${line}\r\n`);
    };
    socket.on('error', () => {}).on('data', say);
    say();
  });
}

it.each([
  ['refuses the sender', ['220 hi', '250 me', '550 no'], '550 no'],
  ['refuses every recipient', ['220 hi', '250 me', '250', '550 not b', '551 not c'], '551 not c'],
  [
    'refuses one of two',
    ['220 hi', '250 me', '250 ok', '550 not b', '250 ok', '354', '250 ok'],
    '250 passed on',
  ],
  [
    'refuses the mail',
    ['220 hi', '250 me', '250 ok', '250 ok', '250 ok', '354 go', '554 spam'],
    '554 spam',
  ],
  [
    'knows HELO only',
    ['220 hi', '502 what', '250 me', '250 ok', '250 ok', '250 ok', '354 go', '250 ok'],
    '250 passed on',
  ],
  ['ends in the middle', ['220 hi', '250 me'], '451 the next server does not answer'],
  ['says nonsense', ['220 hi', 'SSH-2.0'], '451 the next server does not answer'],
])('tells the client when the next server %s', async (_, lines, answer) => {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const deliver = relayTo('127.0.0.1', await saying(...lines));
  const answered = deliver(mail('a\r\n'));
  const running = loop();
  expect(await answered).toBe(answer);
  close_all();
  await running;
  vi.restoreAllMocks();
});

it('tells the client when there is no next server, or one without UTF-8', async () => {
  expect(await answerTo(relayTo('127.0.0.1', await unusedPort()))).toMatch(/^451 /);
  const deliver = relayTo('127.0.0.1', await saying('220 hi', '250 me'));
  const answered = deliver(mail('a\r\n', true));
  const running = loop();
  expect(await answered).toBe('550 the next server does not take UTF-8');
  await running;
});

it.each(['', '--print --sink x', '--relay nowhere', '--relay'])(
  'says in one line what is wrong with %j',
  async (args) => {
    const { code, stderr } = await run('smtp_server', ...args.split(' ').filter(Boolean));
    expect(stderr).toMatch(/^smtp_server: .*\n$/);
    expect(code).toBe(1);
  },
);
