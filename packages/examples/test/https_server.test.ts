import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:https';
import { describeTls, LOCAL } from '@asyncore/test-support/certificates';
import { beforeAll, expect, it, vi } from 'vitest';
import { Client, example, need } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

describeTls('https_server', () => {
  let port = 0;
  beforeAll(async () => {
    const args = ['--cert', LOCAL.certFile, '--key', LOCAL.keyFile];
    ({ port } = await example('https_server', ...args));
  });

  it('answers node:https, one request after the other on one connection', async () => {
    const { Agent } = await import('node:https');
    const agent = new Agent({ keepAlive: true, ca: LOCAL.cert });
    for (const path of ['/first', '/second']) {
      const request = get({ port, path, host: '127.0.0.1', agent });
      const [response] = await once(request, 'response');
      const text = await response.toArray();
      expect(String(text)).toBe(`GET ${path}\n`);
      expect(request.reusedSocket).toBe(path === '/second');
    }
    agent.destroy();
  });

  it('answers curl', (context) => {
    need(context, 'curl', 'curl');
    const url = `https://localhost:${port}/page`;
    const args = ['-4', '-sS', '--cacert', LOCAL.certFile, '--data', 'x', url];
    const { stdout, stderr } = spawnSync('curl', args, { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['POST /page\n', '']);
  });

  it('goes on after a client that speaks no TLS', async () => {
    const plain = new Client(port);
    plain.say('GET / HTTP/1.0\r\n\r\n');
    await plain.until(/(?!)/);
    const request = get({ port, host: '127.0.0.1', ca: LOCAL.cert });
    const [{ statusCode }] = await once(request, 'response');
    request.destroy();
    expect(statusCode).toBe(200);
  });
});
