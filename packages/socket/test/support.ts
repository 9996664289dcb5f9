/** What the tests stand on: real sockets that close themselves, addresses, descriptors, programs. */
import { spawn, spawnSync } from 'node:child_process';
import { fstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type Address,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  close,
  epoll,
  kqueue,
  OSError,
  POLLIN,
  type Poller,
  poll,
  SOCK_STREAM,
  Socket,
  select,
  socketpair,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { afterAll, afterEach, describe } from 'vitest';

export const onLinux = process.platform === 'linux';

/** The title of what only Linux can show, and why it is skipped elsewhere. */
export const linuxOnly = (title: string) => (onLinux ? title : `${title} (runs on Linux)`);

// ---- things that are closed when a test is over ----

const open: { close(): void }[] = [];

afterEach(() => {
  for (const thing of open.splice(0)) thing.close();
});

/** Closes `thing` when the test is over. */
export function own<T extends { close(): void }>(thing: T): T {
  open.push(thing);
  return thing;
}

/** Closes a bare descriptor when the test is over, if it is still the same. */
export function ownFd(fd: number): number {
  const born = identityOf(fd);
  own({
    close() {
      if (identityOf(fd) === born) close(fd);
    },
  });
  return fd;
}

function identityOf(fd: number): string | null {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}

/** A socketpair's ends. */
export function pair(type = SOCK_STREAM): [Socket, Socket] {
  const [a, b] = socketpair(AF_UNIX, type);
  return [own(a), own(b)];
}

// ---- addresses ----

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
afterAll(() => rmSync(folder, { recursive: true }));
let names = 0;

/** A path that nobody uses. */
export const freePath = () => join(folder, String(++names));

export interface Family {
  title: string;
  family: number;
  /** A local address that nobody uses. */
  free(): Address;
  works: boolean;
}

const families: Family[] = [
  { title: 'inet', family: AF_INET, free: () => ['127.0.0.1', 0], works: true },
  {
    title: 'inet6 (runs where ::1 is up: ip -6 address add ::1 dev lo)',
    family: AF_INET6,
    free: () => ['::1', 0],
    works: hasInet6(),
  },
  { title: 'unix path', family: AF_UNIX, free: freePath, works: true },
  {
    title: 'unix abstract name (runs on Linux)',
    family: AF_UNIX,
    free: () => `\0asyncore ${process.pid} ${++names}`,
    works: onLinux,
  },
];

/** Declares the tests of `body` for each kind of address. */
export function onEveryFamily(body: (family: Family) => void): void {
  for (const family of families) {
    const title = family.works ? family.title.replace(/ \(.*/, '') : family.title;
    describe.skipIf(!family.works)(title, () => body(family));
  }
}

/** A socket with a local name. */
export function bound({ family, free }: Family, type = SOCK_STREAM): Socket {
  const socket = own(new Socket(family, type));
  socket.bind(free());
  return socket;
}

/** A connection's two ends, and the listening socket it came through. */
export function connection(family: Family, type?: number): [Socket, Socket, Socket] {
  const listener = bound(family, type);
  listener.listen();
  const client = own(new Socket(family.family, type));
  client.connect_ex(listener.getsockname());
  until(listener, POLLIN);
  return [client, own(listener.accept()[0]), listener];
}

export const inet: Family = families[0];

// ---- pollers ----

export const pollers: [name: string, make: () => Poller][] = [
  ['select', () => own(new select())],
  ['poll', () => own(new poll())],
  onLinux ? ['epoll', () => own(new epoll())] : ['kqueue', () => own(new kqueue())],
];

/** Waits until the descriptor is ready for one of `events` (or failed), and gives what it is. */
export function until(socket: Socket | number, events: number): number {
  const one = new poll();
  one.register(typeof socket === 'number' ? socket : socket.fileno(), events);
  const [ready] = one.poll(5);
  if (ready === undefined) throw new Error('not ready in 5 seconds');
  return ready[1];
}

/** Receives `count` bytes, waiting for them. */
export function recvAll(socket: Socket, count: number): Buffer {
  const chunks: Buffer[] = [];
  for (let left = count; left > 0; left -= chunks[chunks.length - 1].length) {
    until(socket, POLLIN);
    chunks.push(socket.recv(left));
    if (chunks[chunks.length - 1].length === 0) break;
  }
  return Buffer.concat(chunks);
}

// ---- errors ----

/** What `call` throws. */
export function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('it throws nothing');
}

/** The OSError that `call` throws. */
export function failure(call: () => unknown): OSError {
  const error = thrown(call);
  if (error instanceof OSError) return error;
  throw error;
}

// ---- descriptors, as /proc tells of them ----

/** The numbers of all open descriptors. */
export function descriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => linkOf(fd) !== null)
    .sort((a, b) => a - b);
}

/** What a descriptor is: `socket:[1234]`, or null when it is closed. */
export function linkOf(fd: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

/** Whether a descriptor is close-on-exec, and non-blocking. */
export function flagsOf(fd: number): { cloexec: boolean; nonblocking: boolean } {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '', 8);
  return { cloexec: (flags & 0o2000000) !== 0, nonblocking: (flags & 0o4000) !== 0 };
}

// ---- programs ----

/** The package's entry, for threads and programs that cannot import it by name. */
const entry = createRequire(import.meta.url).resolve('@asyncore/socket');
export const entryUrl = pathToFileURL(entry).href;
const root = dirname(dirname(entry));

/** Starts an ECMAScript module, with `fds` as its descriptors from 3 on. */
export function start(source: string, ...fds: number[]): void {
  spawn(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit', ...fds],
  });
}

/** Runs an ECMAScript module to its end and gives what it printed. */
export function run(source: string, ...flags: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '--eval', source],
    { cwd: root, encoding: 'utf8', timeout: 60_000 },
  );
  return { status, signal, stdout: stdout.trim(), stderr };
}

/** A constant that some systems lack, in a test that runs where it is there. */
export function known(constant: number | undefined): number {
  if (constant === undefined) throw new Error('this system lacks the constant');
  return constant;
}
