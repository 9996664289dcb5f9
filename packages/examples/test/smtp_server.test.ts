import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loop, socket_map } from '@asyncore/core';
import { type Deliver, mbox, SMTPHandler, SMTPServer } from '@asyncore/examples';
import { SO_LINGER, SOL_SOCKET, Socket } from '@asyncore/socket';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from './example.js';
import { answersTo, isHeldUp } from './fed.js';
import { Client, example, has, need, peak } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SIZE = 100_000;
const ME = hostname();
const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
const boxes = { maildir: join(folder, 'maildir'), mbox: join(folder, 'mbox') };
const ports = { maildir: 0, mbox: 0 };
/** The one with the maildir. */
let child: ChildProcess;

beforeAll(async () => {
  for (const kind of ['mbox', 'maildir'] as const) {
    const args = [`--${kind}`, boxes[kind], '--size', String(SIZE)];
    ({ child, port: ports[kind] } = await example('smtp_server', ...args));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What calls of smtplib return: see smtp_calls.py. */
function python(kind: 'maildir' | 'mbox', ...calls: string[]): unknown[] {
  const script = fileURLToPath(new URL('smtp_calls.py', import.meta.url));
  const all = [script, String(ports[kind]), ...calls];
  const { stdout, stderr } = spawnSync('python3', all, { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

interface Read {
  from: string;
  header: [string, string][];
  text: string;
}

/** What Python's mailbox finds in the box. */
function mails(kind: 'maildir' | 'mbox'): Read[] {
  const box = kind === 'maildir' ? 'Maildir' : 'mbox';
  return python(kind, `mails(mailbox.${box}("${boxes[kind]}"))`)[0] as Read[];
}

const OK = [250, 'go on'];
const ENVELOPE = ['s.ehlo()', 's.mail("a@example.org")', 's.rcpt("b@example.org")'];

describe.skipIf(!has('python3', '--version'))('Python’s smtplib', () => {
  it('is told by EHLO what the server can do, by HELO its name', () => {
    expect(python('mbox', 's.helo()', 's.ehlo()', 's.esmtp_features')).toEqual([
      [250, ME],
      [250, `${ME}\nSIZE ${SIZE}\n8BITMIME\nPIPELINING\nSMTPUTF8`],
      { size: String(SIZE), '8bitmime': '', pipelining: '', smtputf8: '' },
    ]);
  });

  it('gets an answer to NOOP, VRFY, RSET and QUIT', () => {
    const calls = ['s.noop()', 's.verify("a@example.org")', 's.rset()', 's.quit()'];
    expect(python('mbox', ...calls)).toEqual([
      [250, 'fine'],
      [252, 'cannot tell, but takes its mail'],
      [250, 'forgotten'],
      [221, `${ME} closes`],
    ]);
  });

  it('is told in what order to go', () => {
    expect(
      python(
        'mbox',
        's.mail("a@example.org")',
        's.helo()',
        's.rcpt("b@example.org")',
        's.data("no")',
        's.mail("a@example.org")',
        's.mail("a@example.org")',
        's.data("no")',
        's.rset()',
        's.rcpt("b@example.org")',
      ),
    ).toEqual([
      [503, 'say HELO first'],
      [250, ME],
      [503, 'say MAIL first'],
      ['SMTPDataError', 503, 'say RCPT first'],
      OK,
      [503, 'one mail at a time'],
      ['SMTPDataError', 503, 'say RCPT first'],
      [250, 'forgotten'],
      [503, 'say MAIL first'],
    ]);
  });

  describe.each(['maildir', 'mbox'] as const)('and mailbox, with a %s:', (kind) => {
    let before = 0;
    beforeEach(() => {
      before = mails(kind).length;
    });
    const received = () => mails(kind).slice(before);

    it('what is sent is kept, under the names of sender and recipients', () => {
      const recipients = '["b@example.org", "\\"c d\\"@example.org"]';
      const text = 'Subject: a test\\nX-Other: 1\\n\\nHello,\\n\\nthat is all.\\n';
      expect(python(kind, `s.sendmail("a@example.org", ${recipients}, "${text}")`)).toEqual([{}]);
      const [{ from, header, text: body }, ...more] = received();
      expect(more).toEqual([]);
      expect(header).toEqual([
        ['Return-Path', '<a@example.org>'],
        ['Delivered-To', 'b@example.org'],
        ['Delivered-To', '"c d"@example.org'],
        [
          'Received',
          expect.stringMatching(
            /^from client\.example \(\[127\.0\.0\.1\]\) by \S+ with SMTP; \w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000$/,
          ),
        ],
        ['Subject', 'a test'],
        ['X-Other', '1'],
      ]);
      expect(body).toBe('Hello,\n\nthat is all.\n');
      if (kind === 'mbox') expect(from).toMatch(/^a@example\.org \w{3} \w{3} \d\d [\d:]{8} \d{4}$/);
    });

    it('lines that begin with dots, and bytes that are no text, arrive as they were', () => {
      const lines = ['.', '..', '.x', 'x.', '', '...', '\\xff\\x00\\x80', 'From b'];
      const text = `Subject: dots\\r\\n\\r\\n${lines.join('\\r\\n')}\\r\\n`;
      python(kind, `s.sendmail("a@example.org", "b@example.org", b"${text}", ["BODY=8BITMIME"])`);
      const quoted = kind === 'mbox' ? '>From b' : 'From b';
      const [{ text: body }] = received();
      expect(body).toBe(['.', '..', '.x', 'x.', '', '...', '\xff\0\x80', quoted, ''].join('\n'));
    });

    it('many mails on one connection are kept apart, empty ones too', () => {
      const send = (text: string) => `s.sendmail("", "b@example.org", "${text}")`;
      const texts = ['\\nFrom a\\n\\nFrom b\\n>From c\\n', '', '\\n\\n', '\\nlast'];
      expect(python(kind, ...texts.map(send))).toEqual([{}, {}, {}, {}]);
      const bodies = received().map(({ text }) => text);
      const first =
        kind === 'mbox' ? '>From a\n\n>From b\n>>From c\n' : 'From a\n\nFrom b\n>From c\n';
      expect(bodies).toEqual([first, '', expect.stringMatching(/^\n?$/), 'last\n']);
      expect(received()[0].header[0]).toEqual(['Return-Path', '<>']);
    });

    it('a mail of SIZE bytes is kept, one byte more is refused, however it is told', () => {
      const line = (length: number) => `b"x" * ${length - 2} + b"\\r\\n"`;
      const data = (length: number) => `s.data(${line(length)})`;
      const sized = (length: number) =>
        `s.sendmail("a@example.org", "b@example.org", ${line(length)}, [], [])`;
      const helo = ['s.helo()', ...ENVELOPE.slice(1)];
      expect(python(kind, sized(SIZE), sized(SIZE + 1))).toEqual([
        {},
        ['SMTPSenderRefused', 552, 'the mail is too big', 'a@example.org'],
      ]);
      expect(python(kind, ...helo, data(SIZE), ...helo, data(SIZE + 1), ...helo, data(9))).toEqual([
        ...[[250, ME], OK, OK, [250, 'kept']],
        ...[[250, ME], OK, OK, [552, 'the mail is too big']],
        ...[[250, ME], OK, OK, [250, 'kept']],
      ]);
      expect(received().map(({ text }) => text.length)).toEqual([SIZE - 1, SIZE - 1, 8]);
    });

    it('so is one that is too big in many lines, one of them a dot', () => {
      const text = '"x\\r\\n" * 40000 + ".\\r\\n" + "y\\r\\n" * 40000';
      expect(python(kind, ...ENVELOPE, `s.data(${text})`, 's.noop()')).toEqual([
        [250, expect.any(String)],
        OK,
        OK,
        [552, 'the mail is too big'],
        [250, 'fine'],
      ]);
      expect(received()).toEqual([]);
    });
  });
});

it('needs python3 for the tests above', (context) => {
  need(context, 'python3', 'python3');
});

it('leaves nothing in the tmp of a maildir', () => {
  expect(readdirSync(join(boxes.maildir, 'tmp'))).toEqual([]);
});

/** Handlers in this process, of a server that delivers like this. */
function handlerFor(deliver: Deliver): (sock: Socket) => SMTPHandler {
  const server = new SMTPServer('127.0.0.1', 0, deliver, { size: SIZE });
  server.close();
  return (sock) => {
    const handler = new SMTPHandler(sock, server);
    handler.log_info = () => {};
    return handler;
  };
}

/** Gives what is answered to chunks, and each mail kept by then, without our header lines. */
function sink(keep: Deliver = () => {}) {
  const kept: string[] = [];
  const make = handlerFor((mail) => {
    keep(mail);
    kept.push(mail.text.toString('latin1').split(' +0000\n')[1]);
  });
  return (...chunks: string[]) => {
    const answers = answersTo(make, chunks);
    const codes = [...answers.matchAll(/^\d{3}(?= )/gm)].join(' ');
    return { answers, codes, texts: kept.splice(0) };
  };
}

const GREETED = 'HELO me\r\n';
const SENT = `${GREETED}MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n`;

it.each([
  // In bad sequence.
  ['MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n', '503 503 503'],
  [
    `${GREETED}RCPT TO:<b>\r\nDATA\r\nMAIL FROM:<a>\r\nDATA\r\nMAIL FROM:<a>\r\n`,
    '250 503 503 250 503 503',
  ],
  [`${GREETED}MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRSET\r\nDATA\r\n`, '250 250 250 250 503'],
  [
    `${GREETED}MAIL FROM:<a>\r\nRCPT TO:<b>\r\nEHLO me\r\nDATA\r\nMAIL FROM:<a>\r\n`,
    '250 250 250 250 503 250',
  ],
  [`${SENT}.\r\nDATA\r\nMAIL FROM:<a>\r\n`, '250 250 250 354 250 503 250'],
  ['NOOP\r\nVRFY a\r\nRSET\r\nQUIT\r\nNOOP\r\nDATA\r\n', '250 252 250 221'],
  // No commands.
  ['\r\nX\r\nHELP\r\n HELO me\r\nHELO\tme\r\nHEL0 me\r\n.\r\n', '500 500 500 500 500 500 500'],
  ['NOOP\r\r\nNOOP\n\r\nNOOP\nNOOP\r\nNOOP \0\r\n', '500 500 500 250'],
  ['\xff\xfe\r\nGET / HTTP/1.1\r\nnoop\r\nNoOp   it  \r\n', '500 500 250 250'],
  // Arguments.
  ['HELO\r\nEHLO \r\nHELO a b\r\nHELO \x01\r\nHELO  me  \r\n', '501 501 501 501 250'],
  [
    `${GREETED}MAIL\r\nMAIL a\r\nMAIL FROM:a\r\nMAIL FROM:<a\r\nMAIL TO:<a>\r\n`,
    '250 501 501 501 501 501',
  ],
  [
    `${GREETED}MAIL FROM:<a b>\r\nMAIL FROM:<"a>\r\nMAIL FROM:<a>x\r\nMAIL FROM:<\xe9>\r\n`,
    '250 501 501 501 501',
  ],
  [`${GREETED}MAIL FROM:<"a\\" <>b"@c>\r\nRCPT TO:<@x,@y:"\\\\"@c>\r\n`, '250 250 250'],
  [
    `${GREETED}MAIL FROM:<a\rb>\r\nMAIL FROM:<a\0>\r\nMAIL FROM:<"a\r"@b>\r\nMAIL FROM:<a> \0\r\n`,
    '250 500 501 500 555',
  ],
  [
    `${GREETED}mail from: <>  \r\nrcpt to:<>\r\nrcpt to: <b> \r\nRCPT TO:<b> X=1\r\n`,
    '250 250 501 250 555',
  ],
  [
    `${GREETED}MAIL FROM:<a> SIZE=${SIZE + 1}\r\nMAIL FROM:<a> SIZE=${'9'.repeat(20)}\r\n`,
    '250 552 552',
  ],
  [
    `${GREETED}MAIL FROM:<a> SIZE=x\r\nMAIL FROM:<a> BODY=9BIT\r\nMAIL FROM:<a> SMTPUTF8\r\n`,
    '250 555 555 250',
  ],
  [
    `${GREETED}MAIL FROM:<a> size=${SIZE}  body=8bitmime\r\nRCPT TO:<b>\r\nDATA x\r\nDATA \r\n`,
    '250 250 250 501 354',
  ],
])('%j is answered with %s', (input, codes) => {
  const answer = sink();
  expect(answer(input).codes).toBe(codes);
  expect(answer(...input).codes).toBe(codes);
});

it('a line that is too long is answered with 500, and the next one is understood', () => {
  const lines = [
    `NOOP ${'x'.repeat(2043)}`,
    `NOOP ${'x'.repeat(2044)}`,
    'NOOP',
    'x'.repeat(10_000),
    '\r'.repeat(5000),
    'NOOP',
  ];
  const input = lines.map((line) => `${line}\r\n`).join('');
  const answer = sink();
  expect(answer(input).codes).toBe('250 500 250 500 500 250');
  expect(answer(...input).codes).toBe('250 500 250 500 500 250');
});

it('so is a command after a mail, which may have longer lines, but none longer than itself', () => {
  const mail = (length: number) => `${SENT}${'x'.repeat(length)}\r\n.\r\n`;
  const input = `${mail(3000)}NOOP ${'x'.repeat(3000)}\r\n${mail(SIZE + 1)}${mail(1)}`;
  const { codes, texts } = sink()(input);
  const sent = '250 250 250 354';
  expect(codes).toBe(`${sent} 250 500 ${sent} 552 ${sent} 250`);
  expect(texts).toEqual([`${'x'.repeat(3000)}\n`, 'x\n']);
});

it('a mail has no more than 1,000 recipients', () => {
  const input = `${GREETED}MAIL FROM:<a>\r\n${'RCPT TO:<b>\r\n'.repeat(1002)}DATA\r\n.\r\n`;
  const { codes } = sink()(input);
  expect(codes).toBe(`250 250 ${'250 '.repeat(1000)}452 452 354 250`);
});

it.each([
  ['a\n.\nb', 'a\n.\nb'],
  ['a\r.\rb', 'a\r.\rb'],
  ['a\n.\r\nb', 'a\n.\nb'],
  ['a\r\n.\nMAIL FROM:<x>', 'a\n\nMAIL FROM:<x>'],
  ['a\r\n.\rb', 'a\n\rb'],
  ['a\r\n.\r\r\nb', 'a\n\r\nb'],
])('%j within a mail does not end it', (text, kept) => {
  const { codes, texts } = sink()(`${SENT}${text}\r\n.\r\nNOOP\r\n`);
  expect([codes, texts]).toEqual(['250 250 250 354 250 250', [`${kept}\n`]]);
});

it('an mbox has a line for each mail, and an empty one behind it', () => {
  const file = join(folder, 'another');
  const deliver = mbox(file);
  const rest = { recipients: ['a'], data: Buffer.alloc(0), peer: '', isUtf8: false };
  deliver({ ...rest, sender: '', text: Buffer.from('A: b\n\nFrom\n') });
  deliver({ ...rest, sender: '"c d"@e', text: Buffer.from('\n\xff', 'latin1') });
  const date = /\w{3} \w{3} \d\d [\d:]{8} \d{4}/g;
  expect(readFileSync(file, 'latin1').replaceAll(date, 'DATE')).toBe(
    'From MAILER-DAEMON DATE\nA: b\n\nFrom\n\nFrom "c_d"@e DATE\n\n\xff\n',
  );
});

it('a mail that cannot be kept is refused for now, and the next one taken', () => {
  let isFull = true;
  const answer = sink(() => {
    if (isFull) throw new Error('no space left');
  });
  expect(answer(`${SENT}.\r\n`).answers).toMatch(/\r\n452 cannot keep it now\r\n$/);
  isFull = false;
  expect(answer(`${SENT}.\r\n`).answers).toMatch(/\r\n250 kept\r\n$/);
});

it('a mail is understood however it is cut', () => {
  const input = `EHLO me\r\nMAIL FROM:<a>\r\nNO\r\nRCPT TO:<b>\r\nDATA\r\n..a\r\n\r\n.b\r\n.\r\n${'x'.repeat(2060)}\r\nQUIT\r\n`;
  const answer = sink();
  const whole = answer(input);
  expect(whole.codes).toBe('250 250 500 250 354 250 500 221');
  expect(whole.texts).toEqual(['.a\n\nb\n']);
  for (let at = 1; at < input.length; at++) {
    expect(answer(input.slice(0, at), input.slice(at))).toEqual(whole);
  }
  expect(answer(...input)).toEqual(whole);
});

describe('a connection', () => {
  it('may send everything at once, and gets the answers in order', async () => {
    const client = new Client(ports.maildir);
    const mail = 'MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n.\r\n';
    client.say(`${GREETED}${mail.repeat(100)}QUIT\r\n`);
    const text = await client.until(/never/);
    const answers =
      '250 go on\r\n250 go on\r\n354 go on, and end with a dot on a line of its own\r\n250 kept\r\n';
    expect(text).toBe(
      `220 ${ME} takes all mail\r\n250 ${ME}\r\n${answers.repeat(100)}221 ${ME} closes\r\n`,
    );
  });

  it('that was reset before it was accepted, with a mail in it, is kept its mail', async () => {
    const deliver = vi.fn();
    const server = new SMTPServer('127.0.0.1', 0, deliver);
    const client = new Socket();
    client.setblocking(true);
    client.connect_ex(server.getsockname());
    client.send(Buffer.from('HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n.\r\n'));
    client.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
    client.close();
    do await loop({ timeout: 1, count: 1 });
    while (socket_map.size > 1);
    server.close();
    expect(deliver.mock.calls[0]?.[0].text.toString()).toMatch(
      /^Received: from me \(\[127.0.0.1\]\)/m,
    );
  });

  it('that ends in the middle of a mail keeps nothing', async () => {
    const before = readdirSync(join(boxes.maildir, 'new')).length;
    const client = new Client(ports.maildir);
    client.say(`${SENT}half a`);
    client.socket.end();
    expect(await client.until(/never/)).toMatch(/\r\n354 .*\r\n$/);
    expect(readdirSync(join(boxes.maildir, 'new')).length).toBe(before);
  });

  it('that sends more than SIZE bytes takes no memory with them', async (context) => {
    context.skip(peak(child) === 0, 'needs /proc: runs on Linux');
    const client = new Client(ports.maildir);
    client.say(SENT);
    const lines = `${'x'.repeat(1000)}\r\n`.repeat(1000);
    for (let i = 0; i < 100; i++) client.say(lines);
    const before = peak(child);
    client.say('.\r\nQUIT\r\n');
    expect(await client.until(/never/)).toMatch(/\r\n552 .*\r\n221 .*\r\n$/);
    expect(peak(child) - before).toBeLessThan(50 << 20);
  });

  it('that says nothing ends, also in the middle of a mail', async () => {
    const { port } = await example('smtp_server', '--mbox', boxes.mbox, '--timeout', '0.1');
    for (const text of ['', 'HELO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\ntext\r\n']) {
      const client = new Client(port);
      client.say(text);
      expect(await client.until(/never/)).toMatch(text ? /354.*\r\n$/ : /^220.*\r\n$/);
    }
  });

  it('that sends only spaces keeps nobody waiting', async () => {
    const client = new Client(ports.maildir);
    client.say(`NOOP${' '.repeat(2040)}\0\r\n`.repeat(500));
    client.say('QUIT\r\n');
    const text = await client.until(/never/);
    expect(text.match(/^250 fine\r$/gm)?.length).toBe(500);
  }, 20_000);
});

it('a client that reads no answers is not read from', () => {
  expect(
    isHeldUp(
      handlerFor(() => {}),
      'NOOP\r\n'.repeat(1000),
    ),
  ).toBe(true);
});

it.each([
  [
    '',
    'say where the mail goes: --sink FILE, --maildir FOLDER, --mbox FILE, --print or --relay HOST:PORT',
  ],
  [
    '--maildir a --mbox b',
    'say where the mail goes: --sink FILE, --maildir FOLDER, --mbox FILE, --print or --relay HOST:PORT',
  ],
  ['--mbox b --size 0', '--size must be a number of bytes'],
  ['--mbox b --size many', '--size must be a number of bytes'],
  ['--mbox b --timeout 0', '--timeout must be a number of seconds'],
  ['--mbox b --user a', '--user and --password go together'],
  ['--mbox b --cert a', '--cert and --key go together'],
  ['--mbox b --tls', '--tls needs --cert and --key'],
  ['--mbox b --require-auth', '--require-auth needs --user'],
])('smtp_server %s is told: %s', async (args, message) => {
  const { code, stderr } = await run('smtp_server', ...args.split(' ').filter(Boolean));
  expect([code, stderr]).toEqual([1, `smtp_server: ${message}\n`]);
});
