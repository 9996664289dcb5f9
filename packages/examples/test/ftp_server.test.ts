import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loop } from '@asyncore/core';
import { FTPHandler, FTPServer } from '@asyncore/examples';
import { type InetAddress, MSG_OOB, Socket } from '@asyncore/socket';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { run } from './example.js';
import { answersTo, isHeldUp } from './fed.js';
import { bytes, codes, codesIn, connected, FTPSession, LOGIN } from './ftp_session.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'asyncore-ftp-')));
const root = join(folder, 'root');
const beside = join(folder, 'root2');
const WHO = ['--user', 'user', '--password', 'secret'];
let port = 0;

const inRoot = (name: string) => join(root, name);
const read = (name: string) => readFileSync(inRoot(name), 'latin1');

beforeAll(async () => {
  mkdirSync(root);
  mkdirSync(beside);
  writeFileSync(join(beside, 'secret.txt'), 'secret');
  ({ port } = await example('ftp_server', '--root', root, ...WHO));
});
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  rmSync(root, { recursive: true });
  mkdirSync(root);
  writeFileSync(inRoot('ten.txt'), '0123456789');
  writeFileSync(inRoot('lines.txt'), 'a\nb\r\n\nc');
  mkdirSync(inRoot('sub'));
  writeFileSync(inRoot('sub/in.txt'), 'in');
});

// ---- commands and their answers ----

it.each([
  [
    'before the password',
    'NOOP\r\nSYST\r\nFEAT\r\nHELP\r\nPWD\r\nLIST\r\nDELE ten.txt\r\nSTAT\r\nABOR\r\n',
    '220 200 215 211 214 530 530 530 530 530 221',
  ],
  [
    'to a wrong password',
    'PASS x\r\nUSER user\r\nPASS wrong\r\nPASS secret\r\nUSER other\r\nPASS secret\r\n',
    '220 503 331 530 503 331 530 221',
  ],
  [
    'to three of them with the end',
    'USER user\r\nPASS x\r\nUSER user\r\nPASS y\r\nUSER a\r\nPASS z\r\nNOOP\r\n',
    '220 331 530 331 530 331 421',
  ],
  ['to the right one', `${LOGIN}PWD\r\nUSER user\r\nPWD\r\n`, '220 331 230 257 331 530 221'],
  [
    'to what is no command',
    `${LOGIN}\r\nX\r\n NOOP\r\nCONSTRUCTOR\r\n__proto__\r\nNOOP\0\r\nnoop\r\n\r\r\n`,
    '220 331 230 500 500 500 500 500 501 200 500 221',
  ],
  [
    'to a line end or a NUL in a name',
    `${LOGIN}DELE ten.txt\nDELE ten.txt\r\nMKD a\rb\r\nMKD a\0b\r\n`,
    '220 331 230 501 501 501 221',
  ],
  [
    'to arguments that should not be there, or should',
    `${LOGIN}PWD x\r\nPASV x\r\nCWD\r\nRETR\r\nUSER\r\nQUIT x\r\n`,
    '220 331 230 501 501 501 501 501 501 221',
  ],
  [
    'about how a transfer is to be',
    `${LOGIN}TYPE I\r\nTYPE a n\r\nTYPE L 8\r\nTYPE E\r\nTYPE A T\r\nMODE S\r\nMODE Z\r\nSTRU F\r\nSTRU R\r\nALLO 5\r\n`,
    '220 331 230 200 200 200 504 504 200 504 200 504 202 221',
  ],
  [
    'about options',
    `OPTS UTF8 ON\r\nOPTS UTF8 OFF\r\nOPTS MLST size;TYPE;x\r\nOPTS X\r\n`,
    '220 200 504 200 501 221',
  ],
  ['about TLS, where there is none', 'AUTH TLS\r\nPBSZ 0\r\nPROT P\r\n', '220 502 503 503 221'],
  [
    'of a size, as text and in bytes',
    `${LOGIN}SIZE ten.txt\r\nTYPE I\r\nSIZE ten.txt\r\nSIZE sub\r\nSIZE no\r\nMDTM ten.txt\r\nMDTM sub\r\n`,
    '220 331 230 550 200 213 550 550 213 550 221',
  ],
  [
    'of folders',
    `${LOGIN}CWD sub\r\nPWD\r\nCDUP\r\nCDUP\r\nCWD ten.txt\r\nCWD no\r\nMKD sub\r\nMKD a/b\r\nRMD sub\r\nRMD /\r\n`,
    '220 331 230 250 257 250 250 550 550 550 550 550 550 221',
  ],
  [
    'of renaming',
    `${LOGIN}RNTO x\r\nRNFR no\r\nRNFR ten.txt\r\nNOOP\r\nRNTO x\r\nRNFR ten.txt\r\nRNTO sub/x\r\nRNFR /\r\nRNFR sub\r\nRNTO sub/y\r\n`,
    '220 331 230 503 550 350 200 503 350 250 550 350 550 221',
  ],
  [
    'of SITE',
    `${LOGIN}SITE CHMOD 600 ten.txt\r\nSITE CHMOD 9 ten.txt\r\nSITE EXEC x\r\nSITE CHMOD 600 no\r\n`,
    '220 331 230 200 504 504 550 221',
  ],
  [
    'without a data connection',
    `${LOGIN}RETR ten.txt\r\nLIST\r\nSTOR new\r\n`,
    '220 331 230 150 425 150 425 150 425 221',
  ],
  ['to ABOR when nothing runs', `${LOGIN}ABOR\r\nNOOP\r\n`, '220 331 230 226 200 221'],
])('answers %s', async (_, lines, wanted) => {
  expect(await codes(port, lines)).toBe(wanted);
});

