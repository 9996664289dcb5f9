import {
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  OSError,
  type Socket,
  type Transport,
} from '@asyncore/socket';

/** Errors that say "nothing to read", of transports of the program's own, and whose recv threw them. */
const noted = new WeakMap<object, object>();

/**
 * Notes an error that `owner`'s recv has thrown, if it says that there is nothing to read. That of a
 * transport of the program's own may be another socket's, or no OSError.
 */
export function note_nothing_to_read(error: unknown, owner: object, transport: Transport): void {
  const isForeign = !(error instanceof OSError && OSError.source(error) === transport);
  const { code } = Object(error) as NodeJS.ErrnoException;
  const isNothing = code === 'EAGAIN' || code === 'EWOULDBLOCK';
  if (isForeign && isNothing) noted.set(error as object, owner);
}

/** Whether an error was noted so. */
export function is_noted(error: unknown): boolean {
  return error instanceof Object && noted.has(error);
}

/**
 * Whether an error is of a call on `owner`'s transport. An error of nobody's, as a program may make
 * one, counts while its handler runs; a promise may have been rejected (`late`) by anything.
 */
export function is_own(
  error: unknown,
  late: boolean,
  owner: object,
  transport: Transport | null,
): boolean {
  if (error instanceof Object && noted.get(error) === owner) return true;
  if (!(error instanceof OSError)) return false;
  const source = OSError.source(error);
  if (source === null) return !late;
  return source === transport || source === transport?.fileno();
}

/** Whether the program reads errors from MSG_ERRQUEUE. */
export function queues_errors(transport: Transport | null): boolean {
  const socket = transport as Socket; // or something without a family
  const { family } = socket;
  if (family !== AF_INET && family !== AF_INET6) return false;
  const isInet6 = family === AF_INET6;
  const option = isInet6 ? IPV6_RECVERR : IP_RECVERR;
  const level = isInet6 ? IPPROTO_IPV6 : IPPROTO_IP;
  return option !== undefined && socket.getsockopt(level, option) !== 0;
}
