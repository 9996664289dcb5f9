/**
 * The mark of a predicate, whose value is the predicate itself: its answer changes only with
 * `_changed()`.
 */
const announced = Symbol('asyncore.announced');

type Predicate = ((...args: never[]) => unknown) & { [announced]?: unknown };

/** Whether a predicate's answer changes only with `_changed()`. */
export function is_announced(predicate: Predicate | undefined): boolean {
  // Another function may inherit the mark, or wrap one that has it.
  return predicate !== undefined && predicate[announced] === predicate;
}

/** Has a method that says that its predicates may answer otherwise. */
export interface Changing {
  _changed(): void;
}

/**
 * Marks predicates of a class: their answer changes only when the channel calls `_changed()`, so
 * the loop need not ask a quiet channel. A subclass that overrides one of them is asked on every
 * pass.
 */
export function announce_changes<T extends Changing, K extends keyof T & string>(
  prototype: T,
  ...names: K[]
): void {
  for (const name of names) (prototype[name] as Predicate)[announced] = prototype[name];
  announce_assignment(prototype, ...names);
}

/**
 * Calls `_changed()` when one of these methods is assigned on an instance later on, since nothing
 * else would make the loop ask a quiet channel again.
 */
export function announce_assignment<T extends Changing, K extends keyof T & string>(
  prototype: T,
  ...names: K[]
): void {
  for (const name of names) {
    const method = prototype[name];
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: false,
      get: () => method,
      set(this: T, value: unknown) {
        const property = { value, configurable: true, enumerable: true, writable: true };
        Object.defineProperty(this, name, property);
        this._changed();
      },
    });
  }
}