it('understands commands however they are cut', () => {
  const server = new FTPServer('127.0.0.1', 0, root, {
    account: { user: 'user', password: 'secret' },
  });
  server.close();
  const make = (sock: Socket) => new FTPHandler(sock, ['127.0.0.1', 1], server.settings);
  const input = `${LOGIN}CWD sub\r\nPWD\r\n\xff\xf4\xff\xf2ABOR\r\n\xff\xfd\x01SIZE a\xff\xffb\r\nTYPE I\r\nQUIT\r\n`;
  const whole = answersTo(make, [input]);
  expect(codesIn(whole)).toBe('331 230 250 257 226 550 200 221');
  for (let i = 1; i < input.length; i++) {
    expect(answersTo(make, [input.slice(0, i), input.slice(i)])).toBe(whole);
  }
  expect(answersTo(make, [...input])).toBe(whole);
});

it('discards a line that is too long, and understands the next', async () => {
  expect(await codes(port, `CWD ${'x'.repeat(20_000)}\r\nNOOP\r\n`)).toBe('220 500 200 221');
});

it('does not read a client further that reads no answers', () => {
  const server = new FTPServer('127.0.0.1', 0, root);
  server.close();
  const make = (sock: Socket) => new FTPHandler(sock, ['127.0.0.1', 1], server.settings);
  expect(isHeldUp(make, 'HELP\r\n'.repeat(1000))).toBe(true);
});

it('lets anybody read where there is no user, and nobody write', async () => {
  const { port } = await example('ftp_server', '--root', root);
  const lines =
    'USER me\r\nPASS x\r\nUSER anonymous\r\nPASS me@x\r\nMDTM ten.txt\r\nDELE ten.txt\r\nSTOR x\r\nMKD x\r\nSITE CHMOD 777 sub\r\n';
  expect(await codes(port, lines)).toBe('220 331 530 331 230 213 550 550 550 550 221');
});

// ---- transfers ----

