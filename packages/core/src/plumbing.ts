/**
 * How a dispatcher and the loop talk beside asyncore's own methods. Symbols, so that no name of a
 * subclass can get in the way.
 */

/** `channel[interest]()`: the events to wait for; it asks `readable()` and `writable()`. */
export const interest = Symbol('asyncore.interest');

/**
 * `channel[hung_up](state)`: poll(2) said that the connection is over, and nothing is unread. False
 * if there is no connection that could be.
 */
export const hung_up = Symbol('asyncore.hung_up');

/** `channel[due]()`: something happened that no descriptor tells (a name was looked up). */
export const due = Symbol('asyncore.due');

/** Among the events of `interest`: call `due` at once. No flag of poll(2) has this bit. */
export const DUE = 1 << 30;

/** `channel[patience](now)`: the milliseconds until it will have made no progress for `timeout` seconds. */
export const patience = Symbol('asyncore.patience');

/** `channel[impatient]()`: it has made none. */
export const impatient = Symbol('asyncore.impatient');

/** Among the events of `interest`: only an attribute, `connected` for one, says when it may change. */
export const IDLE = 1 << 29;

/** `channel[over]`: whether it was told of the end, so that it gets nothing more. */
export const over = Symbol('asyncore.over');

/** `channel[registered]`: its registration in its own map, kept there to be found at once. */
export const registered = Symbol('asyncore.registered');

/** On a predicate, itself: its answer changes only with `_changed()`, so that it need not be asked. */
const settled = Symbol('asyncore.settled');

type Predicate = ((...args: never[]) => unknown) & { [settled]?: unknown };

/** Whether a predicate's answer changes only with `_changed()`. */
export function is_settled(predicate: Predicate | undefined): boolean {
  // Another function may inherit it, or wrap one that has it.
  return predicate !== undefined && predicate[settled] === predicate;
}

export interface Changing {
  _changed(): void;
}

/**
 * Says of predicates of a class that what they answer changes only when the channel calls
 * `_changed()`: the loop then asks a quiet channel nothing. A subclass that overrides them is
 * asked on every pass.
 */
export function settle_predicates<T extends Changing, K extends keyof T & string>(
  prototype: T,
  ...names: K[]
): void {
  for (const name of names) (prototype[name] as Predicate)[settled] = prototype[name];
  announce_assignment(prototype, ...names);
}

/**
 * Lets the loop know when one of these methods is assigned on an instance later on, since nothing
 * would ask a quiet channel again.
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
