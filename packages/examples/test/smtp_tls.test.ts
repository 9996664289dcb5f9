import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { describeTls, folder, LOCAL } from '@asyncore/test-support/certificates';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Client, example, has, need } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const box = join(folder, 'mail.jsonl');
const ports = { starttls: 0, tls: 0, clear: 0 };
const WHO = ['--user', 'user', '--password', 'secret ü'];
const CERT = ['--cert', LOCAL.certFile, '--key', LOCAL.keyFile];

interface Kept {
  mailfrom: string;
  rcpttos: string[];
  data: string;
}
function kept(): Kept[] {
  const lines = readFileSync(box, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const { data_b64, ...envelope } = JSON.parse(line);
    return { ...envelope, data: Buffer.from(data_b64, 'base64').toString('latin1') };
  });
}

function python(how: 'starttls' | 'tls', ...calls: string[]): unknown[] {
  const script = fileURLToPath(new URL('smtp_tls.py', import.meta.url));
  const args = [script, String(ports[how]), LOCAL.certFile, how, ...calls];
  const { stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

/** What is answered to lines in the clear. */
async function answers(port: number, ...lines: string[]): Promise<string> {
  const client = new Client(port);
  client.say([...lines, 'QUIT'].map((line) => `${line}\r\n`).join(''));
  const text = await client.until(/never/);
  return [...text.matchAll(/^\d{3}(?= )/gm)].join(' ');
}

const b64 = (text: string) => Buffer.from(text).toString('base64');

describeTls('smtp_server', () => {
  beforeAll(async () => {
    const at = ['--sink', box, ...WHO, ...CERT];
    ({ port: ports.starttls } = await example('smtp_server', ...at));
    ({ port: ports.tls } = await example('smtp_server', ...at, '--tls', '--require-auth'));
    const clear = ['--sink', box, ...WHO, '--auth-in-clear'];
    ({ port: ports.clear } = await example('smtp_server', ...clear));
  });

  describe.skipIf(!has('python3', '--version'))('with Python’s smtplib', () => {
    it('does STARTTLS, then AUTH, then keeps a mail as it was sent', () => {
      const before = kept().length;
      const features = '[name in s.esmtp_features for name in ("starttls", "auth")]';
      expect(
        python(
          'starttls',
          's.ehlo()[0]',
          features,
          'secure()[0]',
          's.ehlo()[0]',
          features,
          's.login("user", "wrong")[0]',
          's.sendmail("a@x", ["b@x", "c@x"], b"Subject: a\\r\\n\\r\\n.\\r\\n..x\\r\\n\\xff\\x00\\r\\n")',
          's.quit()[0]',
        ),
      ).toEqual([
        250,
        [true, false],
        220,
        250,
        [false, true],
        ['SMTPAuthenticationError', 535, 'wrong'],
        {},
        221,
      ]);
      expect(kept().slice(before)).toEqual([
        {
          mailfrom: 'a@x',
          rcpttos: ['b@x', 'c@x'],
          data: 'Subject: a\r\n\r\n.\r\n..x\r\n\xff\0\r\n',
        },
      ]);
    });

    it('speaks TLS from the start, and takes mail after AUTH only, where that is required', () => {
      const send = 's.sendmail("a@x", "b@x", b"A: b\\r\\n\\r\\nc\\r\\n")';
      const call = (mechanism: string) =>
        `s.ehlo() and (setattr(s, "user", "user"), setattr(s, "password", "secret ü"), s.docmd("AUTH", "${mechanism}"))[2][0]`;
      const plain = `PLAIN ${b64('\0user\0secret ü')}`;
      expect(python('tls', send, call(plain), call(plain), send)).toEqual([
        ['SMTPSenderRefused', 530, 'say AUTH first', 'a@x'],
        235,
        503,
        {},
      ]);
      const login = `LOGIN ${b64('user')}`;
      const password = `s.docmd("${b64('secret ü')}")[0]`;
      expect(python('tls', call(login), password)).toEqual([334, 235]);
    });
  });

  it('with curl: STARTTLS and AUTH', (context) => {
    need(context, 'curl', 'curl');
    const before = kept().length;
    const args = ['-sS', '--ssl-reqd', '--cacert', LOCAL.certFile, '--user', 'user:secret ü'];
    args.push('--mail-from', 'a@x', '--mail-rcpt', 'b@x', '-T', '-');
    const url = `smtp://localhost:${ports.starttls}`;
    const { stderr } = spawnSync('curl', [...args, url], {
      input: 'A: b\r\n\r\nc\r\n',
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(kept().slice(before)).toEqual([
      { mailfrom: 'a@x', rcpttos: ['b@x'], data: 'A: b\r\n\r\nc\r\n' },
    ]);
  });

  it.for([
    ['--tls', 'starttls'],
    ['--tls-on-connect', 'tls'],
  ] as const)('with swaks %s', ([option, port], context) => {
    need(context, 'swaks', 'swaks');
    const { stdout: support } = spawnSync('swaks', ['--support'], { encoding: 'utf8' });
    context.skip(!support.includes('TLS supported'), 'needs apt install libnet-ssleay-perl');
    const before = kept().length;
    const args = [option, '--server', `127.0.0.1:${ports[port]}`, '--from', 'a@x', '--to', 'b@x'];
    args.push('--auth', 'PLAIN', '--auth-user', 'user', '--auth-password', 'secret ü');
    const { status, stdout } = spawnSync('swaks', args, { encoding: 'utf8' });
    expect(status, stdout).toBe(0);
    expect(kept().length).toBe(before + 1);
  });

  it('drops what was injected behind STARTTLS, and begins anew inside', async () => {
    const client = new Client(ports.starttls);
    client.say('EHLO me\r\nSTARTTLS\r\nMAIL FROM:<injected@x>\r\n');
    await client.until(/^220 go on\r\n$/m);
    client.socket.removeAllListeners('data');
    const inside = connect({ socket: client.socket, ca: LOCAL.cert, servername: 'localhost' });
    onTestFinished(() => void inside.destroy());
    let text = '';
    inside.on('data', (data) => {
      text += data;
    });
    inside.write('MAIL FROM:<a@x>\r\nEHLO me\r\nSTARTTLS\r\nRCPT TO:<b@x>\r\nQUIT\r\n');
    await new Promise((resolve) => inside.on('end', resolve));
    expect([...text.matchAll(/^\d{3}(?= )/gm)].join(' ')).toBe('503 250 503 503 221');
  });

  it.each([
    [
      'STARTTLS with an argument, and within a mail',
      ['EHLO me', 'STARTTLS now', 'MAIL FROM:<a>', 'STARTTLS'],
      '220 250 501 250 503 221',
    ],
    [
      'AUTH without TLS',
      ['EHLO me', `AUTH PLAIN ${b64('\0user\0secret ü')}`, 'NOOP'],
      '220 250 538 250 221',
    ],
  ])('refuses %s', async (_, lines, codes) => {
    expect(await answers(ports.starttls, ...lines)).toBe(codes);
  });

  it.each([
    ['before EHLO', [`AUTH PLAIN ${b64('\0user\0secret ü')}`], '220 503 221'],
    [
      'that is cancelled',
      ['EHLO me', 'AUTH PLAIN', '*', 'AUTH LOGIN', '*', 'NOOP'],
      '220 250 334 501 334 501 250 221',
    ],
    [
      'that is no base64',
      ['EHLO me', 'AUTH PLAIN ????', 'AUTH LOGIN', '=x', 'NOOP'],
      '220 250 501 334 501 250 221',
    ],
    ['by another mechanism', ['EHLO me', 'AUTH CRAM-MD5', 'AUTH'], '220 250 504 501 221'],
    [
      'within a mail',
      ['EHLO me', 'MAIL FROM:<a>', 'AUTH PLAIN', 'RSET'],
      '220 250 250 503 250 221',
    ],
    [
      'of 12,288 bytes a line, and no more',
      [
        'EHLO me',
        'AUTH LOGIN',
        'A'.repeat(12284),
        'A'.repeat(12284),
        'AUTH LOGIN',
        'A'.repeat(12288),
        'NOOP',
      ],
      '220 250 334 334 535 334 500 250 221',
    ],
    [
      'with a wrong password, three times',
      ['EHLO me', ...Array(4).fill(`AUTH PLAIN ${b64('\0user\0x')}`)],
      '220 250 535 535 421',
    ],
    ['of another user', ['EHLO me', `AUTH PLAIN ${b64('\0other\0secret ü')}`], '220 250 535 221'],
    [
      'that is right',
      ['EHLO me', `AUTH PLAIN ${b64('\0user\0secret ü')}`, 'AUTH LOGIN'],
      '220 250 235 503 221',
    ],
  ])('answers AUTH %s', async (_, lines, codes) => {
    expect(await answers(ports.clear, ...lines)).toBe(codes);
  });

  it('takes addresses in UTF-8 where SMTPUTF8 announces them, and refuses broken ones', async () => {
    const before = kept().length;
    const utf8 = (text: string) => Buffer.from(text).toString('latin1');
    const lines = [
      'EHLO me',
      utf8('MAIL FROM:<ü@x>'),
      'MAIL FROM:<\xff@x> SMTPUTF8',
      utf8('MAIL FROM:<ü@x> SMTPUTF8'),
      'RCPT TO:<\xff@x>',
      utf8('RCPT TO:<é@x>'),
      'DATA',
      '.',
    ];
    expect(await answers(ports.clear, ...lines)).toBe('220 250 501 501 250 501 250 354 250 221');
    expect(kept().slice(before)).toEqual([{ mailfrom: 'ü@x', rcpttos: ['é@x'], data: '' }]);
  });

  it('goes on when somebody sends no TLS where TLS belongs', async () => {
    const client = new Client(ports.tls);
    client.say('EHLO me\r\n');
    await client.until(/never/);
    expect(client.text).not.toContain('250');
    expect(await answers(ports.starttls, 'EHLO me')).toBe('220 250 221');
  });
});