describe('a transfer', () => {
  it('of bytes goes either way as it is', async () => {
    const session = await FTPSession.open(port);
    const data = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
    expect(await session.put('STOR new', data)).toBe('226 done');
    expect(data.equals(readFileSync(inRoot('new')))).toBe(true);
    const [got, answer] = await session.get('RETR new');
    expect([data.equals(got), answer]).toEqual([true, '226 done']);
  });

  it('of text is the default, and has CRLF on the way where the disk has LF', async () => {
    const session = await FTPSession.open(port);
    await session.ask('USER user');
    await session.ask('PASS secret');
    await session.ask('TYPE A');
    expect(String((await session.get('RETR lines.txt'))[0])).toBe('a\r\nb\r\r\n\r\nc');
    expect(await session.put('STOR new', Buffer.from('a\r\nb\r\r\n\r\nc\r'))).toBe('226 done');
    expect(read('new')).toBe('a\nb\r\n\nc\r');
    const fresh = new Client(port);
    fresh.say(`${LOGIN}STAT\r\nQUIT\r\n`);
    expect(await fresh.until(/never/)).toContain('type A');
  });

  it('goes on where REST says, and refuses what is behind the end', async () => {
    const session = await FTPSession.open(port);
    const after = async (rest: string, command: string) => {
      await session.ask(`REST ${rest}`);
      const [data, answer] = await session.get(command);
      return `${data} ${answer.slice(0, 3)}`;
    };
    expect(await after('4', 'RETR ten.txt')).toBe('456789 226');
    expect(await after('10', 'RETR ten.txt')).toBe(' 226');
    expect(await after('11', 'RETR ten.txt')).toBe(' 554');
    expect(String((await session.get('RETR ten.txt'))[0])).toBe('0123456789'); // it holds once
    await session.ask('REST 4');
    expect(await session.put('STOR ten.txt', Buffer.from('xy'))).toBe('226 done');
    expect(read('ten.txt')).toBe('0123xy');
    expect(await after('7', 'STOR ten.txt')).toBe(' 554');
    expect(await session.put('APPE ten.txt', Buffer.from('z'))).toBe('226 done');
    expect(await session.put('APPE new', Buffer.from('z'))).toBe('226 done');
    expect([read('ten.txt'), read('new')]).toEqual(['0123xyz', 'z']);
    expect(await after('1', 'APPE ten.txt')).toBe(' 503');
    await session.ask('TYPE A');
    expect(await after('1', 'RETR ten.txt')).toBe(' 554');
    expect(await session.ask('REST -1')).toMatch(/^501/);
  });

  it('replaces what was there only when there is a connection', async () => {
    const session = await FTPSession.open(port);
    expect(await session.ask('STOR ten.txt')).toMatch(/^150/);
    expect(await session.reply()).toMatch(/^425/);
    expect(read('ten.txt')).toBe('0123456789');
  });

  it.each(['PORT', 'EPRT'])('may be to where %s says', async (command) => {
    const session = await FTPSession.open(port);
    const { port: ours, accepted } = await session.listen();
    const where =
      command === 'PORT' ? `127,0,0,1,${ours >> 8},${ours & 255}` : `|1|127.0.0.1|${ours}|`;
    expect(await session.ask(`${command} ${where}`)).toMatch(/^200/);
    expect(await session.ask('RETR ten.txt')).toMatch(/^150/);
    expect(String(await bytes(await accepted))).toBe('0123456789');
    expect(await session.reply()).toBe('226 done');
  });

  it('is answered with 425 when nobody listens there', async () => {
    const session = await FTPSession.open(port);
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const { port: closed } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    await session.ask(`EPRT |1|127.0.0.1|${closed}|`);
    await session.ask('RETR ten.txt');
    expect(await session.reply()).toMatch(/^425/);
    expect(await session.ask('NOOP')).toMatch(/^200/);
  });

  it('may have its command before its connection, or after it', async () => {
    const session = await FTPSession.open(port);
    const passive = await session.passive();
    expect(await session.ask('RETR ten.txt')).toMatch(/^150/);
    expect(String(await bytes(await connected(passive)))).toBe('0123456789');
    expect(await session.reply()).toBe('226 done');
  });

  it('that the client resets is no success, and what came can be gone on from', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    socket.write('half');
    await expect.poll(() => existsSync(inRoot('new')) && read('new')).toBe('half');
    socket.resetAndDestroy();
    expect(await session.reply()).toMatch(/^426/);
    expect(await session.ask('SIZE new')).toBe('213 4');
    await session.ask('REST 4');
    expect(await session.put('STOR new', Buffer.from('whole'))).toBe('226 done');
    expect(read('new')).toBe('halfwhole');
  });

  it('that the client leaves before its end is no success', async () => {
    writeFileSync(inRoot('big'), Buffer.alloc(20_000_000));
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('RETR big');
    socket.once('data', () => socket.destroy());
    expect(await session.reply()).toMatch(/^426/);
  });

  it('tells how far a file is, and that one cut short meanwhile is no success', async () => {
    writeFileSync(inRoot('big'), Buffer.alloc(20_000_000));
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('RETR big');
    await new Promise((resolve) => socket.once('readable', resolve));
    expect(await session.ask('STAT')).toMatch(/^211/);
    const [, moved] = /with (\d+) bytes so far/.exec(session.client.text) ?? [];
    expect(Number(moved)).toBeGreaterThan(0);
    expect(Number(moved)).toBeLessThan(20_000_000);
    truncateSync(inRoot('big'), Number(moved));
    socket.resume();
    expect(await session.reply()).toMatch(/^426/);
  });

  it('ends with its session, and leaves nothing open', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    socket.resume();
    session.client.socket.resetAndDestroy();
    await new Promise((resolve) => socket.on('close', resolve));
    expect(await codes(port, 'NOOP\r\n')).toBe('220 200 221');
  });

  it('has commands that come meanwhile wait, so that the answers come in order', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    session.client.say('NOOP\r\nSIZE new\r\nSTAT\r\n');
    expect(await session.reply()).toMatch(/^211/);
    expect(session.client.text).toContain('a transfer, with 0 bytes so far');
    socket.end('abc');
    expect(await session.reply()).toBe('226 done');
    expect(await session.reply()).toMatch(/^200/);
    expect(await session.reply()).toBe('213 3');
  });

  it('holds up a flood of commands, and answers each of them', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    session.client.say(`${'NOOP\r\n'.repeat(10_000)}QUIT\r\n`);
    socket.end('abc');
    const text = await session.client.until(/never/);
    expect(text.match(/^200 fine\r$/gm)?.length).toBe(10_000);
    expect(text).toMatch(/221 bye\r\n$/);
  });

  it('that cannot be is refused, and each command has one answer', async () => {
    const session = await FTPSession.open(port);
    for (const command of [
      'RETR sub',
      'RETR no',
      'STOR sub',
      'STOR no/x',
      'APPE /',
      'MLSD ten.txt',
      'LIST no',
      'NLST no',
      'MLSD no',
      'RETR ',
    ]) {
      const [, answer] = await session.get(command);
      expect(answer, command).toMatch(/^5\d\d/);
    }
    expect(await session.ask('NOOP')).toMatch(/^200/);
  });
});

