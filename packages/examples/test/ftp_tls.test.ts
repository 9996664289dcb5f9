/** ftp_server's TLS, spoken by hand: what a client that means ill would do. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { loop } from '@asyncore/core';
import { FTPServer } from '@asyncore/examples';
import type { InetAddress } from '@asyncore/socket';
import { describeTls, LOCAL } from '@asyncore/test-support/certificates';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { bytes, codes, codesIn, connected, FTPSession, LOGIN } from './ftp_session.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const root = mkdtempSync(join(tmpdir(), 'asyncore-ftp-'));
writeFileSync(join(root, 'ten.txt'), '0123456789');
afterAll(() => rmSync(root, { recursive: true }));

const SERVER = ['--root', root, '--user', 'user', '--password', 'secret'];
const CERT = ['--cert', LOCAL.certFile, '--key', LOCAL.keyFile];
let port = 0;

/** TLS over a client's connection, from here on; gives all that is said inside once it has ended. */
async function inside(client: Client, text: string): Promise<string> {
  client.socket.removeAllListeners('data');
  const socket = connect({ socket: client.socket, ca: LOCAL.cert, servername: 'localhost' });
  onTestFinished(() => void socket.destroy());
  socket.write(text);
  return String(await all(socket));
}

async function all(socket: TLSSocket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

describeTls('ftp_server', () => {
  beforeAll(async () => {
    ({ port } = await example('ftp_server', ...SERVER, ...CERT));
  });

  it('drops what was injected behind AUTH TLS, and begins anew inside', async () => {
    const client = new Client(port);
    client.say(`${LOGIN}AUTH TLS\r\nMKD injected\r\n`);
    await client.until(/^234.*\r\n/m);
    const text = await inside(
      client,
      `PWD\r\nAUTH TLS\r\nPROT P\r\nPBSZ 0\r\nPROT P\r\n${LOGIN}PWD\r\nQUIT\r\n`,
    );
    expect(codesIn(text)).toBe('530 503 503 200 200 331 230 257 221');
    expect(codesIn(client.text)).toBe('220 331 230 234');
  });

  it('drops what waited for a transfer when TLS begins behind it', async () => {
    const session = await FTPSession.open(port);
    const socket = await session.connection();
    await session.ask('STOR new');
    session.client.say('AUTH TLS\r\nMKD injected\r\nNOOP\r\n');
    session.client.say('STAT\r\n');
    await session.reply(); // both lines are there
    socket.end('x');
    await session.client.until(/^234.*\r\n/m);
    expect(codesIn(await inside(session.client, 'NOOP\r\nQUIT\r\n'))).toBe('200 221');
  });

  it.each([
    ['in the wrong order', 'PBSZ 0\r\nPROT P\r\nAUTH X\r\nAUTH\r\n', '220 503 503 504 501 221'],
    ['with features', 'FEAT\r\n', '220 211 221'],
  ])('answers what comes %s', async (_, lines, wanted) => {
    expect(await codes(port, lines)).toBe(wanted);
  });

  it('closes a data connection that was made before PROT P', async () => {
    const client = new Client(port);
    client.say('AUTH TLS\r\n');
    await client.until(/^234.*\r\n/m);
    client.socket.removeAllListeners('data');
    const control = connect({ socket: client.socket, ca: LOCAL.cert, servername: 'localhost' });
    onTestFinished(() => void control.destroy());
    let text = '';
    control.on('data', (data) => {
      text += data;
    });
    const said = async (line: string, fits: RegExp) => {
      control.write(`${line}\r\n`);
      await expect.poll(() => text, { timeout: 10_000 }).toMatch(fits);
    };
    await said(`${LOGIN}EPSV`, /\|\)\r\n$/);
    const data = await connected(Number(/\|(\d+)\|\)/.exec(text)?.[1]));
    await said('NOOP', /200 fine\r\n$/);
    await said('PBSZ 0\r\nPROT P', /200 data.*\r\n$/);
    expect(String(await bytes(data))).toBe('');
    await said('RETR ten.txt', /150.*\r\n425.*\r\n$/);
    await said('PROT C\r\nPROT S\r\nPROT X', /200.*\r\n536.*\r\n504.*\r\n$/);
  });

  it('wants TLS for passwords and data, where it is required', async () => {
    const { port } = await example('ftp_server', ...SERVER, ...CERT, '--require-tls');
    expect(await codes(port, LOGIN)).toBe('220 530 503 221');
    const client = new Client(port);
    client.say('AUTH TLS\r\n');
    await client.until(/^234.*\r\n/m);
    const lines = `${LOGIN}EPSV\r\nRETR ten.txt\r\nLIST\r\nSTOR x\r\nPBSZ 0\r\nPROT C\r\nQUIT\r\n`;
    expect(codesIn(await inside(client, lines))).toBe('331 230 229 521 521 521 200 534 221');
  });

  it('speaks TLS from the start with --tls', async () => {
    const { port } = await example('ftp_server', ...SERVER, ...CERT, '--tls');
    const socket = connect({ port, host: 'localhost', ca: LOCAL.cert });
    onTestFinished(() => void socket.destroy());
    socket.write(`${LOGIN}AUTH TLS\r\nQUIT\r\n`);
    expect(codesIn(String(await all(socket)))).toBe('220 331 230 503 221');
  });

  it('goes on when somebody sends no TLS where TLS belongs', async () => {
    const client = new Client(port);
    client.say('AUTH TLS\r\n');
    await client.until(/^234.*\r\n/m);
    client.say('USER user\r\n');
    await client.until(/never/);
    expect(await codes(port, 'NOOP\r\n')).toBe('220 200 221');
  });

  it('a handshake that does not come is answered with 425', async () => {
    const server = new FTPServer('127.0.0.1', 0, root, {
      account: { user: 'user', password: 'secret' },
      tls: { cert: LOCAL.cert, key: LOCAL.key, handshakeTimeout: 3000 },
    });
    const running = loop();
    const client = new Client((server.getsockname() as InetAddress)[1]);
    client.say('AUTH TLS\r\n');
    await client.until(/^234.*\r\n/m);
    client.socket.removeAllListeners('data');
    const control = connect({ socket: client.socket, ca: LOCAL.cert, servername: 'localhost' });
    onTestFinished(() => void control.destroy());
    let text = '';
    control.on('data', (data) => {
      text += data;
    });
    control.write(`PBSZ 0\r\nPROT P\r\n${LOGIN}EPSV\r\n`);
    await expect.poll(() => text, { timeout: 10_000 }).toMatch(/\|\)\r\n$/);
    const data = await connected(Number(/\|(\d+)\|\)/.exec(text)?.[1]));
    control.write('RETR ten.txt\r\n');
    await expect.poll(() => text, { timeout: 10_000 }).toMatch(/\r\n425.*\r\n$/);
    data.destroy();
    control.destroy();
    server.close();
    await running;
  });
});
