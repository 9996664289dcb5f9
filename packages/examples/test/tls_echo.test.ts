import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { describeTls, LOCAL } from '@asyncore/test-support/certificates';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { run } from './example.js';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const CERT = ['--cert', LOCAL.certFile, '--key', LOCAL.keyFile];

describeTls('tls_echo', () => {
  let port = 0;
  beforeAll(async () => {
    ({ port } = await example('tls_echo', ...CERT));
  });

  function client() {
    const socket = connect({ port, host: '127.0.0.1', ca: LOCAL.cert });
    onTestFinished(() => void socket.destroy());
    return socket;
  }

  it('sends 20 MB back', async () => {
    const socket = client();
    const sent = randomBytes(20 << 20);
    const got: Buffer[] = [];
    socket.on('data', (data) => got.push(data));
    socket.end(sent);
    await once(socket, 'end');
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });

  it('resumes a session', async () => {
    const first = client();
    const [session] = await once(first, 'session');
    first.end();
    const second = connect({ port, host: '127.0.0.1', ca: LOCAL.cert, session });
    onTestFinished(() => void second.destroy());
    await once(second, 'secureConnect');
    expect(second.isSessionReused()).toBe(true);
  });

  it('answers openssl s_client', async () => {
    const where = ['-connect', `127.0.0.1:${port}`, '-CAfile', LOCAL.certFile];
    const child = spawn('openssl', ['s_client', ...where, '-quiet', '-verify_return_error']);
    onTestFinished(() => void child.kill());
    child.stdin.write('hello\n');
    expect(String((await once(child.stdout, 'data'))[0])).toBe('hello\n');
  });

  it('goes on after a client that speaks no TLS', async () => {
    const plain = new Client(port);
    plain.say('GET / HTTP/1.0\r\n\r\n');
    await plain.until(/(?!)/);
    const socket = client();
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
  });

  it('lets a client go that says nothing, and so shakes no hands', async () => {
    const { port } = await example('tls_echo', ...CERT, '--timeout', '0.2');
    const silent = new Client(port);
    await silent.until(/(?!)/);
    expect(silent.closed).toBe(true);
  });
});

it('tls_echo says what it needs', async () => {
  const { code, stderr } = await run('tls_echo');
  expect([code, stderr]).toEqual([
    1,
    'tls_echo: say which certificate and key to use: --cert FILE --key FILE\n',
  ]);
});