// ---- ABOR ----

/** As the four kinds of clients send it; the urgent byte is the last of what is urgent. */
const signals: [name: string, pieces: [text: string, isUrgent: boolean][]][] = [
  ['plainly', [['ABOR\r\n', false]]],
  ['behind IAC IP IAC DM', [['\xff\xf4\xff\xf2ABOR\r\n', false]]],
  [
    'behind IAC IP and an urgent IAC DM',
    [
      ['\xff\xf4', false],
      ['\xff\xf2', true],
      ['ABOR\r\n', false],
    ],
  ],
  [
    'behind an urgent IAC IP IAC, and DM',
    [
      ['\xff\xf4\xff', true],
      ['\xf2ABOR\r\n', false],
    ],
  ],
  ['urgently as a whole, as Python does', [['ABOR\r\n', true]]],
];

describe('ABOR', () => {
  /** A client with a socket of our own, which can send urgent bytes. */
  function blockingClient(): {
    say(text: string, isUrgent?: boolean): void;
    hear(fits: RegExp): string;
  } {
    const socket = new Socket();
    onTestFinished(() => socket.close());
    socket.setblocking(true);
    socket.connect_ex(['127.0.0.1', port]);
    let heard = '';
    return {
      say: (text, isUrgent = false) =>
        void socket.send(Buffer.from(text, 'latin1'), isUrgent ? MSG_OOB : 0),
      hear(fits) {
        while (!fits.test(heard)) heard += socket.recv(1000).toString('latin1');
        const text = heard;
        heard = '';
        return text;
      },
    };
  }

  it.each(signals)('sent %s ends a transfer: 426, then 226', async (_, pieces) => {
    const client = blockingClient();
    client.say(`${LOGIN}EPSV\r\n`);
    const [, passive] = /\|(\d+)\|\)/.exec(client.hear(/\|\)\r\n/)) ?? [];
    const data = await connected(Number(passive));
    client.say('STOR new\r\n');
    client.hear(/^150.*\r\n/m);
    for (const [text, isUrgent] of pieces) client.say(text, isUrgent);
    expect(codesIn(client.hear(/^226.*\r\n/m))).toBe('426 226');
    data.resume();
    if (!data.closed) await new Promise((resolve) => data.on('close', resolve));
    client.say('NOOP\r\n');
    expect(client.hear(/\r\n/)).toBe('200 fine\r\n');
  });

  it('ends one that nobody has connected for', async () => {
    const session = await FTPSession.open(port);
    const passive = await session.passive();
    await session.ask('RETR ten.txt');
    expect(await session.ask('ABOR')).toMatch(/^426/);
    expect(await session.reply()).toMatch(/^226/);
    expect((await connected(passive)).remotePort).toBeUndefined();
  });

  it('keeps what had come', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    socket.write('half');
    await expect.poll(() => read('new')).toBe('half');
    await session.ask('ABOR');
    expect(await session.reply()).toMatch(/^226/);
    expect(await session.ask('SIZE new')).toBe('213 4');
  });
});

