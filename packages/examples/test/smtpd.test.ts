/**
 * smtp_server beside CPython's smtpd, of 3.11, the last one: the same lines to both. What the answers
 * begin with must be the same, but for the differences that are listed with their reasons.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Mail, SMTPHandler, SMTPServer } from '@asyncore/examples';
import type { Socket } from '@asyncore/socket';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { answersTo } from './fed.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const LIMIT = 1048;

/** Why an answer is another one than smtpd's. */
const REASONS = {
  again: 'RFC 5321, 4.1.4: a second EHLO begins anew; smtpd refuses it with 503',
  help: 'HELP is not there: 500 where smtpd explains its commands',
  noop: 'RFC 5321, 4.1.1.9: NOOP may have an argument; smtpd refuses it with 501',
  quit: 'QUIT and RSET do not look at what follows them',
  order: 'the order of checks: what is missing is told before what is malformed',
  brackets: 'RFC 5321, 4.1.2: an address has angle brackets; smtpd takes one without',
  helo: 'parameters are understood after HELO too',
  length: 'a line may have 2,048 bytes; in smtpd 512, and 26 more for SIZE',
  vrfy: 'VRFY alone is answered as with an address, which tells nobody anything',
  expn: '500 for what is not there; 502 in smtpd',
  nobody: 'nobody is no recipient; smtpd takes RCPT TO:<>',
  size: 'a SIZE that is no number is 555, as any parameter that is not understood',
  body: 'a BODY that is not known is 555, as any parameter that is not understood',
  text: 'smtpd drops the last line end of a mail, ours keeps each line',
  stuck: 'smtpd stays in DATA after 552, and takes the next commands for text',
  empty: 'smtpd waits for ever after an empty mail: its end has to come behind a line end',
  bytes: 'smtpd closes on bytes that are not UTF-8; here they are refused',
} as const;

interface Dialogue {
  lines: string[];
  /** What differs, by the number of the line. */
  differs?: Record<number, keyof typeof REASONS>;
  /** What differs in the mails. */
  mails?: keyof typeof REASONS;
  utf8?: boolean;
}

const HELO = 'HELO example';
const EHLO = 'EHLO example';
const FROM = 'MAIL From:<eggs@example>';
const TO = 'RCPT To:<spam@example>';

