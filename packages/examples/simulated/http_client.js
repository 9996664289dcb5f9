import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { HTTPClient, HTTPDownload } from '../dist/http_client.js';

const HOST = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'simulated'));
process.on('exit', () => rmSync(folder, { recursive: true }));

/** @param {import('@asyncore/testing').network} net */
export async function http_client(net) {
  const listener = net.listen([HOST, 80]);
  const output = new PassThrough({ highWaterMark: 100 });
  let got = '';
  output.on('data', (data) => {
    got += data;
  });
  const client = new HTTPClient(HOST, '/x', 80, output);
  const server = await listener.accept();
  await server.expect('\r\n\r\n');
  const answer = `HTTP/1.0 200 OK\r\n\r\n${'b'.repeat(500)}`;
  server.send(answer);
  const isReset = net.choose(2, 'reset') === 1;
  if (isReset) {
    await net.settle(60);
    server.reset();
  } else {
    server.close();
  }
  await net.until(() => client.fileno() < 0, 'the client closes');
  if (isReset) assert.match(String(client.error), /reset/);
  else assert.deepEqual([client.error, got], [null, answer]);
}

/** @param {import('@asyncore/testing').network} net */
export async function http_download(net) {
  const file = join(folder, 'download');
  rmSync(file, { force: true });
  const listener = net.listen([HOST, 80]);
  const client = new HTTPDownload(HOST, '/x', 80, file);
  client.log_info = () => {};
  const server = await listener.accept();
  await server.expect('\r\n\r\n');
  const chunks = ['hello ', 'w', 'orld'.repeat(30)];
  const body = chunks.join('');
  const chunked = chunks.map((chunk) => `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`);
  const kind = net.choose(4, 'answer');
  server.send(
    [
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
        `${chunked.join('')}0\r\nA: b\r\n\r\n`,
      `HTTP/1.1 200 OK\r\n\r\n${body}`,
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}`,
    ][kind],
  );
  if (kind !== 0) server.close();
  await net.until(() => client.fileno() < 0, 'the client closes');
  if (kind < 3) assert.equal(client.error, null);
  else assert.match(String(client.error), /closed after/);
  assert.equal(readFileSync(file, 'latin1'), body);
}