// ---- whose data connection it is ----

describe('a data connection', () => {
  it('is made to nobody but the client, and not to services', async () => {
    const lines = [
      'PORT 127,0,0,2,200,1',
      'PORT 10,0,0,1,200,1',
      'PORT 127,0,0,1,3,255',
      'PORT 127,0,0,1,0,25',
      'PORT 127,0,0,1,256,1',
      'PORT 127,0,0,1,1',
      'PORT x',
      'EPRT |1|127.0.0.2|5000|',
      'EPRT |1|127.0.0.1|25|',
      'EPRT |2|::1|5000|',
      'EPRT |3|x|5000|',
      'EPRT |1|127.0.0.1|65536|',
      'EPRT |1|127.0.0.1|5000',
      'EPSV 2',
      'EPSV 1',
      'EPSV ALL',
      'PASV',
      'PORT 127,0,0,1,200,1',
      'EPRT |1|127.0.0.1|5000|',
      'EPSV',
    ];
    const text = `${LOGIN}${lines.map((line) => `${line}\r\n`).join('')}`;
    expect(await codes(port, text)).toBe(
      '220 331 230 501 501 501 501 501 501 501 501 501 522 501 501 501 522 229 200 503 503 503 229 221',
    );
  });

  it('is taken from nobody but the client, and the port is shut then', async () => {
    const session = await FTPSession.open(port);
    const passive = await session.passive();
    await session.ask('RETR ten.txt');
    expect(String(await bytes(await connected(passive, '127.0.0.2')))).toBe('');
    expect(await session.reply()).toMatch(/^425/);
    expect((await connected(passive)).remotePort).toBeUndefined();
    const [data] = await session.get('RETR ten.txt');
    expect(String(data)).toBe('0123456789');
  });

  it('waits at one port, which the next PASV shuts', async () => {
    const session = await FTPSession.open(port);
    const former = await session.passive();
    const [data] = await session.get('RETR ten.txt');
    expect(String(data)).toBe('0123456789');
    expect((await connected(former)).remotePort).toBeUndefined();
  });
});

// ---- paths ----

