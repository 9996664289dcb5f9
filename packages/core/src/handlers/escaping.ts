/**
 * The loop that called a handler: it takes what later escapes from an async one. `fail` gives false
 * if it cannot.
 */
export interface Escape {
  fail(error: unknown): boolean;
}

let taker: Escape | null = null;

/** The loop that will take what escapes from a handler called now. */
export function escapeOf(): Escape | null {
  return taker;
}

/** Runs `body`. What later escapes from the async handlers that it calls goes to `to`. */
export function escapingTo<T>(to: Escape | null, body: () => T): T {
  const before = taker;
  taker = to;
  try {
    return body();
  } finally {
    taker = before;
  }
}
