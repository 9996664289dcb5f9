/** Node's own servers over streams of ours. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import tls from 'node:tls';
import { SO_RCVBUF, SOL_SOCKET } from '@asyncore/socket';
import { socket_stream, stream_server } from '@asyncore/stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { all, destroyed, own, portOf, serving } from './support.js';

function over(web: http.Server | http2.Http2Server | tls.Server): number {
  const server = own(new stream_server(web));
  server.create_server(['127.0.0.1', 0]);
  return portOf(server);
}

const answer = http.createServer((request, response) => {
  let length = 0;
  request.on('data', (data) => {
    length += data.length;
  });
  request.on('end', () => response.end(`${request.method} ${length}`));
});

describe('node:http', () => {
  it('answers with keep-alive, one request after the other on a connection', async () => {
    const port = over(http.createServer((request, response) => response.end(request.url)));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (const path of ['/a', '/b', '/c']) {
      const request = http.get({ port, path, agent });
      const [response] = await once(request, 'response');
      ports.add(request.socket?.localPort);
      expect(String(await all(response))).toBe(path);
    }
    expect(ports.size).toBe(1);
    agent.destroy();
  });

  it('takes a large body, and sends one', async () => {
    const web = http.createServer((request, response) => pipeline(request, response));
    const port = over(web);
    const body = Buffer.alloc(5 << 20, 'x');
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body });
    expect((await response.arrayBuffer()).byteLength).toBe(body.length);
  });

  it('a client of Node’s runs over a stream of ours', async () => {
    const port = over(answer);
    const stream = destroyed(new socket_stream().connect(['127.0.0.1', port]));
    const request = http.request({ method: 'PUT', createConnection: () => stream });
    request.end('four');
    const [response] = await once(request, 'response');
    expect(String(await all(response))).toBe('PUT 4');
  });

  it('headersTimeout is in force', async () => {
    const web = http.createServer({
      headersTimeout: 100,
      requestTimeout: 100,
      connectionsCheckingInterval: 20,
    });
    const client = net.connect(over(web), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nX: never ends');
    expect(String(await all(client))).toContain('408 Request Timeout');
  });

  it('keepAliveTimeout ends a silent connection', async () => {
    const web = http.createServer({ keepAliveTimeout: 50 }, (_, response) => response.end());
    const client = net.connect(over(web), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String(await all(client))).toContain('200 OK');
  });

  it('a response to a client that is gone is closed', async () => {
    const closed = new Promise((resolve) => {
      const web = http.createServer((_, response) => {
        response.on('close', resolve);
        response.write('x');
      });
      const client = net.connect(over(web), '127.0.0.1');
      client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      client.once('data', () => client.resetAndDestroy());
    });
    await closed;
  });
});

it('node:http2 answers many streams on one connection', async () => {
  const web = http2.createServer((request, response) => response.end(request.url));
  const session = http2.connect(`http://127.0.0.1:${over(web)}`);
  const answers = Array.from({ length: 20 }, (_, i) => all(session.request({ ':path': `/${i}` })));
  expect((await Promise.all(answers)).map(String)).toEqual(answers.map((_, i) => `/${i}`));
  session.destroy();
});

it('ws echoes, over a stream of ours at both ends', async () => {
  const web = http.createServer();
  const sockets = new WebSocketServer({ server: web });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const port = over(web);
  for (const createConnection of [
    undefined,
    () => new socket_stream().connect(port, '127.0.0.1'),
  ]) {
    const client = new WebSocket(`ws://127.0.0.1:${port}/`, {
      createConnection: createConnection as never,
    });
    await once(client, 'open');
    const sizes = [0, 1, 70_000, 3_000_000];
    for (const size of sizes) {
      client.send(Buffer.alloc(size, 7));
      const [data] = await once(client, 'message');
      expect(data.length).toBe(size);
    }
    client.close();
    expect((await once(client, 'close'))[0]).toBe(1005);
  }
  sockets.close();
});

describe('node:tls', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
  const file = (name: string) => join(folder, name);
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost`;
  let made = false;
  beforeAll(() => {
    const files = ['-keyout', file('key'), '-out', file('cert')];
    made = spawnSync('openssl', [...args.split(' '), ...files]).status === 0;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('runs over streams of ours at both ends (needs the program openssl)', async ({ skip }) => {
    if (!made) skip();
    const [cert, key] = [readFileSync(file('cert')), readFileSync(file('key'))];
    const port = over(tls.createServer({ cert, key }, (socket) => socket.pipe(socket)));
    const socket = destroyed(new socket_stream().connect(['127.0.0.1', port]));
    const client = destroyed(tls.connect({ socket, ca: cert, servername: 'localhost' }));
    await once(client, 'secureConnect');
    client.end(Buffer.alloc(1 << 20, 'x'));
    expect((await all(client)).length).toBe(1 << 20);
  });
});

describe('stream_server', () => {
  it('gives a stream of each connection to a function', async () => {
    const { port, next } = serving();
    const client = net.connect(port, '127.0.0.1');
    const stream = await next();
    client.end('hello');
    expect(String(await all(stream))).toBe('hello');
  });

  it('every socket option is there', async () => {
    const { port, next, server } = serving();
    server.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096);
    const client = net.connect(port, '127.0.0.1');
    expect((await next()).channel.getsockopt(SOL_SOCKET, SO_RCVBUF)).toBeGreaterThan(0);
    client.destroy();
  });

  it('closes the server of Node’s with it', async () => {
    const web = http.createServer();
    const server = new stream_server(web);
    server.create_server(['127.0.0.1', 0]);
    const closed = once(web, 'close');
    server.close();
    await closed;
  });

  it('an unknown consumer throws at the call', () => {
    expect(() => new stream_server('x' as never)).toThrow(TypeError);
  });
});

describe('a process', () => {
  const run = (body: string) => {
    const source = `
      import { socket_stream, stream_server } from '${import.meta.resolve('@asyncore/stream')}';
      const server = new stream_server((stream) => stream.resume());
      server.create_server(['127.0.0.1', 0]);
      const [, port] = server.getsockname();
      ${body}`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', source],
      { encoding: 'utf8', timeout: 20_000 },
    );
    return [status, stdout, stderr];
  };

  it('is kept alive by a server until that is closed', () => {
    const body = "setTimeout(() => { console.log('closing'); server.close(); }, 50);";
    expect(run(body)).toEqual([0, 'closing\n', '']);
  });

  it('is not kept alive by what is unref’d', () => {
    const body = `server.unref();
      const stream = new socket_stream().connect(port, '127.0.0.1');
      stream.on('connect', () => { console.log('connected'); stream.unref(); });
      server.handle_accepted = (sock) => new socket_stream(sock).unref().resume();`;
    expect(run(body)).toEqual([0, 'connected\n', '']);
  });

  it('ends by what a listener throws', () => {
    const body = `new socket_stream().connect(port, '127.0.0.1').on('connect', () => {
      throw new Error('of a listener');
    });`;
    const [status, , stderr] = run(body);
    expect(status).toBe(1);
    expect(stderr).toContain('of a listener');
  });
});
