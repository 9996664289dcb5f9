/**
 * The loop that called a handler. It takes the errors that escape from an async handler later. `fail`
 * returns false if it cannot.
 */
export interface Escape {
  fail(error: unknown): boolean;
}

let taker: Escape | null = null;

/** The loop that takes the errors that escape from a handler called now. */
export function escapeOf(): Escape | null {
  return taker;
}

/** Runs `body`. Errors that escape later from the async handlers that it calls go to `to`. */
export function escapingTo<T>(to: Escape | null, body: () => T): T {
  const before = taker;
  taker = to;
  try {
    return body();
  } finally {
    taker = before;
  }
}
