import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { onTestFinished, type TestContext, vi } from 'vitest';

// Starting a program takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

export const runner = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** Every example. */
export const names = readdirSync(new URL('../src', import.meta.url))
  .filter((file) => /^(?!index|main).*\.ts$/.test(file))
  .map((file) => file.replace('.ts', ''));

/** How a program ended, and everything it printed. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

/** Starts an example as a user does. It is killed with the test. */
export function start(...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [runner, ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const [stdout, stderr, [code, signal]] = await Promise.all([
    collect(child.stdout),
    collect(child.stderr),
    once(child, 'close'),
  ]);
  return { code, signal, stdout, stderr: stderr.toString() };
}

/** Runs an example to its end. */
export function run(...args: string[]): Promise<Ended> {
  return ended(start(...args));
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Starts the echo server on a free port, which it prints. */
export async function echoServer(...args: string[]) {
  const child = start('echo_server', '--port', '0', ...args);
  const [line] = await once(child.stdout, 'data');
  const [, host, port] = /^echoing on (\S+):(\d+)\n$/.exec(String(line)) ?? [];
  return { child, host, port: Number(port) };
}

/** A client of node:net, connected. */
export async function connected(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(port, host);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** A server of node:net on a free port. */
export async function serverFor(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer(onConnection).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/**
 * A port on which nobody listens, for a server that has to be told one. It lies below those that the system
 * gives out by itself, so that nothing that runs beside gets it in the meantime.
 */
export async function unusedPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const isFree = once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.listen(port, '127.0.0.1');
    if (!(await isFree)) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Skips the test, with a word on how to make it run, unless there are `count` descriptors. */
export function needDescriptors(context: TestContext, count: number): void {
  const limit = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout.trim();
  context.skip(Number(limit) < count, `needs ${count} descriptors (ulimit -n), has ${limit}`);
}

/** Skips the test where IPv6 is off. */
export async function needIPv6(context: TestContext): Promise<void> {
  const server = createServer().listen(0, '::1');
  const [error] = await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(
    (error) => [error],
  );
  server.close();
  context.skip(error !== undefined, 'needs IPv6: the address ::1 is not there');
}