describe('a path', () => {
  it.each([
    '../root2/secret.txt',
    '/../root2/secret.txt',
    'sub/../../root2/secret.txt',
    '/root2/secret.txt',
    join(beside, 'secret.txt'),
    'out/secret.txt',
    'secret',
    'over',
    'relative',
    'round',
  ])('%s leads nowhere', async (path) => {
    symlinkSync(beside, inRoot('out'));
    symlinkSync(join(beside, 'secret.txt'), inRoot('secret'));
    symlinkSync(inRoot('out/secret.txt'), inRoot('over'));
    symlinkSync('sub/../../root2/secret.txt', inRoot('relative'));
    symlinkSync('round', inRoot('round'));
    const session = await FTPSession.open(port);
    for (const command of ['SIZE', 'MDTM', 'MLST', 'CWD', 'STAT', 'SITE CHMOD 777']) {
      expect(await session.ask(`${command} ${path}`), command).toMatch(/^550/);
    }
    for (const command of ['RETR', 'LIST', 'NLST', 'MLSD']) {
      expect((await session.get(`${command} ${path}`))[1], command).toMatch(/^550/);
    }
    expect(readFileSync(join(beside, 'secret.txt'), 'latin1')).toBe('secret');
    expect(session.client.text).not.toContain(folder);
  });

  it('of a link whose target is not there makes no file outside', async () => {
    symlinkSync(join(beside, 'new'), inRoot('out'));
    symlinkSync('../root2/new', inRoot('relative'));
    symlinkSync(beside, inRoot('folder'));
    symlinkSync('sub/new', inRoot('within'));
    const session = await FTPSession.open(port);
    for (const path of ['out', 'relative', 'folder/new']) {
      for (const command of ['STOR', 'APPE']) {
        expect(await session.put(`${command} ${path}`, Buffer.from('x')), path).toMatch(/^550/);
      }
    }
    expect(await session.ask('MKD folder/new')).toMatch(/^550/);
    await session.ask('RNFR ten.txt');
    expect(await session.ask('RNTO folder/new')).toMatch(/^550/);
    expect(existsSync(join(beside, 'new'))).toBe(false);
    expect(await session.put('STOR within', Buffer.from('x'))).toMatch(/^226/);
    expect(read('sub/new')).toBe('x');
  });

  it('may be a link within the root, and deleting or renaming that leaves its target', async () => {
    symlinkSync('sub', inRoot('link'));
    symlinkSync(join(beside, 'secret.txt'), inRoot('out'));
    const session = await FTPSession.open(port);
    expect(String((await session.get('RETR link/in.txt'))[0])).toBe('in');
    expect(await session.ask('CWD link')).toMatch(/^250 "\/link"/);
    expect(await session.ask('CDUP')).toMatch(/^250 "\/"/);
    await session.ask('RNFR link');
    expect(await session.ask('RNTO other')).toMatch(/^250/);
    expect(lstatSync(inRoot('other')).isSymbolicLink()).toBe(true);
    expect(await session.ask('DELE other')).toMatch(/^250/);
    expect(await session.ask('DELE out')).toMatch(/^250/);
    expect([read('sub/in.txt'), existsSync(join(beside, 'secret.txt'))]).toEqual(['in', true]);
  });

  it('has bytes of any kind, in UTF-8 or not, and IAC doubled', async () => {
    const session = await FTPSession.open(port);
    const utf8 = Buffer.from('Übung €').toString('latin1');
    for (const name of [utf8, 'a\xff\xffb', '\xc3(', 'a "quoted"', ' spaces ', '-l', 'a\\b', '~']) {
      expect(await session.ask(`MKD ${name}`)).toContain(name.replaceAll('"', '""'));
      expect(await session.ask(`CWD ${name}`)).toMatch(/^250/);
      expect(await session.ask('PWD')).toBe(
        `257 "/${name.replaceAll('"', '""')}" is where you are`,
      );
      await session.ask('CDUP');
    }
    expect(existsSync(inRoot('Übung €'))).toBe(true);
    expect(existsSync(Buffer.concat([Buffer.from(inRoot('a')), Buffer.from([255, 98])]))).toBe(
      true,
    );
  });

  it('to what is no file is refused, without waiting for it', async () => {
    const { spawnSync } = await import('node:child_process');
    spawnSync('mkfifo', [inRoot('fifo')]);
    const session = await FTPSession.open(port);
    for (const command of ['RETR fifo', 'STOR fifo', 'SIZE fifo']) {
      expect(await session.ask(command)).toMatch(/^550/);
    }
  });

  it('that is too long is refused', async () => {
    const session = await FTPSession.open(port);
    expect(await session.ask(`MKD ${'x'.repeat(300)}`)).toMatch(/^553/);
    expect(await session.ask(`CWD ${'x/'.repeat(4000)}`)).toMatch(/^55/);
  });
});

// ---- listings ----

