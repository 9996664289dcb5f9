/** What the tests stand on: real descriptors, and channels that say what they are told. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { file_dispatcher, type file_like } from '@asyncore/file';
import * as socket from '@asyncore/socket';
import { collect } from '@asyncore/test-support/collect';
import { Stage } from '@asyncore/test-support/stage';
import { afterAll, afterEach } from 'vitest';

export { onEveryPoller, type UsePoll } from '@asyncore/test-support/stage';
export { Stage };

// ---- descriptors ----

const open = new Set<number>();

/** Closes `fd` when the test is over, unless `close` has. */
export function own(fd: number): number {
  open.add(fd);
  return fd;
}

export function close(fd: number): void {
  open.delete(fd);
  closeSync(fd);
}

/** A pipe's ends. */
export function pipe(): [reading: number, writing: number] {
  const [reading, writing] = socket.pipe();
  return [own(reading), own(writing)];
}

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
afterAll(() => rmSync(folder, { recursive: true }));
let paths = 0;

/** A path that nothing has. */
export function unused(): string {
  return join(folder, String(++paths));
}

/** The path of a file with `text` in it. */
export function fileWith(text: string | Uint8Array): string {
  const path = unused();
  writeFileSync(path, text);
  return path;
}

export function openFile(path: string, flags: string | number = 'r'): number {
  return own(openSync(path, flags));
}

/** The path of a new FIFO. */
export function fifo(): string {
  const path = unused();
  spawnSync('mkfifo', [path]);
  return path;
}

// ---- what only Python can make ----

export const hasPython = spawnSync('python3', ['-c', 'import os; os.eventfd']).status === 0;
export const withPython = hasPython ? '' : ' (runs with Python 3.10 or later as python3 in PATH)';

/** Descriptors that a Python expression makes: they come over a socket. */
export function fromPython(expression: string): number[] {
  const [ours, theirs] = socket.socketpair();
  const code = `import os, pty, socket
s = socket.socket(fileno=3)
socket.send_fds(s, [b'.'], ${expression})`;
  spawnSync('python3', ['-c', code], {
    stdio: ['ignore', 'inherit', 'inherit', theirs.fileno()],
  });
  const [, fds] = ours.recv_fds(1, 2);
  ours.close();
  theirs.close();
  return fds.map(own);
}

/** A pseudo-terminal's two sides; what is written to one can be read from the other as it is. */
export function pty(): [master: number, slave: number] {
  const [master, slave] = fromPython('pty.openpty()');
  spawnSync('stty', ['raw', '-echo'], { stdio: [slave, 'ignore', 'ignore'] });
  return [master, slave];
}

// ---- the loop ----

/** A file_dispatcher on a stage that says what it is told. */
export class Recorder extends file_dispatcher {
  received = Buffer.alloc(0);

  constructor(
    readonly stage: Stage,
    fd: file_like,
  ) {
    super(fd, stage.map);
  }

  override handle_read(): void {
    const data = this.recv(65536);
    this.received = Buffer.concat([this.received, data]);
    if (data.length > 0) this.stage.say(`read ${data.length}`);
  }

  override handle_expt(): void {
    this.stage.say('expt');
  }

  override handle_error(error: unknown): void {
    this.stage.say(`error ${(error as Error).message}`);
    this.close();
  }

  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }

  override log_info(message: unknown, type = 'info'): void {
    this.stage.say(`${type}: ${message}`);
  }
}

afterEach(() => {
  for (const fd of open) closeSync(fd);
  open.clear();
});

// ---- the collector ----

/** Collects garbage and lets finalizers run until `happened`. */
export async function collectUntil(happened: () => boolean): Promise<void> {
  for (let turns = 0; turns < 50 && !happened(); turns++) await collect(1);
}
