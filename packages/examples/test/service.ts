import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, onTestFinished, type TestContext } from 'vitest';

export const runner = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const running: ChildProcess[] = [];

afterAll(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  }
});

/** Starts a program for all tests of a file, and gives the first line it prints that fits. */
export async function service(
  command: string,
  args: string[],
  ready: RegExp,
): Promise<{ child: ChildProcess; line: RegExpExecArray }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  for await (const text of createInterface(child.stdout)) {
    const line = ready.exec(text);
    child.stdout.resume();
    if (line) return { child, line };
  }
  throw new Error(`${command} ${args.join(' ')} has ended`);
}

/** Starts an example that listens, on a free port. */
export function example(name: string, ...args: string[]) {
  return listening([runner, name, '--port', '0', ...args]);
}

/**
 * The same, where its memory is measured: what it no longer needs is collected soon. Left alone, V8
 * lets 64 MiB of such buffers gather from Node 24 on.
 */
export function frugalExample(name: string, ...args: string[]) {
  return listening(['--max-old-space-size=16', runner, name, '--port', '0', ...args]);
}

async function listening(args: string[]) {
  const { child, line } = await service(process.execPath, args, /:(\d+)$/);
  return { child, port: Number(line[1]) };
}

/** Whether a program is installed. */
export function has(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).error === undefined;
}

/** What CI installs. */
const TOOLS = readFileSync(new URL('../../../.ci/tools', import.meta.url), 'utf8').split('\n');

/**
 * Skips the test, with a word on how to make it run, where a program is missing.
 *
 * @throws Error instead where CI is set, on Linux, and installs it: what nobody runs must not be green
 */
export function need(context: TestContext, command: string, packageName: string): void {
  const isThere = has(command, '--version');
  const cure = `needs ${command}: apt-get install ${packageName}`;
  const isPromised = process.env.CI && process.platform === 'linux' && TOOLS.includes(packageName);
  if (!isThere && isPromised) throw new Error(`CI: ${cure}`);
  context.skip(!isThere, cure);
}

/** The most memory that a program has taken so far, in bytes; 0 where that cannot be told. */
export function peak({ pid }: ChildProcess): number {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return 0;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(file, 'utf8'))?.[1]) * 1024;
}

/** A connection that keeps what comes. */
export class Client {
  text = '';
  closed = false;
  readonly socket: Socket;
  #heard = () => {};

  constructor(where: number | string) {
    this.socket = typeof where === 'number' ? connect(where, '127.0.0.1') : connect(where);
    onTestFinished(() => void this.socket.destroy());
    this.socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1');
      this.#heard();
    });
    // A server that closes without having read everything resets the connection.
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#heard();
    });
  }

  say(text: string | Buffer): void {
    this.socket.write(text, 'latin1');
  }

  /** All that has come, once it fits or the connection is closed. */
  async until(fits: RegExp): Promise<string> {
    while (!fits.test(this.text) && !this.closed) {
      await new Promise<void>((heard) => {
        this.#heard = heard;
      });
    }
    return this.text;
  }
}
