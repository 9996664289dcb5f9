/** Thrown in a handler, it is not sent to `handle_error`: it leaves the loop. */
export class ExitNow extends Error {
  static {
    ExitNow.prototype.name = 'ExitNow';
  }
}

/** Whether `error` is an ExitNow. For a Proxy `instanceof` may throw; then it is not. */
export function is_exit(error: unknown): boolean {
  try {
    return error instanceof ExitNow;
  } catch {
    return false;
  }
}
