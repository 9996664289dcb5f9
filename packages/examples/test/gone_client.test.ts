/** A client that has sent a request and is gone before it is accepted: whoever comes next is served. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { close_all, type dispatcher, loop, socket_map } from '@asyncore/core';
import {
  ChatServer,
  EchoServer,
  FTPServer,
  type HTTPHandler,
  HTTPServer,
  JobServer,
  LoggingEchoHandler,
  LoggingEchoServer,
  maildir,
  PublicServer,
  RedisServer,
  SMTPHandler,
  SMTPServer,
  StoreServer,
  UnixEchoServer,
} from '@asyncore/examples';
import { AF_UNIX, SO_LINGER, SOL_SOCKET, Socket, socketpair } from '@asyncore/socket';
import { onEveryPoller } from '@asyncore/test-support/stage';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let folder = '';
let lines: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/asyncore`);
  writeFileSync(`${folder}/a.txt`, 'hi');
  lines = [];
  const log = (text: unknown) => void lines.push(String(text));
  vi.spyOn(console, 'log').mockImplementation(log);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
});

afterEach(() => {
  close_all(socket_map, true);
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const here = '127.0.0.1';
const mail =
  'HELO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: spam\r\n\r\nspam\r\n.\r\nQUIT\r\n';

const servers: [string, () => dispatcher, request: string, answer: RegExp][] = [
  ['echo_server', () => new EchoServer(here, 0), 'spam', /^spam$/],
  ['chat_room', () => new ChatServer(here, 0), 'zoe\n', /What is your name/],
  [
    'http_server',
    () => new HTTPServer(here, 0, folder),
    'GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n',
    /hi$/,
  ],
  ['ftp_server', () => new FTPServer(here, 0, folder), 'SYST\r\nQUIT\r\n', /^221/m],
  ['graceful_shutdown', () => new JobServer(here, 0), '0\n', /done in 0 s/],
  ['public_server', () => new PublicServer(here, 0), 'spam\n', /^spam\n$/],
  ['redis_server', () => new RedisServer(here, 0), 'PING\r\n', /^\+PONG/],
  ['smtp_server', () => new SMTPServer(here, 0, maildir(folder)), mail, /^221/m],
  ['store_server', () => new StoreServer(here, 0), 'get a\n', /^none/],
  ['unix_echo', () => new UnixEchoServer(`${folder}/socket`), 'spam', /^spam$/],
  [
    'logging_echo_server',
    () => {
      const server = new LoggingEchoServer([here, 0]);
      server.server_bind();
      server.server_activate();
      return server;
    },
    'spam',
    /^spam$/,
  ],
];

function clientOf(server: dispatcher): Socket {
  const client = new Socket(server.socket?.family);
  client.connect_ex(server.getsockname());
  return client;
}

/** Runs the loop until something has come that fits. */
async function answer(client: Socket, fits: RegExp, use_poll?: boolean): Promise<string> {
  let text = '';
  while (!fits.test(text)) {
    await loop({ use_poll, timeout: 0.1, count: 1 });
    try {
      const data = client.recv(65536);
      if (data.length === 0) break;
      text += data.toString('latin1');
    } catch {} // nothing yet
  }
  return text;
}

onEveryPoller((use_poll) => {
  it.each(servers)('%s', async (_, make, request, fits) => {
    const server = make();
    const gone = clientOf(server);
    gone.send(Buffer.from(request)); // the kernel has connected it
    gone.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0)); // a reset
    gone.close();
    const client = clientOf(server);
    client.send(Buffer.from(request));
    expect(await answer(client, fits, use_poll)).toMatch(fits);
    expect(lines.filter((line) => /uncaptured|Error/.test(line))).toEqual([]);
    client.close();
  });
});

it('http_server logs the request of a client without an address', () => {
  const server = new HTTPServer(here, 0, folder);
  server.log_request({ addr: null } as HTTPHandler, 'GET / HTTP/1.1', 200);
  expect(lines.at(-1)).toMatch(/ - "GET \/ HTTP\/1.1" 200 0$/);
});

it('smtp_server keeps the mail of a client without an address', async () => {
  const server = new SMTPServer(here, 0, maildir(folder));
  const [ours, theirs] = socketpair(AF_UNIX);
  new SMTPHandler(ours, server).addr = null;
  theirs.send(Buffer.from(mail));
  await answer(theirs, /^221/m);
  const [name] = readdirSync(`${folder}/new`);
  expect(readFileSync(`${folder}/new/${name}`, 'latin1')).toContain(
    'Received: from a (unknown) by ',
  );
  theirs.close();
});

it('logging_echo_server serves a client without an address', () => {
  const [ours, theirs] = socketpair(AF_UNIX);
  const handler = new LoggingEchoHandler(ours, '', new LoggingEchoServer([here, 0]));
  expect(handler.client).toBe('unknown');
  theirs.close();
});
