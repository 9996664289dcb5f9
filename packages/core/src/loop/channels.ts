import { before_release } from '@asyncore/socket';
import type { channel, channel_map } from '../channel.js';
import { checkChannel } from '../checked.js';
import type { Escape } from '../handlers/escaping.js';
import { Registration } from './registration.js';
import { Timeouts } from './timeouts.js';

/** What a loop needs to hear about changes to its map. */
export interface Listener extends Escape {
  /** The channel is new, or its answers may have changed. */
  changed(registration: Registration): void;
  removed(registration: Registration): void;
  /** Whether the loop is to keep the process alive. */
  keepAlive(on: boolean): void;
  /** The channel's descriptor is about to be closed, but not by the channel. */
  closed(registration: Registration): void;
}

const channels = Symbol('asyncore.channels');

type Watched = channel_map & { [channels]?: Channels };

/**
 * The registrations of a map: one for each channel in it. A loop or a pass makes them when it first sees
 * the channel.
 */
export class Channels {
  /** The loop that runs on the map, if one does. */
  listener: Listener | null = null;
  /** Whether a loop or a pass has served any map of this thread. */
  static areServed = false;
  /** Counts the synchronous passes, for a loop that runs meanwhile. */
  passes = 0;
  readonly timeouts = new Timeouts(() => this.listener);
  /** The registrations, with the descriptor as index. */
  #registrations: (Registration | undefined)[] = [];
  #time = 0;
  /** The descriptor with which `some` goes on. */
  #turn = 0;
  /** How many loops and passes watch the map, and the functions that end the watching. */
  #watchers = 0;
  #uncover: (() => void)[] = [];

  constructor(readonly map: channel_map) {}

  static of(map: channel_map): Channels {
    const known = (map as Watched)[channels];
    if (known) return known;
    const made = new Channels(map);
    Object.defineProperty(map, channels, { value: made }); // hidden, so that a map is printed as before
    return made;
  }

  /** The channel that was under `fd` is no longer in the map. */
  static removed(map: channel_map, fd: number): void {
    (map as Watched)[channels]?.drop(fd);
  }

  get(fd: number): Registration | undefined {
    return this.#registrations[fd];
  }

  /**
   * The registration of `fd`, if it was made before `wait`. If it was not, an event of that wait
   * belongs to the channel that had the descriptor before.
   */
  since(fd: number, wait: number): Registration | undefined {
    const registration = this.#registrations[fd];
    return registration && registration.since < wait ? registration : undefined;
  }

  /**
   * Returns the map's next time, a number that is larger than all before. It shows which registration
   * is older, and which events came before a registration was made.
   */
  tick(): number {
    this.#time += 1;
    return this.#time;
  }

  /**
   * Returns the registration of `channel`, which is in the map under `fd`, and makes one if there is
   * none.
   */
  register(fd: number, channel: channel): Registration {
    const known = this.#registrations[fd];
    if (known?.channel === channel && !known.removed) return known;
    checkChannel(fd, channel);
    if (known?.displaceable) this.#registrations[fd] = undefined;
    else this.drop(fd);
    const made = new Registration(this, fd, channel, this.tick());
    this.#registrations[fd] = made;
    const { _map } = channel as { readonly _map?: channel_map };
    if (_map === this.map) made.endpoint.watcher = made;
    made.changed();
    return made;
  }

  /** The answers of the channel of `registration` may have changed. */
  changed(registration: Registration): void {
    this.listener?.changed(registration);
  }

  drop(fd: number): void {
    const known = this.#registrations[fd];
    if (known === undefined) return;
    this.#registrations[fd] = undefined;
    this.forget(known);
  }

  /** Drops a registration that may no longer be the one of its descriptor. */
  forget(known: Registration): void {
    known.removed = true;
    if (known.endpoint.watcher === known) known.endpoint.watcher = null;
    this.timeouts.drop(known);
    this.listener?.removed(known);
  }

  /** The registrations of the next `most` descriptors, in turn. */
  some(most: number): Registration[] {
    const part = this.#registrations.slice(this.#turn, this.#turn + most);
    this.#turn += most;
    if (this.#turn >= this.#registrations.length) this.#turn = 0;
    return part.filter((one) => one !== undefined);
  }

  #known(): Registration[] {
    // The array's own filter would visit every number up to the highest descriptor.
    return Object.values(this.#registrations).filter((one) => one !== undefined);
  }

  /** The registrations of all channels that are now in the map, in the map's order. */
  all(): Registration[] {
    for (const { fd } of this.#known()) if (!this.map.has(fd)) this.drop(fd);
    return Array.from(this.map, ([fd, channel]) => this.register(fd, channel));
  }

  /** Tells `listener` of all channels and of every change from now on, until `ignore`. */
  listen(listener: Listener): void {
    this.watch();
    for (const registration of this.all()) listener.changed(registration);
    this.listener = listener;
  }

  ignore(): void {
    this.listener = null;
    this.unwatch();
  }

  /**
   * From now on, until `unwatch`, registrations follow the content of the map: its `set`, `delete` and
   * `clear` are replaced on the object itself. So a program may use a plain Map.
   */
  watch(): void {
    Channels.areServed = true;
    this.#watchers += 1;
    if (this.#watchers > 1) return;
    const { map } = this;
    for (const { fd, mayBeOpenAgain } of this.#known()) if (mayBeOpenAgain) this.drop(fd);
    this.#uncover.push(before_release((fd) => this.#closing(fd)));
    const { set, delete: remove, clear } = map;
    this.#cover('set', (fd, channel) => {
      // Put into the map again: the descriptor may be a new one with the same number.
      if (map.get(fd) === channel) this.drop(fd);
      set.call(map, fd, channel);
      const now = map.get(fd); // a map of another class may have put something else there
      if (now !== undefined) this.register(fd, now);
      return map;
    });
    this.#cover('delete', (fd) => {
      this.drop(fd);
      return remove.call(map, fd);
    });
    this.#cover('clear', () => {
      for (const { fd } of this.#known()) this.drop(fd);
      clear.call(map);
    });
  }

  #closing(fd: number): void {
    const known = this.#registrations[fd];
    if (known === undefined) return;
    known.descriptorClosed();
    this.listener?.closed(known);
  }

  unwatch(): void {
    this.#watchers -= 1;
    if (this.#watchers > 0) return;
    for (const uncover of this.#uncover.splice(0)) uncover();
  }

  #cover<K extends 'set' | 'delete' | 'clear'>(name: K, value: channel_map[K]): void {
    const { map } = this;
    const own = Object.getOwnPropertyDescriptor(map, name);
    Object.defineProperty(map, name, { value, configurable: true, writable: true });
    this.#uncover.push(() => {
      if (own) Object.defineProperty(map, name, own);
      else Reflect.deleteProperty(map, name);
    });
  }
}
