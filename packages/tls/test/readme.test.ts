import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describeTls, LOCAL } from '@asyncore/test-support/certificates';
import { expect, it, onTestFinished } from 'vitest';
import { plain } from './support.js';

describeTls('the program in the README', () => {
  it('takes a mail after STARTTLS, and nothing that was injected before', async () => {
    const program = join(import.meta.dirname, 'readme.mjs');
    const child = spawn(process.execPath, [program, LOCAL.keyFile, LOCAL.certFile]);
    onTestFinished(() => void child.kill());
    let said = '';
    child.stdout.on('data', (data) => {
      said += data;
    });
    while (!said.includes('\n')) await once(child.stdout, 'data');
    const socket = await plain(Number(said.split(' ')[1]));
    const answer = async (stream: NodeJS.ReadableStream, what: string) => {
      let text = '';
      while (!text.includes(what)) text += (await once(stream, 'data'))[0];
      return text;
    };
    await answer(socket, '220 ');
    socket.write('EHLO me\r\n');
    await answer(socket, 'STARTTLS');
    socket.write('STARTTLS\r\nMAIL FROM:<eve>\r\n');
    expect(await answer(socket, '220 ')).toBe('220 go ahead\r\n');
    const tls = connect({ socket, ca: LOCAL.cert, servername: 'localhost' });
    tls.write('RCPT TO:<you>\r\n');
    await answer(tls, '503 ');
    tls.write('MAIL FROM:<me>\r\nRCPT TO:<you>\r\nDATA\r\n');
    await answer(tls, '354 ');
    tls.write('hello\r\n.\r\nQUIT\r\n');
    await answer(tls, '221 ');
    await once(tls, 'end');
    // What it prints may come after what it sends.
    while (!said.includes('hello\n')) await once(child.stdout, 'data');
    expect(said).toContain('TLSv1.3 from <me>\nhello\n');
  });

  it('the client there gets a page', async () => {
    const server = createServer({ key: LOCAL.key, cert: LOCAL.cert }, (_, response) =>
      response.end('a page'),
    );
    onTestFinished(() => void server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const program = join(import.meta.dirname, 'client.mjs');
    const child = spawn(process.execPath, [program, String(port), LOCAL.certFile]);
    const said: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => said.push(data));
    const [code] = await once(child, 'close');
    expect(String(Buffer.concat(said))).toMatch(
      /^TLSv1.3 localhost\nHTTP\/1.1 200 OK[\s\S]*a page$/,
    );
    expect(code).toBe(0);
  });
});
