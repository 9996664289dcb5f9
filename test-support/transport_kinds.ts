/**
 * What tests of streams run over. Their files are the same for every kind of transport: vitest runs them
 * once for each (`overEveryKind` in vitest.kinds.ts), with ASYNCORE_TEST_TRANSPORT naming it.
 */
import type { dispatcher, Transport } from '@asyncore/core';
import {
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { it } from 'vitest';

export type KindName = 'plain' | 'buffering' | 'silent' | 'wanting' | 'ending' | 'tls';

export const KIND = (process.env.ASYNCORE_TEST_TRANSPORT ?? 'plain') as KindName;

/** A kind of transport. */
export interface Kind {
  /** `ours` as a channel is to have it, and the other end as the test has it in its hand. */
  ends(ours: Socket, theirs: Socket): [Transport, Socket] | Promise<[Transport, Socket]>;
  /** One end, where a channel has the other one too. */
  over(sock: Socket, isServer: boolean): Transport;
  /** Both, where something has to happen between them first. */
  both?(ours: Socket, theirs: Socket): Promise<[Transport, Transport]>;
}

// ---- the kinds ----

/** The socket of `ours` as one of another class. */
export function as<S extends Socket>(kind: { prototype: S }, ours: Socket): S {
  // A subclass's own fields have to be made, which only its constructor does.
  const make = kind as unknown as new (
    family: number,
    type: number,
    proto: number,
    fd: number,
  ) => S;
  return new make(ours.family, ours.type, ours.proto, ours.detach());
}

/** Reads ahead, as TLS does: what it holds no poller knows of. */
export class Buffering extends Socket {
  #held: Buffer = Buffer.alloc(0);

  override recv(bufsize: number, flags = 0): Buffer {
    if (flags !== 0) return super.recv(bufsize, flags);
    // At the end of what the peer sent, it keeps the end for the next call.
    if (this.#held.length === 0) this.#held = super.recv(1 << 16);
    const data = this.#held.subarray(0, bufsize);
    this.#held = this.#held.subarray(bufsize);
    return data;
  }
  get held(): number {
    return this.#held.length;
  }
  override unread(): number {
    return this.held + super.unread();
  }
}

/** The same, and says how much it holds. */
export class Telling extends Buffering {
  override pending(): number {
    return this.held;
  }
}

/** Has to write something of its own before it can read, as a TLS handshake may. */
export class Wanting extends Socket {
  hasGreeted = false;

  wants(events: number): number {
    if (this.hasGreeted) return events;
    return events & POLLIN ? (events & ~POLLIN) | POLLOUT : events;
  }
  override recv(bufsize: number, flags = 0): Buffer {
    this.hasGreeted = true;
    return super.recv(bufsize, flags);
  }
}

/** Ends where its peer says so, while the connection of the kernel goes on: as with close_notify. */
class Ending extends Socket {
  #received = 0;
  #end = Infinity;
  #isOver = false;
  #isShut = false;
  #changed = () => {};

  endsAt(end: number, isOver: boolean): void {
    this.#end = Math.min(this.#end, end);
    this.#isOver ||= isOver;
    this.#changed();
  }
  watch(changed: () => void): void {
    this.#changed = changed;
  }
  override recv(bufsize: number, flags = 0): Buffer {
    if (this.#received >= this.#end) return Buffer.alloc(0);
    const data = super.recv(bufsize, flags);
    this.#received += data.length;
    return data;
  }
  override shutdown(how: number): void {
    super.shutdown(how);
    this.#isShut = true;
    this.#changed();
  }
  override state(): number {
    if (this.#end === Infinity) return super.state();
    return super.state() | (POLLRDHUP ?? 0) | (this.#isOver || this.#isShut ? POLLHUP : 0);
  }
}

/** The other end of an `Ending`: its shutdown and close are words, unless it was closed before. */
class EndingPeer extends Socket {
  #sent = 0;
  #isReset = false;
  #hasSaid = false;
  other: Ending | undefined;

  override send(data: ArrayBufferView, flags = 0): number {
    const sent = super.send(data, flags);
    this.#sent += sent;
    return sent;
  }
  override shutdown(how: number): void {
    if (how === SHUT_WR) this.other?.endsAt(this.#sent, false);
    else super.shutdown(how);
  }
  override setsockopt(...args: Parameters<Socket['setsockopt']>): void {
    if (args[0] === SOL_SOCKET && args[1] === SO_LINGER) this.#isReset = true;
    super.setsockopt(...args);
  }
  override close(): void {
    const isOpen = (this.other?.fileno() ?? -1) >= 0;
    if (isOpen && !this.#isReset && !this.#hasSaid) this.other?.endsAt(this.#sent, true);
    else super.close();
    this.#hasSaid = true;
  }
}

/** As an object that has only what a Transport must have, and a few others: no `pending` above all. */
export function bare(inner: Socket): Transport {
  const made: Record<string, unknown> = { type: inner.type, family: inner.family };
  for (const method of [
    'fileno',
    'recv',
    'send',
    'sendmsg',
    'getsockopt',
    'close',
    'setblocking',
    'getpeername',
    'shutdown',
  ] as const) {
    made[method] = (inner[method] as (...args: never[]) => unknown).bind(inner);
  }
  return made as unknown as Transport; // what it lacks may be left out
}

function oneEnd(over: (sock: Socket) => Transport): Kind {
  return { over, ends: (ours, theirs) => [over(ours), theirs] };
}

async function kindOf(name: KindName): Promise<Kind> {
  switch (name) {
    case 'plain':
      return oneEnd((sock) => sock);
    case 'buffering':
      return oneEnd((sock) => as(Telling, sock));
    case 'silent':
      return oneEnd((sock) => bare(as(Buffering, sock)));
    case 'wanting':
      return oneEnd((sock) => as(Wanting, sock));
    case 'ending':
      return {
        over: (sock) => sock, // who ends it is the other end
        ends: (ours, theirs) => {
          const near = as(Ending, ours);
          const far = as(EndingPeer, theirs);
          far.other = near;
          return [near, far];
        },
      };
    case 'tls':
      return (await import('./tls_kind.js')).tls;
  }
}

const kind = await kindOf(KIND);

// ---- for the tests ----

/** The two ends of a connection over this run's kind: for a channel, and for the test's hand. */
export async function overKind(ours: Socket, theirs: Socket): Promise<[Socket, Socket]> {
  const [near, far] = await kind.ends(ours, theirs);
  return [near as Socket, far]; // what it lacks fails as any missing method does
}

/** A socket, connected or accepted, as a channel is to have it whose peer is a channel too. */
export function over(sock: Socket, isServer = true): Socket {
  return kind.over(sock, isServer) as Socket;
}

/** The two ends of a connection over this run's kind, both for channels. */
export async function bothOver(ours: Socket, theirs: Socket): Promise<[Socket, Socket]> {
  const [near, far] = (await kind.both?.(ours, theirs)) ?? [over(ours), over(theirs, false)];
  return [near as Socket, far as Socket]; // as above
}

/** For `_connected` of a channel: puts its connection over this run's kind. */
export function putOver(channel: dispatcher): void {
  if (KIND !== 'plain' && channel.socket) channel.set_socket(over(channel.socket, false));
}

/** `it`, or with the reason why not, a test that is left out over the kinds that `reasons` names. */
export function itUnless(reasons: Partial<Record<KindName, string>>): typeof it.skip | typeof it {
  const reason = reasons[KIND];
  if (reason === undefined) return it;
  const skipped = (name: string, ...rest: unknown[]) =>
    Reflect.apply(it.skip, it, [`${name} (not over ${KIND}: ${reason})`, ...rest]);
  const each =
    (...cases: unknown[]) =>
    (name: string, ...rest: unknown[]) =>
      Reflect.apply(Reflect.apply(it.skip.each, it.skip, cases) as () => void, it.skip, [
        `${name} (not over ${KIND}: ${reason})`,
        ...rest,
      ]);
  return Object.assign(skipped, { each }) as unknown as typeof it.skip;
}
