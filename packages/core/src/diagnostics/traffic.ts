/** How much goes through a socket. Nothing is counted for this unless somebody has subscribed before. */
import { MSG_PEEK, type Transport, tcp_traffic } from '@asyncore/socket';
import { clock } from '@asyncore/socket/kernel';

/** What is known of a socket's traffic; null is unknown. */
export interface Traffic {
  bytes_in: number | null;
  bytes_out: number | null;
  /** Seconds since anything was received or sent. */
  idle: number | null;
}

interface Count {
  bytes_in: number;
  bytes_out: number;
  /** When something was moved last, by the clock. */
  moved: number;
  /** Whether one of its methods runs, which may call another. */
  isCounting: boolean;
  tell(isIn: boolean, bytes: number): void;
}

const counts = new WeakMap<Transport, Count>();

/** The methods that receive, and where their flags are among the arguments. */
const RECEIVE = { recv: 1, recv_into: 2, recvfrom: 1, recvmsg: 2, recvmmsg: 2 };
const SEND = ['send', 'sendto', 'sendmsg', 'sendfile'];

type Call = (...args: unknown[]) => unknown;

/** The original methods, by the functions that replace them. */
const covered = new WeakMap<Call, Call>();

/**
 * Counts what `socket` receives and sends from now on, and calls `tell`. Only the methods of this one
 * socket are replaced.
 */
export function count_bytes(socket: Transport, tell: Count['tell']): void {
  const former = counts.get(socket);
  if (former !== undefined) {
    former.tell = tell; // another channel has it now
    return;
  }
  const count: Count = { bytes_in: 0, bytes_out: 0, moved: clock.now(), isCounting: false, tell };
  counts.set(socket, count);
  for (const [name, flags] of Object.entries(RECEIVE)) {
    cover(socket, name, count, (result, args) => {
      if (Number(args[flags] ?? 0) & MSG_PEEK) return; // it will be received once more
      const parts = name === 'recvmmsg' ? (result as unknown[]) : [result];
      for (const part of parts) moved(count, true, bytesOf(part));
    });
  }
  for (const name of SEND) {
    cover(socket, name, count, (result) => moved(count, false, bytesOf(result)));
  }
  // It gives the number of messages, and may be given them by an iterator, which is used up then.
  cover(socket, 'sendmmsg', count, (result, [messages]) => {
    const taken = (messages as unknown[]).slice(0, Number(result));
    for (const message of taken) moved(count, false, bytesOf(message));
  });
}

/** The traffic of `socket` is from now on that of `below`, which carries it. */
export function go_on_counting(socket: Transport, below: Transport): void {
  const count = counts.get(below);
  if (count !== undefined) counts.set(socket, count);
}

function cover(
  socket: Transport,
  name: string,
  count: Count,
  note: (result: unknown, args: unknown[]) => void,
): void {
  const method = (socket as unknown as Record<string, Call | undefined>)[name];
  if (method === undefined) return;
  const value = (...args: unknown[]): unknown => {
    if (count.isCounting) return method.apply(socket, args);
    if (name === 'sendmmsg' && isIterable(args[0])) args[0] = [...args[0]];
    count.isCounting = true;
    let result: unknown;
    try {
      result = method.apply(socket, args);
    } finally {
      count.isCounting = false;
    }
    note(result, args);
    return result;
  };
  covered.set(value, method);
  Object.defineProperty(socket, name, { value, configurable: true, writable: true });
}

/** What `method` does but for the counting. */
export function uncounted(method: unknown): unknown {
  return covered.get(method as Call) ?? method;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof Object(value)[Symbol.iterator] === 'function';
}

/** What a method returns: a number of bytes, the bytes, or a list that begins with them. */
function bytesOf(result: unknown): number {
  if (typeof result === 'number') return result;
  return (Array.isArray(result) ? result[0] : result)?.byteLength ?? 0;
}

function moved(count: Count, isIn: boolean, bytes: number): void {
  if (bytes === 0) return;
  count.moved = clock.now();
  if (isIn) count.bytes_in += bytes;
  else count.bytes_out += bytes;
  count.tell(isIn, bytes);
}

/** What is known: what was counted, or what the kernel says of a TCP connection. */
export function traffic_of(socket: Transport | null): Traffic {
  if (socket === null) return UNKNOWN;
  const count = counts.get(socket);
  if (count === undefined) return tcp_traffic(socket.fileno()) ?? UNKNOWN;
  const { bytes_in, bytes_out, moved } = count;
  return { bytes_in, bytes_out, idle: (clock.now() - moved) / 1000 };
}

const UNKNOWN: Traffic = { bytes_in: null, bytes_out: null, idle: null };
