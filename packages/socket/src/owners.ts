/** Who owns descriptors, and what happens when one of them is closed, given away or collected. */
import { binding, on_change } from './binding.js';
import { wrong } from './wrong.js';

type Release = (fd: number) => void;

const release_listeners = new Set<Release>();

/**
 * Calls `listener` with every descriptor that is about to be closed in this package, or given away by
 * `detach`, while it is still open. Gives the function that ends this. What waits for descriptors needs
 * it: an epoll queue can no longer be told to forget one that is closed while a duplicate is open.
 */
export function before_release(listener: (fd: number) => void): () => void {
  if (typeof listener !== 'function') {
    throw wrong.type('before_release: listener must be a function');
  }
  release_listeners.add(listener);
  return () => void release_listeners.delete(listener);
}

export function tell_release(fd: number): void {
  for (const listener of release_listeners) listener(fd);
}

/** A class of owners. */
export interface Kind {
  readonly name: string;
  /** Is called with the descriptor of an owner that was collected, before that is closed. */
  readonly release: Release | undefined;
}

/**
 * What only the owner of a descriptor refers to: when this is collected, the owner was. It is there so that
 * it can be used again. An owner could be registered itself, but an entry that was unregistered survives
 * all small collections, as do the entries after it and all they refer to: each connection would cost
 * microseconds.
 */
export class Guard {
  constructor(
    readonly home: Home,
    /** Where Home keeps what is to be closed. */
    readonly slot: number,
  ) {}
}

/** What belongs to the descriptors of one binding: collected ones are closed where they were made. */
export class Home {
  readonly binding = binding;
  /** What `on_release` was given, by descriptor. */
  readonly releases = new Map<number, () => void>();
  /** The descriptor of each guard, and what owns it. */
  readonly #fds: number[] = [];
  readonly #kinds: Kind[] = [];
  /** As many are kept as were ever in use at once. */
  readonly #spare: Guard[] = [];
  readonly #registry = new FinalizationRegistry<number>((slot) => this.#collected(slot));

  /** For a new owner of `fd`. */
  guard(fd: number, kind: Kind): Guard {
    const guard = this.#spare.pop() ?? this.#newGuard(this.#fds.length);
    this.#fds[guard.slot] = fd;
    this.#kinds[guard.slot] = kind;
    return guard;
  }

  #newGuard(slot: number): Guard {
    const guard = new Guard(this, slot);
    this.#registry.register(guard, slot);
    return guard;
  }

  /** Its owner owns the descriptor no longer. */
  spare(guard: Guard): void {
    this.#spare.push(guard);
  }

  #collected(slot: number): void {
    const fd = this.#fds[slot];
    const { name, release } = this.#kinds[slot];
    this.spare(this.#newGuard(slot));
    process.emitWarning(`unclosed ${name} fd=${fd}`, 'ResourceWarning');
    release?.(fd);
    tell_release(fd);
    this.binding.close(fd);
    this.taken(fd)?.();
  }

  taken(fd: number): (() => void) | undefined {
    const callback = this.releases.size > 0 ? this.releases.get(fd) : undefined;
    if (callback !== undefined) this.releases.delete(fd);
    return callback;
  }
}

const homes = new WeakMap<object, Home>();
/** That of the binding in use. */
export let home = new Home();
homes.set(binding, home);

on_change(() => {
  home = homes.get(binding) ?? new Home();
  homes.set(binding, home);
});
