/** What the scenarios stand on: see README.md beside this file. Twin of stage.py. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type Address, type channel, close_all, dispatcher, loop } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  poll,
  SO_LINGER,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { holdBelow } from '@asyncore/test-support/hold_below';

const families = { inet: AF_INET, inet6: AF_INET6, unix: AF_UNIX };
export type Family = keyof typeof families;
export type Poller = 'select' | 'poll' | 'default';

/** Bytes, written as in Python. */
export function b(strings: TemplateStringsArray, ...values: unknown[]): Buffer {
  return Buffer.from(String.raw(strings, ...values));
}

/** What a handler throws when a scenario wants it to fail. */
export class Boom extends Error {}

/** An error as the trace shows it. */
export function name(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code?.startsWith('EAI_')) return 'unresolved';
  return code ?? (error as Error).constructor.name;
}

/** A word of a line, spelled as Python does. */
function word(value: unknown): string {
  if (value instanceof Uint8Array) return `b'${Buffer.from(value).toString('latin1')}'`;
  if (value === true) return 'True';
  if (value === false) return 'False';
  return value === null ? 'None' : String(value);
}

/** The map, the plain sockets and the trace of one run of one scenario. */
export class Stage {
  readonly use_poll: boolean | undefined;
  readonly family: number;
  readonly map = new Map<number, channel>();
  readonly lines: string[] = [];
  #folder = mkdtempSync(join(tmpdir(), 'stage'));
  #paths = 0;
  #sockets: Socket[] = [];
  #door: Socket | null = null;

  constructor(poller: Poller, family: Family) {
    this.use_poll = { select: false, poll: true, default: undefined }[poller];
    this.family = families[family];
  }

  // the trace

  /** One line of the trace. A line that comes again and again is shown twice at most. */
  say(...words: unknown[]): void {
    const line = words.map(word).join(' ');
    const again = `${line.split(' ')[0]} ... again`;
    const [before, last] = [this.lines.at(-2), this.lines.at(-1)];
    if (last === line) this.lines.push(again);
    else if (before !== line || last !== again) this.lines.push(line);
  }

  /** Calls a function and says what it throws. True when it threw nothing. */
  async attempt(what: string, call: () => unknown): Promise<boolean> {
    try {
      await call();
      return true;
    } catch (error) {
      this.say(what, 'raised', name(error));
      return false;
    }
  }

  /** Says what is written to standard output and standard error meanwhile. */
  printing(call: () => void): void {
    const { stdout, stderr } = process;
    const before = [stdout.write, stderr.write];
    const out: string[] = [];
    const err: string[] = [];
    stdout.write = (text: string | Uint8Array) => out.push(String(text)) > 0;
    stderr.write = (text: string | Uint8Array) => err.push(String(text)) > 0;
    try {
      call();
    } finally {
      [stdout.write, stderr.write] = before;
    }
    for (const line of out.join('').trimEnd().split('\n')) this.say('stdout', line);
    for (const line of err.join('').trimEnd().split('\n')) this.say('stderr', line);
  }

  /** How a channel is printed, without its port and its descriptor. */
  show(channel: dispatcher): void {
    const form = inspect(channel).replace(/ fd=\d+/, '');
    this.say('repr', form.replace(/:\d+>/, ':PORT>'));
  }

  // the loop

  /** One pass, which waits for so many seconds at most. True when it threw nothing. */
  step(timeout: number): Promise<boolean> {
    return this.attempt('loop', () => loop(timeout, this.use_poll, this.map, 1));
  }

