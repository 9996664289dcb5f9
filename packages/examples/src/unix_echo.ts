/**
 * An echo server on a Unix socket, which tells who connects.
 *
 *     unix_echo [--mode 600] PATH
 *     unix_echo @NAME
 *
 * --mode says who may connect. The server removes its socket file when it ends. It replaces a file that
 * a crash has left behind, but not one that another server listens on. An abstract name (Linux) has no file, and
 * so no permissions: look at getpeercred(). Try it with: nc -U PATH, or socat - ABSTRACT:NAME
 */
import { lstatSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { close_all, dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
import { AF_UNIX, errno, Socket } from '@asyncore/socket';

export class UnixEchoHandler extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
  }
}

export class UnixEchoServer extends dispatcher {
  /** The socket's file, as it was made; null for an abstract name. */
  #file: { path: string; ino: number } | null = null;

  constructor(path: string, mode = 0o600) {
    super();
    this.create_socket(AF_UNIX);
    if (path.startsWith('@')) {
      this.bind(`\0${path.slice(1)}`);
    } else {
      if (isStale(path)) rmSync(path);
      const before = process.umask(0o777 & ~mode); // so it is never open to anybody else
      try {
        this.bind(path);
      } finally {
        process.umask(before);
      }
      this.#file = { path, ino: lstatSync(path).ino };
    }
    this.listen();
  }

  handle_accepted(sock: Socket) {
    const { pid, uid, gid } = sock.getpeercred();
    console.log(`connected: pid ${pid}, uid ${uid}, gid ${gid}`);
    new UnixEchoHandler(sock);
  }

  close() {
    super.close();
    if (this.#file === null) return;
    const { path, ino } = this.#file;
    this.#file = null;
    // Somebody may have removed it, and another server made its own.
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path);
  }
}

/** Whether `path` is a socket that nobody listens on. */
function isStale(path: string): boolean {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  const probe = new Socket(AF_UNIX);
  const refused = probe.connect_ex(path) === errno.ECONNREFUSED;
  probe.close();
  return refused;
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { mode: { type: 'string', default: '600' } },
  });
  const [path, ...more] = positionals;
  if (!path || more.length > 0 || !/^[0-7]{3}$/.test(values.mode)) {
    throw new Error('usage: unix_echo [--mode 600] PATH | @NAME');
  }
  new UnixEchoServer(path, Number.parseInt(values.mode, 8));
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      close_all();
    });
  }
  console.log(`echoing on ${path}`);
  await loop().finally(() => close_all());
}
