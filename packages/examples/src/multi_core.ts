/**
 * A server on all cores: a process each, between which the kernel divides the connections.
 *
 *     multi_core [--host 127.0.0.1] [--port 8080] [--workers N] [--deadline 10]
 *
 * Every worker listens on the same port by itself (SO_REUSEPORT), tells each client which worker serves
 * it, and echoes. The first process only holds the port and replaces workers that end.
 * SIGTERM or SIGINT (Ctrl-C) drains: nobody new comes in, and connections may end by themselves until
 * the deadline, in seconds. A second signal ends them at once. This needs Linux; elsewhere one worker gets all.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { close_all, dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import {
  AF_INET,
  family_of,
  type InetAddress,
  SO_REUSEPORT,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';

/** A socket bound to a port that others may be bound to as well. */
function sharing(host: string, port: number): Socket {
  const socket = new Socket(family_of(host) ?? AF_INET);
  try {
    socket.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1);
    socket.bind([host, port]);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

// ---- a worker ----

class WorkerHandler extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
  }
}

class WorkerServer extends dispatcher {
  constructor(host: string, port: number) {
    super(sharing(host, port));
    this.listen();
  }

  handle_accepted(sock: Socket) {
    new WorkerHandler(sock).send(Buffer.from(`served by process ${process.pid}\n`));
  }

  drain(): void {
    // The kernel has queued these for this worker, and gives them to no other.
    for (let next = this.accept(); next !== null; next = this.accept()) {
      this.handle_accepted(next[0]);
    }
    this.close();
  }
}

async function work(host: string, port: number, deadline: number): Promise<void> {
  const server = new WorkerServer(host, port);
  const drain = () => {
    if (!server.accepting) return; // it is being drained
    server.drain();
    setTimeout(close_all, deadline * 1000).unref();
  };
  process.once('disconnect', drain); // so the first process says it, also by being gone
  process.on('SIGTERM', drain);
  process.on('SIGINT', () => {}); // a terminal sends it to all: the first process hears it
  process.send?.('listening');
  await loop();
  if (process.connected) process.disconnect(); // which would keep it running
}

// ---- the first process ----

async function supervise(count: number, reserved: Socket): Promise<void> {
  const [, port] = reserved.getsockname();
  const workers = new Set<ChildProcess>();
  let isStopping = false;

  const start = (): ChildProcess => {
    const place = ['--worker', '--port', `${port}`];
    const worker = fork(process.argv[1], [...process.argv.slice(2), ...place]);
    const started = performance.now();
    workers.add(worker);
    worker.once('exit', (code, signal) => {
      workers.delete(worker);
      if (isStopping && workers.size === 0) reserved.close();
      if (isStopping) return;
      console.log(`worker ${worker.pid} ended (${signal ?? code}) and is replaced`);
      // One that fails as soon as it starts is not tried again and again without a break.
      const isFailing = code !== 0 && performance.now() - started < 1000;
      setTimeout(() => isStopping || start(), isFailing ? 1000 : 0);
    });
    return worker;
  };

  const stop = () => {
    for (const worker of workers) {
      if (isStopping) worker.kill('SIGKILL');
      else if (worker.connected) worker.disconnect();
    }
    isStopping = true;
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  await Promise.all(Array.from({ length: count }, () => once(start(), 'message')));
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8080' },
      workers: { type: 'string', default: `${availableParallelism()}` },
      deadline: { type: 'string', default: '10' },
      worker: { type: 'boolean' },
    },
  });
  const [count, deadline] = [Number(values.workers), Number(values.deadline)];
  if (!(Number.isInteger(count) && count > 0)) throw new Error('--workers must be a number');
  if (!(deadline >= 0)) throw new Error('--deadline must be a number of seconds');
  if (values.worker) {
    await work(values.host, Number(values.port), deadline);
    return;
  }
  // Bound but not listening, it gets no connections. It keeps the port while workers come and go.
  const reserved = sharing(values.host, Number(values.port));
  const [host, port] = reserved.getsockname() as InetAddress;
  await supervise(count, reserved);
  console.log(`${count} workers on ${host.includes(':') ? `[${host}]` : host}:${port}`);
}
