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

/** Errors by which a program's own transport says "nothing to read", with the endpoint whose recv threw them. */
const noted = new WeakMap<object, object>();

/**
 * Notes an error that `owner`'s recv has thrown, if it says that there is nothing to read. The error of a
 * program's own transport may belong to another socket, or may not be an OSError.
 */
export function note_nothing_to_read(error: unknown, owner: object, transport: Transport): void {
  const isForeign = !(error instanceof OSError && OSError.source(error) === transport);
  const { code } = Object(error) as NodeJS.ErrnoException;
  const isNothing = code === 'EAGAIN' || code === 'EWOULDBLOCK';
  if (isForeign && isNothing) noted.set(error as object, owner);
}

/** Whether `note_nothing_to_read` has noted the error. */
export function is_noted(error: unknown): boolean {
  return error instanceof Object && noted.has(error);
}

/**
 * Whether an error comes from a call on `owner`'s transport. An error without a transport, as a program
 * may make one, counts as the owner's while its handler runs, but not when a promise was rejected with it
 * later (`late`).
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
