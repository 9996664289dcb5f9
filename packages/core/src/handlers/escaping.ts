/** Takes what an async handler lets escape: the loop that called it. False when it cannot. */
export interface Escape {
  fail(error: unknown): boolean;
}

let taker: Escape | null = null;

/** Who takes what escapes from a handler that is called now. */
export function escapeOf(): Escape | null {
  return taker;
}

/** Runs `body` with `to` as the one that later escapes go to. */
export function escapingTo<T>(to: Escape | null, body: () => T): T {
  const before = taker;
  taker = to;
  try {
    return body();
  } finally {
    taker = before;
  }
}
