import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { close_all } from '@asyncore/core';
import { LoggingEchoHandler, LoggingEchoServer } from '@asyncore/examples';
import { type InetAddress, SO_REUSEADDR, SOL_SOCKET, type Socket } from '@asyncore/socket';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connected, needIPv6, run, serverFor, start } from './example.js';
import { printing } from './printing.js';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;

/** Starts the example. `until` waits for a line and gives all lines so far, without their times. */
async function server(...args: string[]) {
  const child = start('logging_echo_server', '--port', '0', ...args);
  const printed = printing(child);
  const until = async (text: string) => {
    const lines = (await printed(text)).trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(TIME);
    return lines.map((line) => line.replace(TIME, ''));
  };
  const lines = await until(' listening on ');
  const [, host, port] = /listening on (\S+):(\d+)$/.exec(lines[1]) ?? [];
  return { until, host, port: Number(port) };
}

it('logs each event with its time', async () => {
  const { until, port } = await server();
  const socket = await connected(port);
  const peer = `127.0.0.1:${socket.localPort}`;
  socket.write(`hello\n2026-01-01 forged${'.'.repeat(100)}\x1b[0m\x9b\xff`, 'latin1');
  const [back] = await once(socket, 'data');
  expect(back.length).toBe(129);
  socket.end();
  expect(await until(' is gone\n')).toEqual([
    `info LoggingEchoServer bound to 127.0.0.1:${port}`,
    `info LoggingEchoServer listening on 127.0.0.1:${port}`,
    `info LoggingEchoHandler ${peer} connected`,
    `info LoggingEchoHandler ${peer} sent 129 bytes: 'hello\\n2026-01-01 forged${'.'.repeat(100)}\\x1B[0m\\x9Bÿ'`,
    `info LoggingEchoHandler ${peer} got 129 bytes back`,
    `info LoggingEchoHandler ${peer} is gone`,
  ]);
});

it('echoes 5 MB, and reads no more of one who takes nothing', async () => {
  const { port } = await server();
  const idle = await connected(port);
  idle.write(randomBytes(50_000_000));
  const socket = await connected(port);
  const data = randomBytes(5_000_000);
  socket.end(data);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(data)).toBe(true);
  expect(idle.writableLength).toBeGreaterThan(0);
});

it('takes connections from the allowed addresses only', async () => {
  const { until, port } = await server('--allow', '127.0.0.1', '--allow', '127.0.0.3');
  const refused = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  onTestFinished(() => void refused.destroy());
  refused.resume();
  await once(refused, 'close');
  const allowed = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.3' });
  onTestFinished(() => void allowed.destroy());
  allowed.write('hello');
  await once(allowed, 'data');
  const lines = await until(' bytes back\n');
  expect(lines[2]).toMatch(/^info SelectiveServer 127\.0\.0\.2:\d+ refused$/);
  expect(lines[3]).toMatch(/^info LoggingEchoHandler 127\.0\.0\.3:\d+ connected$/);
});

it('listens on IPv6 too', async (context) => {
  await needIPv6(context);
  const { host, port, until } = await server('--host', '::1');
  expect(host).toBe('[::1]');
  (await connected(port, '::1')).write('hello');
  await until(' bytes back\n');
});

it('says in one line that its port is in use', async () => {
  const port = await serverFor(() => {});
  const { code, stderr } = await run('logging_echo_server', '--port', String(port));
  expect([code, stderr]).toEqual([
    1,
    `logging_echo_server: 127.0.0.1:${port} is in use; choose another with --port, 0 for any that is free\n`,
  ]);
});

describe('a subclass', () => {
  it('may take each step in its own way', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const steps: string[] = [];
    class Handler extends LoggingEchoHandler {
      constructor(sock: Socket, client_address: InetAddress, server: LoggingEchoServer) {
        super(sock, client_address, server);
        steps.push(`handler for ${server.constructor.name}`);
      }
      handle_read() {
        super.handle_read();
        this.buffer = Buffer.from(this.buffer.toString().toUpperCase());
      }
    }
    class Server extends LoggingEchoServer {
      allow_reuse_address = false;
      request_queue_size = 7;
      server_bind() {
        super.server_bind();
        steps.push(`bind, reusing: ${this.getsockopt(SOL_SOCKET, SO_REUSEADDR)}`);
      }
      listen(num?: number) {
        super.listen(num);
        steps.push(`listen ${num}`);
      }
      server_activate() {
        steps.push('activate');
        super.server_activate();
      }
      verify_request(_: Socket, [host]: InetAddress) {
        steps.push(`verify ${host}`);
        return true;
      }
      process_request(sock: Socket, client_address: InetAddress) {
        steps.push(`process ${client_address[0]}`);
        super.process_request(sock, client_address);
      }
    }
    const server = new Server(['127.0.0.1', 0], Handler);
    expect(steps).toEqual([]);
    const serving = server.serve_forever();
    const [, port] = server.getsockname() as InetAddress;
    const socket = await connected(port);
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('HELLO');
    close_all();
    await serving;
    expect(steps).toEqual([
      'bind, reusing: 0',
      'activate',
      'listen 7',
      'verify 127.0.0.1',
      'process 127.0.0.1',
      'handler for Server',
    ]);
    log.mockRestore();
  });
});