const dialogues: Record<string, Dialogue> = {
  'an empty line': { lines: [''] },
  EHLO: { lines: [EHLO] },
  'EHLO without a name': { lines: ['EHLO', 'EHLO '] },
  'EHLO twice': { lines: [EHLO, EHLO], differs: { 1: 'again' } },
  'EHLO, HELO': { lines: [EHLO, HELO], differs: { 1: 'again' } },
  HELO: { lines: [HELO] },
  'HELO without a name': { lines: ['HELO'] },
  'HELO, EHLO': { lines: [HELO, EHLO], differs: { 1: 'again' } },
  HELP: { lines: ['HELP', 'HELP MAIL'], differs: { 0: 'help', 1: 'help' } },
  NOOP: { lines: ['NOOP', HELO, 'NOOP'] },
  'NOOP with an argument': { lines: ['NOOP hi'], differs: { 0: 'noop' } },
  QUIT: { lines: ['QUIT'] },
  'QUIT with an argument': { lines: ['QUIT bye bye'] },
  'a parameter after HELO': {
    lines: [HELO, 'MAIL from:<foo@example.com> SIZE=1234'],
    differs: { 1: 'helo' },
  },
  'spaces behind the colon': { lines: [HELO, 'MAIL from:   <foo@example.com>', 'RCPT to: <b@c>'] },
  'spaces behind the colon, and a size': {
    lines: [EHLO, 'MAIL from:   <foo@example.com> size=20'],
  },
  'a line of 600 bytes': {
    lines: [HELO, `MAIL from:<${'a'.repeat(600)}@example>`],
    differs: { 1: 'length' },
  },
  'a line of 3,000 bytes': { lines: [HELO, `MAIL from:<${'a'.repeat(3000)}@example>`] },
  'SMTPUTF8 where it is known': {
    lines: [EHLO, 'MAIL FROM:<naive@example.com> BODY=8BITMIME SMTPUTF8'],
    utf8: true,
  },
  'SMTPUTF8 with a value': {
    lines: [EHLO, 'MAIL FROM:<naive@example.com> SMTPUTF8=x'],
    utf8: true,
    differs: { 1: 'size' },
  },
  'an address in UTF-8': {
    lines: [
      EHLO,
      `MAIL FROM:<${Buffer.from('é@ü').toString('latin1')}> SMTPUTF8`,
      `RCPT TO:<${Buffer.from('ö@ü').toString('latin1')}>`,
    ],
    utf8: true,
  },
  'BODY of each kind': {
    lines: [
      EHLO,
      `${FROM} BODY=7BIT`,
      'RSET',
      `${FROM} BODY=8BITMIME`,
      'RSET',
      `${FROM} BODY=9BIT`,
    ],
    differs: { 5: 'body' },
  },
  'a size that fits': { lines: [EHLO, 'MAIL FROM:<eggs@example> SIZE=512'] },
  'a size that is too big': { lines: [EHLO, `MAIL FROM:<eggs@example> SIZE=${2 * LIMIT}`, FROM] },
  'a size that is none': {
    lines: [EHLO, 'MAIL FROM:<eggs@example> SIZE=invalid'],
    differs: { 1: 'size' },
  },
  'parameters that nobody knows': {
    lines: [EHLO, `${FROM} ham=green`, FROM, `${TO} ham=green`],
  },
  'RCPT before MAIL': { lines: [HELO, TO] },
  'MAIL without a colon': { lines: [HELO, 'MAIL from eggs@example'] },
  'MAIL without an address': { lines: [HELO, 'MAIL', 'MAIL from:', 'MAIL to:<a@b>'] },
  'MAIL from nobody': { lines: [EHLO, 'MAIL from:<>', TO] },
  'a quoted part': { lines: [EHLO, 'MAIL from: <"Fred Blogs"@example.com> SIZE=1000'] },
  'an address without brackets': {
    lines: [EHLO, 'MAIL from:eggs@example', 'MAIL from: "Fred Blogs"@example.com SIZE=1000'],
    differs: { 1: 'brackets', 2: 'brackets' },
  },
  'MAIL twice': { lines: [HELO, FROM, FROM] },
  'MAIL before HELO': { lines: [FROM] },
  'RCPT before HELO': { lines: [TO] },
  'DATA before HELO': { lines: ['DATA'] },
  'DATA with an argument before anything': { lines: ['DATA spam'], differs: { 0: 'order' } },
  'DATA before RCPT': { lines: [HELO, FROM, 'DATA'] },
  'DATA with an argument': { lines: [HELO, FROM, TO, 'DATA spam'] },
  'RCPT without a colon, or an address': {
    lines: [HELO, FROM, 'RCPT to eggs@example', 'RCPT', 'RCPT to:', 'RCPT to:<>'],
    differs: { 5: 'nobody' },
  },
  VRFY: { lines: ['VRFY eggs@example'] },
  'VRFY alone': { lines: ['VRFY'], differs: { 0: 'vrfy' } },
  EXPN: { lines: ['EXPN'], differs: { 0: 'expn' } },
  'what is no command': { lines: ['UNKNOWN_CMD'] },
  RSET: {
    lines: ['RSET', HELO, FROM, TO, 'RSET', 'DATA', FROM, TO, 'DATA', 'data', '.'],
    mails: 'text',
  },
  'RSET with an argument': { lines: ['RSET hi'], differs: { 0: 'quit' } },
  'a mail': { lines: [HELO, FROM, TO, 'DATA', 'data', 'more', '.'], mails: 'text' },
  'a mail to two': {
    lines: [HELO, FROM, TO, 'RCPT To:<ham@example>', 'DATA', 'data', '.'],
    mails: 'text',
  },
  'dots in a mail': { lines: [HELO, FROM, TO, 'DATA', '..', '.x', '...', '.'], mails: 'text' },
  'a mail whose answer the program chooses': {
    lines: [HELO, FROM, TO, 'DATA', 'return status', '.'],
    mails: 'text',
  },
  'two mails': {
    lines: [HELO, FROM, TO, 'DATA', 'one', '.', FROM, TO, 'DATA', 'two', '.'],
    mails: 'text',
  },
  'a mail that is too big': {
    lines: [HELO, FROM, TO, 'DATA', 'A'.repeat(LIMIT + 1), '.', 'NOOP'],
    differs: { 6: 'stuck' },
  },
  'an empty mail': {
    lines: [HELO, FROM, TO, 'DATA', '.', 'NOOP'],
    differs: { 4: 'empty', 5: 'empty' },
    mails: 'empty',
  },
  'bytes that are not UTF-8': {
    lines: [HELO, 'MAIL FROM:<\xff@x>', 'NOOP'],
    differs: { 1: 'bytes', 2: 'bytes' },
  },
};