describe('a listing', () => {
  it('has a line for each name, and none for one with a line end', async () => {
    writeFileSync(inRoot('forged\r\n-rw-r--r-- 1 a a 1 Jan 01 00:00 evil'), '');
    writeFileSync(inRoot('lf\nevil'), '');
    symlinkSync(beside, inRoot('out'));
    symlinkSync('ten.txt', inRoot('link'));
    for (const name of ['ten.txt', 'lines.txt']) chmodSync(inRoot(name), 0o644); // whatever the umask
    utimesSync(inRoot('ten.txt'), 0, 86400 * 365);
    const session = await FTPSession.open(port);
    expect(String((await session.get('NLST'))[0])).toBe('lines.txt\r\nlink\r\nsub\r\nten.txt\r\n');
    expect(String((await session.get('LIST -la'))[0])).toMatch(
      /^-rw-r--r-- +1 owner +group +7 \w{3} [ \d]\d \d\d:\d\d lines\.txt\r\n-.* link\r\nd.* sub\r\n-.* 10 Jan {2}1 {2}1971 ten.txt\r\n$/,
    );
    expect(String((await session.get('LIST sub'))[0])).toMatch(/^-.* in\.txt\r\n$/);
    expect(String((await session.get('LIST sub/in.txt'))[0])).toMatch(/^-.* sub\/in\.txt\r\n$/);
    await session.ask('OPTS MLST type;size;modify;UNIX.mode;');
    expect(String((await session.get('MLSD'))[0])).toContain(
      'type=file;size=10;modify=19710101000000;UNIX.mode=0644; ten.txt\r\n',
    );
    await session.ask('STAT sub');
    await session.ask('MLST ten.txt');
    expect(session.client.text).toMatch(/^ type=file;.* \/ten\.txt\r$/m);
    expect(session.client.text).not.toContain('evil');
  });

  it('has a file of the year 300000 as one of the last year that can be told', async (context) => {
    const memory = '/dev/shm';
    context.skip(
      !existsSync(memory),
      'needs a tmpfs, which keeps any time: mount -t tmpfs none /dev/shm',
    );
    const root = mkdtempSync(join(memory, 'asyncore-ftp-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    for (const [name, seconds] of Object.entries({ late: 9.4e12, early: 1e9 })) {
      writeFileSync(join(root, name), '');
      utimesSync(join(root, name), seconds, seconds);
    }
    context.skip(
      statSync(join(root, 'late')).mtimeMs < 9e15,
      'needs a tmpfs, which keeps any time: mount -t tmpfs none /dev/shm',
    );
    const { port } = await example('ftp_server', '--root', root, ...WHO);
    const session = await FTPSession.open(port);
    expect(String((await session.get('LIST'))[0])).toMatch(
      /^.* 2001 early\r\n.* Dec 31 {2}9999 late\r\n$/,
    );
    expect(String((await session.get('MLSD'))[0])).toContain('modify=99991231235959;');
    expect(await session.ask('MDTM late')).toMatch(/^213 99991231235959/);
  });

  it('of many files comes whole', async () => {
    mkdirSync(inRoot('many'));
    writeFileSync(inRoot('many/0'), '');
    for (let i = 1; i < 5000; i++) linkSync(inRoot('many/0'), inRoot(`many/${i}`));
    const session = await FTPSession.open(port);
    const [names] = await session.get('NLST many');
    expect(String(names).split('\r\n').length).toBe(5001);
  });
});

// ---- time, and the command line ----

describe('a silent client', () => {
  it('is told so and left, without a transfer and in one', async () => {
    const { port } = await example('ftp_server', '--root', root, ...WHO, '--timeout', '0.3');
    const idle = new Client(port);
    expect(await idle.until(/never/)).toMatch(/^220.*\r\n421.*\r\n$/);
    const session = await FTPSession.open(port);
    await session.connection();
    await session.ask('STOR new');
    expect(await session.reply()).toMatch(/^426/);
    expect(await session.reply()).toMatch(/^421/);
  });

  it('that has not logged in in time is left, however much it says', async () => {
    const server = new FTPServer('127.0.0.1', 0, root, { loginTime: 0.2 });
    const client = new Client((server.getsockname() as InetAddress)[1]);
    const talking = setInterval(() => client.say('NOOP\r\n'), 10);
    const running = loop();
    const text = await client.until(/never/);
    clearInterval(talking);
    server.close();
    await running;
    expect(text).toMatch(/421 nobody has logged in\r\n$/);
  });

  it('loses a passive port that it does not use', async () => {
    const account = { user: 'user', password: 'secret' };
    const server = new FTPServer('127.0.0.1', 0, root, { account, passiveTime: 0.1 });
    const running = loop();
    const session = await FTPSession.open((server.getsockname() as InetAddress)[1]);
    const passive = await session.passive();
    await session.ask('RETR ten.txt');
    expect(await session.reply()).toMatch(/^425/);
    expect((await connected(passive)).remotePort).toBeUndefined();
    await session.ask('QUIT');
    server.close();
    await running;
  });
});

it.each([
  '',
  '--root /nowhere',
  '--root . --user a',
  '--root . --cert a',
  '--root . --tls',
  '--root . --timeout x',
  '--root . --connections 0',
])('says in one line what is wrong with %j', async (args) => {
  const { code, stderr } = await run('ftp_server', ...args.split(' ').filter(Boolean));
  expect(stderr).toMatch(/^ftp_server: .*\n$/);
  expect(code).toBe(1);
});

it('has made no file outside, and changed none', () => {
  expect([
    statSync(beside).isDirectory(),
    readFileSync(join(beside, 'secret.txt'), 'utf8'),
  ]).toEqual([true, 'secret']);
});
