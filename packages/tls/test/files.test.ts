/** file_producer over TLS: the file is read and sent, since the kernel would send its bytes in the clear. */
import { randomBytes } from 'node:crypto';
import { fstatSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { file_producer } from '@asyncore/chat';
import { native, use_binding } from '@asyncore/socket/kernel';
import { describeTls } from '@asyncore/test-support/certificates';
import { afterAll, afterEach, expect, it } from 'vitest';
import { Channel, CLIENT, Lines, onEveryPoller, pair, SERVER, Stage } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore tls files ü '));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  use_binding(native);
});

const content = randomBytes(3_000_000);
const path = join(folder, 'file');
writeFileSync(path, content);

/** A server that sends, and a client that collects, before their handshake is done. */
async function sending(stage: Stage): Promise<[server: Lines, client: Channel]> {
  const [far, near] = await pair(stage);
  const server = new Lines(stage, 'server', far);
  const client = new Channel(stage, 'client', near);
  server.start_tls(SERVER);
  client.start_tls({ ...CLIENT, isServer: false });
  return [server, client];
}

const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describeTls('TLS', () => {
  onEveryPoller((use_poll) => {
    it('a file and a part of it come whole, in order with what is pushed around them', async () => {
      const stage = new Stage(use_poll);
      let calls = 0;
      use_binding({
        ...native,
        sendfile(...args) {
          calls += 1;
          return native.sendfile(...args);
        },
      });
      const [server, client] = await sending(stage);
      const file = new file_producer(path);
      server.push(Buffer.from('head'));
      server.push_with_producer(file);
      server.push(Buffer.from('between'));
      server.push_with_producer(new file_producer(path, { start: 7, end: 70_000 }));
      server.push(Buffer.from('tail'));
      server.close_when_done();
      const { fd } = file._range;
      await stage.until('client close');
      const wanted = Buffer.concat([
        ...[Buffer.from('head'), content, Buffer.from('between')],
        ...[content.subarray(7, 70_000), Buffer.from('tail')],
      ]);
      expect(Buffer.concat(client.received).equals(wanted)).toBe(true);
      expect([calls, isOpen(fd)]).toEqual([0, false]);
    });

    it('a file that is cut short meanwhile ends the channel with its error', async () => {
      const stage = new Stage(use_poll);
      const [server, client] = await sending(stage);
      const short = join(folder, 'short');
      writeFileSync(short, content);
      server.push_with_producer(new file_producer(short));
      server.push(Buffer.from('never sent'));
      truncateSync(short, 100_000);
      await stage.until('server error EIO');
      await stage.until('client close');
      expect(Buffer.concat(client.received).equals(content.subarray(0, 100_000))).toBe(true);
    });

    it('a peer that goes in the middle closes the file', async () => {
      const stage = new Stage(use_poll);
      const [server, client] = await sending(stage);
      const file = new file_producer(path);
      const { fd } = file._range;
      server.push_with_producer(file);
      await stage.until('client read much');
      client.close();
      await stage.until(() => stage.trace.some((line) => /^server (close|error)/.test(line)));
      expect([isOpen(fd), server.fileno()]).toEqual([false, -1]);
    });
  });
});