interface Heard {
  replies: string[];
  messages: [mailfrom: string, rcpttos: string[], data: string][];
}

/** Gives what is said to each line, as lines of codes. */
function ours({ lines }: Dialogue): Heard {
  const messages: Heard['messages'] = [];
  const deliver = ({ sender, recipients, data }: Mail) =>
    void messages.push([sender, recipients, data.toString('latin1')]);
  const server = new SMTPServer('127.0.0.1', 0, deliver, { size: LIMIT });
  server.close();
  let heard: string[] = [];
  const replies = lines.map((_, i) => {
    messages.length = 0;
    const make = (sock: Socket) => new SMTPHandler(sock, server);
    const before = heard.length;
    heard = codesOf(
      answersTo(
        make,
        lines.slice(0, i + 1).map((line) => `${line}\r\n`),
      ),
    );
    return heard.slice(before).join(' ');
  });
  return { replies, messages };
}

function codesOf(text: string): string[] {
  return Array.from(text.matchAll(/^(\d{3}) /gm), ([, code]) => code);
}

const script = fileURLToPath(new URL('smtpd_replies.py', import.meta.url));
const python = referee('smtpd') ?? '';

describe.skipIf(!python)('smtp_server answers as smtpd', () => {
  const theirs: Record<string, Heard> = {};

  beforeAll(() => {
    const input = Object.values(dialogues).map(({ lines, utf8 = false }) => ({
      lines,
      utf8,
      limit: LIMIT,
    }));
    const { stdout, stderr } = spawnSync(python, ['-W', 'ignore', script], {
      input: JSON.stringify(input),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const heard: Heard[] = JSON.parse(stdout);
    Object.keys(dialogues).forEach((name, i) => {
      theirs[name] = {
        ...heard[i],
        replies: heard[i].replies.map((text) => codesOf(text).join(' ')),
      };
    });
  });

  it.each(Object.entries(dialogues))('%s', (name, dialogue) => {
    const { differs = {}, mails } = dialogue;
    const [mine, wanted] = [ours(dialogue), theirs[name]];
    dialogue.lines.forEach((line, i) => {
      const [one, other] = [mine.replies[i], wanted.replies[i]];
      const reason = differs[i];
      const text = `${JSON.stringify(line)}: ${one}, smtpd ${other}`;
      if (reason === undefined) expect(one, text).toBe(other);
      else expect(one, `${text}, so it no longer differs: ${REASONS[reason]}`).not.toBe(other);
    });
    if (mails === undefined) expect(mine.messages).toEqual(wanted.messages);
    else expect(mine.messages, REASONS[mails]).not.toEqual(wanted.messages);
    if (mails !== 'text') return;
    const asTheirs = mine.messages.map(([from, to, data]) => [
      from,
      to,
      data.replaceAll('\r\n', '\n').replace(/\n$/, ''),
    ]);
    expect(asTheirs).toEqual(wanted.messages);
  });
});

it('needs a Python with smtpd for the tests above', (context) => {
  context.skip(!python, NO_REFEREE);
});
