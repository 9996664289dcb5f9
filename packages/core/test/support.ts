/** What the tests stand on: real sockets, and channels that say what they are told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, type channel, dispatcher, dispatcher_with_send } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  epoll,
  kqueue,
  poll,
  SO_LINGER,
  SO_RCVTIMEO,
  SOL_SOCKET,
  Socket,
  select,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { Stage } from '@asyncore/test-support/stage';
import { overKind } from '@asyncore/test-support/transport_kinds';
import { afterAll, afterEach, describe, vi } from 'vitest';

export { onEveryPoller, type UsePoll } from '@asyncore/test-support/stage';
export { itUnless, KIND, over, putOver } from '@asyncore/test-support/transport_kinds';
export { Stage };

/** Declares the tests of `body` for each family of addresses. */
export function onEveryFamily(body: (family: number) => void): void {
  describe('inet', () => body(AF_INET));
  const name = hasInet6() ? 'inet6' : 'inet6 (runs where ::1 is up: ip -6 address add ::1 dev lo)';
  describe.skipIf(!hasInet6())(name, () => body(AF_INET6));
  describe('unix', () => body(AF_UNIX));
}

// ---- sockets ----

const folder = mkdtempSync(join(tmpdir(), 'asyncore'));
afterAll(() => rmSync(folder, { recursive: true }));
let paths = 0;

/** An address of `family` that nobody uses. */
export function free(family: number): Address {
  if (family === AF_UNIX) return join(folder, String(++paths));
  return [family === AF_INET6 ? '::1' : '127.0.0.1', 0];
}

const owned: { close(): void }[] = [];

/** Closes `thing` when the test is over. */
export function own<T extends { close(): void }>(thing: T): T {
  owned.push(thing);
  return thing;
}

/** A plain listening socket. */
export function listener(family = AF_INET, backlog?: number): Socket {
  const socket = own(new Socket(family));
  socket.bind(free(family));
  socket.listen(backlog);
  return socket;
}

/** Plain sockets that connect to `server`, and wait to be accepted. */
export function clients(server: dispatcher, count: number): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = own(new Socket(server.socket?.family));
    socket.connect_ex(server.getsockname());
    return socket;
  });
}

/** A connection's two ends; the second one's recv waits, two seconds at most. */
export function connection(family = AF_INET): [ours: Socket, theirs: Socket] {
  const door = listener(family);
  const ours = own(new Socket(family));
  ours.connect_ex(door.getsockname());
  const theirs = patient(accepted(door));
  door.close();
  return [ours, theirs];
}

/** The same over the kind of transport that this run is about; over TLS the second one's recv is to be awaited. */
export async function ends(family = AF_INET): Promise<[ours: Socket, theirs: Socket]> {
  const [ours, theirs] = await overKind(...connection(family));
  return [own(ours), own(theirs)];
}

/** The next connection that `door` gets, waiting for it. */
export function accepted(door: Socket): Socket {
  door.setblocking(true);
  return own(door.accept()[0]);
}

/** Lets the socket's recv wait for two seconds, or more. */
export function patient(socket: Socket, seconds = 2n): Socket {
  socket.setblocking(true);
  socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([seconds, 0n]));
  return socket;
}

/** Closes with a reset instead of an orderly end. */
export function reset(socket: Socket): void {
  socket.setsockopt(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
  socket.close();
}

/** All that comes until the end. */
export function readAll(socket: Socket): Buffer {
  const chunks: Buffer[] = [];
  for (let data = socket.recv(65536); data.length > 0; data = socket.recv(65536)) chunks.push(data);
  return Buffer.concat(chunks);
}

/** So many bytes of what comes to one of `ends`, in however many pieces. */
export async function readFrom(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let left = length; left > 0; left -= chunks[chunks.length - 1].length) {
    const data = await socket.recv(left);
    chunks.push(data);
    if (data.length === 0) break;
  }
  return Buffer.concat(chunks);
}

/** All that comes to one of `ends` until the end. */
export async function readAllOf(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let data = await socket.recv(65536); data.length > 0; data = await socket.recv(65536)) {
    chunks.push(data);
  }
  return Buffer.concat(chunks);
}

/** A port where nobody listens. */
export function refusing(family = AF_INET): [host: string, port: number] {
  const socket = listener(family);
  const [host, port] = socket.getsockname();
  socket.close();
  return [String(host), Number(port)];
}

// ---- the loop ----

/** Counts the passes that loops do from now on, on whichever poller. */
export function countPasses(): () => number {
  const waits = [select, poll, epoll, kqueue].map((poller) => vi.spyOn(poller.prototype, 'wait'));
  return () => waits.reduce((sum, { mock }) => sum + mock.calls.length, 0);
}

/** A dispatcher on a stage that says what it is told. */
export class Recorder extends dispatcher {
  constructor(
    readonly stage: Stage,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }

  override log_info(message: unknown, type = 'info'): void {
    // Comes with the event that tells of the connection, as in Python.
    if (message !== 'unhandled write event') this.stage.say(`${type}: ${message}`);
  }

  override handle_read(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.stage.say(`read ${data.length}`);
  }

  override handle_connect(): void {
    this.stage.say('connect');
  }

  override handle_error(error: unknown): void {
    this.stage.say(`error ${(error as Error).message}`);
    this.close();
  }

  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
}

/** The same, with buffered output. */
export class Sender extends dispatcher_with_send {
  constructor(
    readonly stage: Stage,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }

  override log_info = Recorder.prototype.log_info;
  override handle_read = Recorder.prototype.handle_read;
  override handle_connect = Recorder.prototype.handle_connect;
  override handle_error = Recorder.prototype.handle_error;
  override handle_close = Recorder.prototype.handle_close;
}

/** An object that is no dispatcher: waits for reading only, and does nothing unless told. */
export function duck(methods: Partial<channel> = {}): channel {
  return {
    readable: () => true,
    writable: () => false,
    handle_read_event() {},
    handle_write_event() {},
    handle_expt_event() {},
    handle_close() {},
    handle_error() {},
    ...methods,
  };
}

/** A listening channel of `stage`. */
export function listening<T extends dispatcher>(channel: T, family = AF_INET, backlog = 5): T {
  channel.create_socket(family);
  channel.bind(free(family));
  channel.listen(backlog);
  return channel;
}

afterEach(() => {
  vi.restoreAllMocks();
  for (const thing of owned.splice(0).reverse()) thing.close();
});
