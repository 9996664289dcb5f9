import { Buffer, isUtf8 } from 'node:buffer';
import { getSystemErrorMap } from 'node:util';
import { binding } from './binding.js';

/** The system's error numbers by name: `errno.ECONNRESET`. Positive, as in Python's `errno`. */
export const errno: Readonly<Record<string, number>> = binding.errors;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(errno)) {
  if (name !== 'EWOULDBLOCK' || number !== errno.EAGAIN) names.set(number, name);
}

// The errors of getaddrinfo(3), by Node's numbers. Node calls both of these ENOTFOUND.
const NOT_FOUND = 3008;
const NO_DATA = 3007;
for (const [number, [name]] of getSystemErrorMap()) {
  if (name.startsWith('EAI_')) names.set(-number, name);
}
names.set(NOT_FOUND, 'ENOTFOUND').set(NO_DATA, 'ENOTFOUND');

/** Where a call was going: a tuple, or a path. */
type HostAndPort = readonly [string, number, ...number[]];
type Path = string | Uint8Array;
type Destination = HostAndPort | Path;

function readable(path: Path): string {
  if (typeof path === 'string') return path.replaceAll('\0', '@');
  const bytes = Buffer.from(path);
  if (isUtf8(bytes)) return readable(bytes.toString());
  const escaped = (char: string) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return readable(bytes.toString('latin1').replace(/[^\0\x20-\x7e]/g, escaped));
}

/**
 * A system call that failed. The properties are those of Node's own errors: `code`
 * ('ECONNREFUSED'), `errno` (negative), `syscall`, and `address` and `port` where there is one.
 */
export class OSError extends Error {
  /** The error's name: 'ECONNREFUSED'. */
  readonly code: string;
  /** The error's number, negative as in Node's own errors. */
  readonly errno: number;
  /** The system call that failed: 'connect'. */
  readonly syscall: string;
  /**
   * The host or path that the call was given, where there is one. In a path `@` stands for NUL, and `\xff`
   * for a byte that is not UTF-8.
   */
  declare readonly address?: string;
  /** The port of that address, where there is one. */
  declare readonly port?: number;
  #source: unknown = null;

  /** `number` is the errno, positive or negative; `hint` goes into the message. */
  constructor(syscall: string, number: number, destination?: Destination | null, hint?: string) {
    const code = names.get(Math.abs(number)) ?? `E${Math.abs(number)}`;
    const [address, port] =
      typeof destination === 'string' || destination instanceof Uint8Array
        ? [readable(destination)]
        : (destination ?? []);
    const place =
      address === undefined ? '' : port === undefined ? ` ${address}` : ` ${address}:${port}`;
    super(`${syscall} ${code}${place}${hint === undefined ? '' : `: ${hint}`}`);
    this.code = code;
    this.errno = -Math.abs(number);
    this.syscall = syscall;
    if (address !== undefined) this.address = address;
    if (port !== undefined) this.port = port;
  }

  /** `error`, noted as one of a call on `source`: a Socket, or a descriptor's number. */
  static of<T extends OSError>(source: unknown, error: T): T {
    error.#source = source;
    return error;
  }

  /** What the call that failed was made on; null where that is not known. */
  static source(error: OSError): unknown {
    return error.#source;
  }

  static {
    OSError.prototype.name = 'OSError';
  }
}

/** A host name could not be looked up. The class is Python's; `hostname` is as in Node's own errors. */
export class gaierror extends OSError {
  /** The name that was looked up. */
  readonly hostname: string;

  /** `number` is Node's, of `dns.lookup`; left out when there was no look-up. */
  constructor(syscall: string, number: number | undefined, address: HostAndPort, hint?: string) {
    super(syscall, number ?? NOT_FOUND, address, hint);
    this.hostname = address[0];
  }

  static {
    gaierror.prototype.name = 'gaierror';
  }
}

/** The call would have to wait (EAGAIN), or its work goes on by itself (EINPROGRESS, EALREADY). */
export class BlockingIOError extends OSError {
  static {
    BlockingIOError.prototype.name = 'BlockingIOError';
  }
}

const blocking = new Set([errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS, errno.EALREADY]);

/** The one place that turns a negative result into an error. */
export function failure(
  syscall: string,
  result: number,
  destination?: Destination | null,
  hint?: string,
): OSError {
  const Kind = blocking.has(Math.abs(result)) ? BlockingIOError : OSError;
  return new Kind(syscall, result, destination, hint);
}

/** `result`, unless it is a negative errno: then it throws. */
export function checked(syscall: string, result: number, destination?: Destination | null): number {
  if (result < 0) throw failure(syscall, result, destination);
  return result;
}

/** The same for a call on `source`, a Socket or a descriptor's number, which the error notes. */
export function checkedOf(
  source: unknown,
  syscall: string,
  result: number,
  destination?: Destination | null,
): number {
  if (result >= 0) return result;
  throw failureOf(source, syscall, result, destination);
}

function failureOf(
  source: unknown,
  syscall: string,
  result: number,
  destination?: Destination | null,
): OSError {
  const hint = syscall === 'bind' ? ofBind(result, destination) : undefined;
  const closed = result === -errno.EBADF && isClosed(source) ? 'it is closed' : undefined;
  return OSError.of(source, failure(syscall, result, destination, closed ?? hint));
}

function isClosed(source: unknown): boolean {
  const { fileno } = Object(source) as { fileno?: () => number };
  return typeof fileno === 'function' && fileno.call(source) < 0;
}

/** What a newcomer does not know of the errors of bind(2). */
function ofBind(result: number, destination?: Destination | null): string | undefined {
  const port = Array.isArray(destination) ? destination[1] : undefined;
  if (result === -errno.EADDRINUSE) {
    if (port !== undefined) return 'another socket has this port; port 0 takes a free one';
    const [first] = (destination ?? []) as Path;
    if (first === '\0' || first === 0) return 'another socket has this name';
    return 'a file is there already: remove it if no program uses it';
  }
  if (result !== -errno.EACCES || port === undefined || port >= 1024) return undefined;
  return 'ports below 1024 are for root and for programs with CAP_NET_BIND_SERVICE';
}
