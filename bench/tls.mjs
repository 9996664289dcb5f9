/**
 * The processor time of a server that echoes over TLS 1.3: for a handshake, a message of 64 bytes and back,
 * a megabyte and back. Ours, node:tls's, and asyncio's and Bun's where they are installed. The clients,
 * node:tls's, are in another process.
 *
 *     node bench/tls.mjs [seconds of each measurement] [handshake | ping-pong | bulk]
 *
 * ASYNCORE_BENCH_BEFORE=PATH measures this library from another checkout, built, as well. On a busy machine,
 * as root: chrt -r 10 node bench/tls.mjs. Server and clients each have a processor of their own.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';

const ROUNDS = 5;
const [how, key, cert] = process.argv.slice(2);
function identity() {
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

async function serveOurs() {
  const { dispatcher, dispatcher_with_send, loop } = await import('@asyncore/core');
  const { with_tls } = await import('@asyncore/tls');
  const options = identity();
  class Echo extends with_tls(dispatcher_with_send) {
    handle_read() {
      this.send(this.recv(65536));
    }
    handle_error() {
      this.close();
    }
  }
  class Server extends dispatcher {
    handle_accepted(sock) {
      new Echo(sock).start_tls(options);
    }
  }
  const server = new Server();
  server.create_server(['127.0.0.1', 0]);
  console.log(server.getsockname()[1]);
  await loop();
}

function serveNode() {
  const server = tls.createServer(identity(), (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}

const PYTHON = `
import asyncio, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[1])
async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError: pass
async def main():
    server = await asyncio.start_server(echo, '127.0.0.1', 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())`;

/** Nanoseconds of all threads of a process. */
function cpu(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
    )
    .reduce((sum, each) => sum + each, 0);
}

async function connected(port, ca) {
  const socket = tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost' });
  await once(socket, 'secureConnect');
  return socket;
}

/** What is measured: each makes what it needs, and gives a function that does it while `goesOn`. */
const work = {
  /** Of 8 connections at a time. */
  handshake: async (port, ca) => async (goesOn) => {
    let count = 0;
    const one = async () => {
      while (goesOn()) {
        (await connected(port, ca)).destroy();
        count += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, one));
    return count;
  },
  'ping-pong': (port, ca) => exchange(port, ca, 50, 64),
  bulk: (port, ca) => exchange(port, ca, 2, 1 << 20),
};

async function exchange(port, ca, connections, size) {
  const data = Buffer.alloc(size, 'x');
  const sockets = await Promise.all(Array.from({ length: connections }, () => connected(port, ca)));
  const one = async (socket, goesOn) => {
    let count = 0;
    for (; goesOn(); count++) {
      socket.write(data);
      for (let back = 0; back < size; ) {
        const chunk = socket.read();
        if (chunk === null) await once(socket, 'readable');
        else back += chunk.length;
      }
    }
    return count;
  };
  return async (goesOn) => {
    const counts = await Promise.all(sockets.map((socket) => one(socket, goesOn)));
    return counts.reduce((sum, each) => sum + each, 0);
  };
}

async function measure(port, pid, ca, what, seconds) {
  const run = await work[what](port, ca);
  const until = (time) => {
    const end = performance.now() + time * 1000;
    return () => performance.now() < end;
  };
  await run(until(seconds / 4)); // warm
  const before = cpu(pid);
  const count = await run(until(seconds));
  return (cpu(pid) - before) / count / 1000;
}

function hasCommand(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

async function measureAll(seconds, only) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-tls-'));
  const files = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const out = ['-keyout', files[0], '-out', files[1]];
  execFileSync('openssl', ['req', '-x509', ...ec, ...names, ...out], { stdio: 'ignore' });
  const servers = {
    'node:tls': [process.execPath, import.meta.filename, 'node'],
    '@asyncore/tls': [process.execPath, import.meta.filename, 'ours'],
  };
  const { ASYNCORE_BENCH_BEFORE: before } = process.env;
  if (before) servers.before = [process.execPath, join(before, 'bench/tls.mjs'), 'ours'];
  if (hasCommand('python3', '-c', 'import ssl')) servers.asyncio = ['python3', '-c', PYTHON];
  if (hasCommand('bun', '--version')) servers.Bun = ['bun', import.meta.filename, 'node'];
  const ca = readFileSync(files[1]);
  try {
    for (const what of only === undefined ? Object.keys(work) : [only]) {
      const figures = Object.fromEntries(Object.keys(servers).map((name) => [name, []]));
      for (let round = 0; round < ROUNDS; round++) {
        for (const [name, [command, ...args]] of Object.entries(servers)) {
          const child = spawn('taskset', ['-c', '0', command, ...args, ...files], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
          const port = Number((await once(child.stdout, 'data'))[0]);
          figures[name].push(await measure(port, child.pid, ca, what, seconds));
          child.kill();
        }
      }
      const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
      for (const [name, list] of Object.entries(figures)) {
        const ratios = list.map((figure, round) => figure / figures['node:tls'][round]);
        const range = [Math.min(...ratios), Math.max(...ratios)].map((each) => each.toFixed(2));
        console.log(
          `${what} ${name}: ${median(list).toFixed(1)} µs, ${median(ratios).toFixed(2)} of node:tls's (${range.join(' to ')})`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (how === 'ours') await serveOurs();
else if (how === 'node') serveNode();
else {
  execFileSync('taskset', ['-cp', '1', String(process.pid)], { stdio: 'ignore' });
  await measureAll(Number(how ?? 1), key);
}
