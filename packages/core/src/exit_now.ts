/** Thrown in a handler, it is not sent to `handle_error`: it leaves the loop. */
export class ExitNow extends Error {
  static {
    ExitNow.prototype.name = 'ExitNow';
  }
}
