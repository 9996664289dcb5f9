import { gathering } from '../output/gathering.js';
import { escapeOf, escapingTo } from './escaping.js';

/** Whether a handler gave a promise. */
export function isPending(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as PromiseLike<unknown> | undefined)?.then === 'function';
}

/**
 * Calls `done` when a handler's promise is settled and then, if it was rejected, `failed`. What
 * they send goes out when they return; what they throw ends the loop that called the handler.
 */
export function follow(
  promise: PromiseLike<unknown>,
  done: () => void,
  failed: (error: unknown) => void,
): void {
  const taker = escapeOf();
  const guarded = (body: () => void) => {
    try {
      escapingTo(taker, () => gathering(body));
    } catch (escaped) {
      if (!taker?.fail(escaped)) throw escaped;
    }
  };
  promise.then(
    () => guarded(done),
    (error: unknown) =>
      guarded(() => {
        done();
        failed(error);
      }),
  );
}
