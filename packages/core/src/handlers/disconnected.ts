const always = new Set(['ECONNRESET', 'ENOTCONN', 'ESHUTDOWN', 'ECONNABORTED', 'EPIPE', 'EBADF']);
const whenConnected = new Set([
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ENETRESET',
]);

/**
 * Whether an error says that the other end is gone. A peer out of reach is gone too, if there was
 * a connection; CPython counts only the first six.
 */
export function is_disconnected(error: unknown, established: boolean): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && (always.has(code) || (established && whenConnected.has(code)));
}
