/** Clients that others wrote, against ftp_server: over both families, with TLS and without. */
// In a process of its own: its programs take so long that a start more does not count.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasOpenssl, LOCAL } from '@asyncore/test-support/certificates';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { needIPv6 } from './example.js';
import { example, need } from './service.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const MB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), 'asyncore-ftp-'));
const root = join(folder, 'root');
const local = join(folder, 'local');
let port = 0;

const TLS = hasOpenssl ? ['--cert', LOCAL.certFile, '--key', LOCAL.keyFile] : [];
const inRoot = (name: string) => join(root, name);

beforeAll(async () => {
  mkdirSync(root);
  mkdirSync(local);
  const who = ['--user', 'user', '--password', 'secret'];
  ({ port } = await example('ftp_server', '--root', root, ...who, ...TLS));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of so many bytes that are not all the same; gives its digest. */
function made(path: string, size: number): string {
  const fd = openSync(path, 'w');
  const hash = createHash('sha256');
  for (let at = 0; at < size; at += MB) {
    const piece = Buffer.alloc(Math.min(MB, size - at), `block ${at / MB} of this file, `);
    writeSync(fd, piece);
    hash.update(piece);
  }
  closeSync(fd);
  return hash.digest('hex');
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Runs a program to its end, while others run too. */
async function done(command: string, args: string[]): Promise<{ code: number; text: string }> {
  const child = spawn(command, args, { cwd: local });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data));
  const [code] = await once(child, 'close');
  return { code, text };
}

const hosts = ['127.0.0.1', '::1'] as const;
const secrecies = hasOpenssl ? (['clear', 'TLS'] as const) : (['clear'] as const);
const ways = hosts.flatMap((host) => secrecies.map((how) => [host, how] as const));

async function needHost(context: TestContext, host: string): Promise<void> {
  if (host === '::1') await needIPv6(context);
}

it('needs openssl for the tests over TLS', (context) => {
  context.skip(!hasOpenssl, 'needs openssl: apt-get install openssl');
});

// ---- Python's ftplib ----

describe.for(ways)('ftplib, %s, %s:', ([host, how]) => {
  async function python(context: TestContext, ...calls: string[]): Promise<unknown[]> {
    need(context, 'python3', 'python3');
    await needHost(context, host);
    const script = fileURLToPath(new URL('ftp_calls.py', import.meta.url));
    const ca = how === 'TLS' ? LOCAL.certFile : '';
    const { text } = await done('python3', [script, host, String(port), ca, ...calls]);
    expect(text).toMatch(/^\[/);
    return JSON.parse(text);
  }

  it('10 MB each way arrive as they were, and are gone on with', async (context) => {
    const size = 10 * MB;
    rmSync(inRoot('half'), { force: true });
    expect(
      await python(
        context,
        `put("STOR half", made(${size})[:1234567])`,
        'f.size("half")',
        `put("STOR half", made(${size})[1234567:], 1234567)`,
        `digest(get("RETR half")) == digest(made(${size}))`,
        `get("RETR half", ${size - 5}).decode()`,
        'put("APPE half", b"x")',
        'f.size("half")',
      ),
    ).toEqual(['226 done', 1234567, '226 done', true, tail(size), '226 done', size + 1]);
  });

  it('8 at once get the same', async (context) => {
    const wanted = made(inRoot('eight'), 3 * MB);
    expect(await python(context, 'at_once(8, "RETR eight")')).toEqual([[1, wanted]]);
  });

  it('folders are made, listed, renamed and removed', async (context) => {
    rmSync(inRoot('folder'), { recursive: true, force: true });
    expect(
      await python(
        context,
        'f.mkd("folder")',
        'f.cwd("folder")[:3]',
        'f.pwd()',
        'put("STOR ü", b"x")',
        'f.rename("ü", "é")',
        'f.nlst()',
        '[(name, facts["type"], facts["size"]) for name, facts in f.mlsd()]',
        'f.dir(str)',
        'f.delete("é")[:3]',
        'f.cwd("..")[:3]',
        'f.rmd("folder")[:3]',
        'f.retrlines("RETR no")',
      ),
    ).toEqual([
      '/folder',
      '250',
      '/folder',
      '226 done',
      '250 renamed',
      ['é'],
      [['é', 'file', '1']],
      null,
      '250',
      '250',
      '250',
      ['error_perm', '550'],
    ]);
  });

  it('a STOR that is cut or reset is no success', async (context) => {
    const cut = how === 'TLS' ? ['error_temp', '426'] : '226 done';
    expect(
      await python(context, 'cut(b"x" * 100000)', 'reset(b"x" * 100000)', 'f.voidcmd("NOOP")'),
    ).toEqual([cut, ['error_temp', expect.stringMatching(/^42[56]$/)], '200 fine']);
  });

  it('a transfer is aborted in its middle, and the next one works', async (context) => {
    const wanted = made(inRoot('aborted'), 10 * MB);
    expect(await python(context, 'abort("RETR aborted")', 'digest(get("RETR aborted"))')).toEqual([
      ['426', '226'],
      wanted,
    ]);
  });

  it('TLS may begin before the command', async (context) => {
    context.skip(how === 'clear', 'is about TLS');
    writeFileSync(inRoot('late'), 'late');
    expect(await python(context, 'late("RETR late")')).toEqual(['late']);
  });
});

/** The last 5 of so many bytes of what ftp_calls.py makes. */
function tail(size: number): string {
  return '0123456789abcde\n'.repeat(2).slice((size - 5) % 16, ((size - 5) % 16) + 5);
}

// ---- curl ----

describe.for(ways)('curl, %s, %s:', ([host, how]) => {
  async function curl(context: TestContext, ...args: string[]): Promise<void> {
    need(context, 'curl', 'curl');
    await needHost(context, host);
    const tls = how === 'TLS' ? ['--ssl-reqd', '--cacert', LOCAL.certFile] : [];
    const result = await done('curl', ['-sS', ...tls, '--user', 'user:secret', ...args]);
    expect(result).toEqual({ code: 0, text: '' });
  }
  const url = (name: string) => `ftp://${host === '::1' ? '[::1]' : host}:${port}/${name}`;

  // 200 MB once: each of the others takes as long.
  const size = host === '127.0.0.1' && how === 'clear' ? 200 * MB : 20 * MB;
  it(`${size / MB} MB each way arrive as they were`, async (context) => {
    const wanted = made(join(local, 'big'), size);
    await curl(context, '-T', 'big', url('big'));
    expect(digest(inRoot('big'))).toBe(wanted);
    await curl(context, '-o', 'again', url('big'));
    expect(digest(join(local, 'again'))).toBe(wanted);
    for (const file of [inRoot('big'), join(local, 'big'), join(local, 'again')]) rmSync(file);
  });

  it('goes on with half a file, either way, and by PORT', async (context) => {
    const wanted = made(join(local, 'whole'), 3 * MB);
    const half = readFileSync(join(local, 'whole')).subarray(0, MB + 1);
    writeFileSync(inRoot('whole'), half);
    await curl(context, '-C', '-', '-T', 'whole', url('whole'));
    expect(digest(inRoot('whole'))).toBe(wanted);
    writeFileSync(join(local, 'half'), half);
    await curl(context, '-C', '-', '-o', 'half', url('whole'));
    expect(digest(join(local, 'half'))).toBe(wanted);
    if (how === 'TLS') return; // curl 7.88 takes its own TLS connection for no address: errno 97
    await curl(context, '-P', '-', '-o', 'active', url('whole'));
    expect(digest(join(local, 'active'))).toBe(wanted);
  });

  it('makes folders, lists, and says commands', async (context) => {
    await curl(context, '--ftp-create-dirs', '-T', 'whole', url(`made${how}${host.length}/deep/f`));
    await curl(context, '-o', 'list', url(`made${how}${host.length}/deep/`));
    expect(readFileSync(join(local, 'list'), 'latin1')).toMatch(/^-rw.* f\r?\n$/);
    await curl(context, '-o', 'list', '-Q', '-SITE CHMOD 600 whole', '-Q', '-DELE whole', url(''));
    expect(existsSync(inRoot('whole'))).toBe(false);
  });
});

// ---- lftp ----

describe.for(ways)('lftp, %s, %s:', ([host, how]) => {
  async function lftp(context: TestContext, ...commands: string[]): Promise<void> {
    need(context, 'lftp', 'lftp');
    await needHost(context, host);
    const settings = [
      'net:max-retries 1',
      'net:timeout 60',
      ...(how === 'TLS'
        ? ['ftp:ssl-force true', 'ftp:ssl-protect-data true', `ssl:ca-file ${LOCAL.certFile}`]
        : ['ftp:ssl-allow false']),
    ].map((setting) => `set ${setting}`);
    const where = `open -u user,secret ftp://${host === '::1' ? '[::1]' : host}:${port}`;
    const script = [...settings, 'set cmd:fail-exit true', where, ...commands, 'quit'].join('; ');
    const result = await done('lftp', ['--norc', '-c', script]);
    expect(result).toEqual({ code: 0, text: '' });
  }

  it('mirrors a folder there and back', async (context) => {
    const tree = join(local, 'tree');
    rmSync(tree, { recursive: true, force: true });
    for (const name of ['a', 'b/c', 'b/ü']) mkdirSync(join(tree, name), { recursive: true });
    for (let i = 0; i < 30; i++) writeFileSync(join(tree, `b/c/${i}`), String(i).repeat(i * 100));
    writeFileSync(join(tree, 'b/ü/two words'), 'x');
    const there = `mirror${how}${host.length}`;
    await lftp(context, `mirror -R --parallel=4 tree ${there}`);
    await lftp(context, `mirror --parallel=4 ${there} back${there}`);
    const all = (folder: string) =>
      (readdirSync(folder, { recursive: true }) as string[]).sort().map((name) => {
        const path = join(folder, name);
        return [name, statSync(path).isDirectory() ? 'folder' : digest(path)];
      });
    expect(all(join(local, `back${there}`))).toEqual(all(tree));
    expect(all(inRoot(there))).toEqual(all(tree));
  });

  it('gets a file in 8 pieces at once', async (context) => {
    const wanted = made(inRoot('pieces'), 20 * MB);
    await lftp(context, 'pget -n 8 -c pieces -o pieces');
    expect(digest(join(local, 'pieces'))).toBe(wanted);
    rmSync(join(local, 'pieces'));
  });
});
