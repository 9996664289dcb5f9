import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HTTPServer } from '../dist/http_server.js';

const HOST = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'simulated'));
process.on('exit', () => rmSync(folder, { recursive: true }));

/** @param {import('@asyncore/testing').network} net */
export async function http_server(net) {
  writeFileSync(join(folder, 'page.txt'), 'a page\n'.repeat(100));
  new HTTPServer(HOST, 80, folder, 30, true);
  const peer = net
    .connect([HOST, 80])
    .send('GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n')
    .send('GET /page.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\nConnection: close\r\n\r\n');
  assert.equal(await peer.end(), 'end');
  const [first, second, third, ...more] = peer.text.split(/(?=HTTP\/1\.1 \d)/);
  assert.match(first, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n(a page\n){100}$/);
  assert.match(second, /^HTTP\/1\.1 404 /);
  assert.match(third, /^HTTP\/1\.1 206 [\s\S]*\r\n\r\na page$/);
  assert.deepEqual(more, []);
}
