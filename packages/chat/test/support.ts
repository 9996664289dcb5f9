/** What the tests of async_chat stand on: real sockets in a map of their own, on every poller. */
import { async_chat, type Terminator } from '@asyncore/chat';
import { dispatcher, type Socket } from '@asyncore/core';
import { AF_INET, family_of } from '@asyncore/socket';
import { Stage as CoreStage, PATIENCE } from '@asyncore/test-support/stage';
import { bothOver } from '@asyncore/test-support/transport_kinds';

export { onEveryPoller, type UsePoll } from '@asyncore/test-support/stage';
export { itUnless, KIND, over, putOver } from '@asyncore/test-support/transport_kinds';

/** A map, and the poller that serves it; what has happened is asked after each pass. */
export class Stage extends CoreStage {
  override passes(count: number, timeout = 0): Promise<void> {
    return this.loop({ timeout, count });
  }

  /** Runs the loop, pass by pass, until `happened` says so; it fails after so many seconds. */
  override async until(happened: () => boolean, seconds = 10): Promise<void> {
    const end = performance.now() + 1000 * Math.max(seconds, PATIENCE);
    while (!happened()) {
      if (performance.now() > end) throw new Error(`not until ${happened}`);
      if (this.map.size === 0) throw new Error(`all are closed, and not until ${happened}`);
      await this.passes(1, 0.1);
    }
  }

  /** The two ends of a connection to a host of its own. */
  pair(host = '127.0.0.1'): [ours: Socket, theirs: Socket] {
    const door = listening(host);
    const near = new dispatcher(null, new Map());
    near.create_socket(family_of(host) ?? AF_INET);
    near.connect(door.getsockname());
    const [theirs] = accepted(door);
    door.close();
    return [socketOf(near), theirs];
  }
}

/** A listening dispatcher, in no loop's map. */
export function listening(host = '127.0.0.1'): dispatcher {
  const door = new dispatcher(null, new Map());
  door.create_socket(family_of(host) ?? AF_INET);
  door.bind([host, 0]);
  door.listen();
  return door;
}

/** The next connection, waiting for it. */
export function accepted(door: dispatcher): [Socket, unknown] {
  const socket = socketOf(door);
  socket.setblocking(true);
  return socket.accept();
}

export function socketOf(channel: dispatcher): Socket {
  if (channel.socket === null) throw new Error('no socket');
  return channel.socket;
}

/** A chat that notes what it is told. */
export class Chat extends async_chat {
  /** What was collected up to each terminator, and since the last one. */
  readonly contents: string[] = [];
  buffer = '';
  /** Everything else: errors, messages, handlers. */
  readonly said: string[] = [];
  /** Peers here do not end when we do. */
  override linger_time = 0.05;

  constructor(
    readonly stage: Stage,
    terminator: Terminator | string = null,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
    this.set_terminator(terminator);
  }

  override collect_incoming_data(data: Buffer): void {
    this.buffer += data.toString('latin1');
  }

  override found_terminator(): void {
    this.contents.push(this.buffer);
    this.buffer = '';
  }

  override handle_connect(): void {}

  override handle_drain(): void {
    this.said.push('drain');
  }

  override handle_close(): void {
    this.said.push('close');
    this.close();
  }

  override handle_error(error: unknown): void {
    this.said.push(`error ${(error as Error).message}`);
    this.close();
  }

  override log_info(message: unknown, type = 'info'): void {
    this.said.push(`${type}: ${message}`);
  }
}

/** The other end: a plain channel that reads all there is, unless it is told to wait. */
export class Peer extends dispatcher {
  readonly chunks: Buffer[] = [];
  length = 0;
  isReading = true;
  ended = false;
  #output: Buffer = Buffer.alloc(0);
  /** The most bytes to send at once. */
  portion = Infinity;

  constructor(stage: Stage, sock: Socket) {
    super(sock, stage.map);
  }

  /** What has come so far. */
  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  say(text: string): void {
    this.#output = Buffer.concat([this.#output, Buffer.from(text, 'latin1')]);
  }

  override readable(): boolean {
    return this.isReading;
  }

  override writable(): boolean {
    return this.#output.length > 0;
  }

  override handle_write(): void {
    this.#output = this.#output.subarray(this.send(this.#output.subarray(0, this.portion)));
  }

  override handle_read(): void {
    const data = this.recv(1 << 20);
    this.chunks.push(data);
    this.length += data.length;
  }

  override handle_eof(): void {
    this.ended = true;
  }

  override handle_close(): void {
    this.ended = true;
    this.close();
  }
}

/** A chat and its peer, connected over the kind of transport that this run is about. */
export async function connected<C extends Chat>(
  stage: Stage,
  make: (sock: Socket) => C,
): Promise<[chat: C, peer: Peer, ours: Socket]> {
  const [ours, theirs] = await bothOver(...stage.pair());
  return [make(ours), new Peer(stage, theirs), ours];
}

/** The sizes of the system calls with which `socket` sends, 0 for one that fails. */
export function sends(socket: Socket): number[] {
  const sizes: number[] = [];
  const { send, sendmsg } = socket;
  const counted = (call: () => number) => {
    sizes.push(0);
    const size = call();
    sizes[sizes.length - 1] = size;
    return size;
  };
  socket.send = (...args) => counted(() => send.apply(socket, args));
  socket.sendmsg = (...args) => counted(() => sendmsg.apply(socket, args));
  return sizes;
}

/** Bytes of a latin1 string. */
export function b(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