  /** So many passes that do not wait, fewer when one throws. */
  async passes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      if (!(await this.step(0))) return;
    }
  }

  /** Passes until the condition holds or one throws. */
  async until(condition: () => boolean): Promise<void> {
    for (let i = 0; i < 100; i++) {
      if (condition() || !(await this.step(0.05))) return;
    }
    this.say('loop waited in vain');
  }

  has(channel: channel): boolean {
    return [...this.map.values()].includes(channel);
  }

  /** Passes until the channel has left the map. */
  async gone(channel: channel): Promise<void> {
    await this.until(() => !this.has(channel));
  }

  // plain sockets

  plain(type = SOCK_STREAM): Socket {
    const sock = new Socket(this.family, type);
    this.#sockets.push(sock);
    return sock;
  }

  /** Somewhere to bind to. */
  address(): Address {
    if (this.family === AF_INET) return ['127.0.0.1', 0];
    if (this.family === AF_INET6) return ['::1', 0];
    this.#paths += 1;
    return join(this.#folder, String(this.#paths));
  }

  /** A socket with an address. A stream that connects to it is refused. */
  bound(type = SOCK_STREAM): Socket {
    const sock = this.plain(type);
    sock.bind(this.address());
    return sock;
  }

  listening(): Socket {
    const sock = this.bound();
    sock.listen(5);
    return sock;
  }

  /** A socket connected to a listening one. */
  peer(address: Address): Socket {
    const sock = this.plain();
    sock.connect_ex(address);
    this.arrived(sock, POLLOUT);
    return sock;
  }

  /** Two connected streams: one for a channel, and its peer. */
  pair(): [sock: Socket, peer: Socket] {
    // Kept open: a descriptor freed here would turn up in the middle of a scenario.
    this.#door ??= this.listening();
    const peer = this.peer(this.#door.getsockname());
    this.arrived(this.#door, POLLIN);
    const [sock] = this.#door.accept();
    this.#sockets.push(sock);
    return [sock, peer];
  }

  /** Two datagram sockets connected to each other. */
  datagrams(): [sock: Socket, peer: Socket] {
    const [sock, peer] = [this.bound(SOCK_DGRAM), this.bound(SOCK_DGRAM)];
    sock.connect(peer.getsockname());
    peer.connect(sock.getsockname());
    return [sock, peer];
  }

  /** Sees to it that the next descriptor gets this number as soon as it is closed: none below it is free. */
  next_is(descriptor: number): void {
    this.#sockets.push(...holdBelow(descriptor));
  }

  /** Waits until the kernel reports one of these events on a socket. */
  arrived(sock: Socket, events: number): void {
    const poller = new poll();
    poller.register(sock.fileno(), events);
    if (poller.poll(5).length === 0) this.say('peer waited in vain');
  }

  /** Says what a peer receives next. */
  hear(peer: Socket, size = 8192): void {
    this.arrived(peer, POLLIN);
    try {
      const data = peer.recv(size);
      this.say('peer recv', data.length, data);
    } catch (error) {
      this.say('peer recv', name(error));
    }
  }

  /** Waits until the other end's close has arrived at a socket. */
  ended(sock: Socket): void {
    this.arrived(sock, POLLRDHUP ?? POLLIN);
  }

  /** Closes a TCP connection with RST instead of FIN. */
  reset(peer: Socket): void {
    peer.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
    peer.close();
  }

  close(): void {
    close_all(this.map, true);
    for (const sock of this.#sockets) sock.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** A logged line as the trace shows it: up to what tells of the channel or the traceback. */
function logged(message: unknown, type: string): string {
  const line = String(message).replace(/uncaptured .*exception.*/, 'uncaptured exception');
  return `${type}: ${line.replace(/: <.*/, '')}`;
}

/** A channel with a name, all of whose handlers are the library's own. */
export class Plain extends dispatcher {
  // Each scenario sees to it before anything asks for it.
  override get socket(): Socket {
    return super.socket as Socket;
  }
  override set socket(sock: Socket | null) {
    super.socket = sock;
  }

  constructor(
    readonly stage: Stage,
    readonly name: string,
    sock?: Socket | null,
  ) {
    super(sock, stage.map);
  }

  say(...words: unknown[]): void {
    this.stage.say(this.name, ...words);
  }

  log_info(message: unknown, type = 'info'): void {
    this.say('log_info', logged(message, type));
  }

  serve(): this {
    this.create_socket(this.stage.family);
    this.set_reuse_addr();
    this.bind(this.stage.address());
    this.listen(5);
    return this;
  }

  call(address: Address): this {
    this.create_socket(this.stage.family);
    this.connect(address);
    return this;
  }
}

/** A channel that says what it receives, what goes wrong and that it closes. */
export class Actor extends Plain {
  recv(size: number): Buffer {
    const data = super.recv(size);
    this.say('recv', data.length, data);
    return data;
  }

  send(data: Uint8Array): number {
    const sent = super.send(data);
    this.say('send', sent);
    return sent;
  }

  handle_error(error: unknown): void {
    this.say('handle_error', name(error));
    super.handle_error(error);
  }

  handle_close(): void {
    this.say('handle_close');
    this.close();
  }
}

/** Wants to write only until it is connected. */
export class Reader extends Actor {
  size = 8192;

  writable(): boolean {
    return !this.connected;
  }

  handle_read(): void {
    this.say('handle_read');
    this.recv(this.size);
  }
}
