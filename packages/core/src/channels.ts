import type { channel, channel_map } from './channel.js';
import type { Escape } from './handling.js';
import { Registration } from './registration.js';

/** What a loop wants to know of changes to its map. */
export interface Listener extends Escape {
  /** New, or may answer otherwise than before. */
  changed(registration: Registration): void;
  removed(registration: Registration): void;
}

const channels = Symbol('asyncore.channels');

type Watched = channel_map & { [channels]?: Channels };

/** The registrations of a map: one for each channel in it, made when a loop or a pass comes by. */
export class Channels {
  /** The loop that runs on the map, if one does. */
  listener: Listener | null = null;
  /** Counts waits, to tell events of a registration from those of its descriptor's past. */
  waits = 0;
  #registrations = new Map<number, Registration>();
  #made = 0;
  #uncover: (() => void)[] = [];

  constructor(readonly map: channel_map) {}

  static of(map: channel_map): Channels {
    const known = (map as Watched)[channels];
    if (known) return known;
    const made = new Channels(map);
    Object.defineProperty(map, channels, { value: made }); // hidden: a map is printed as ever
    return made;
  }

  /** The channel under `fd` may answer otherwise than before. */
  static changed(map: channel_map, fd: number): void {
    const state = (map as Watched)[channels];
    if (!state?.listener) return;
    const registration = state.#registrations.get(fd);
    if (registration !== undefined) state.listener.changed(registration);
  }

  /** The channel that was under `fd` is no longer in the map. */
  static removed(map: channel_map, fd: number): void {
    (map as Watched)[channels]?.drop(fd);
  }

  get(fd: number): Registration | undefined {
    return this.#registrations.get(fd);
  }

  /** The registration of `channel`, which is in the map under `fd`. */
  of(fd: number, channel: channel): Registration {
    const known = this.#registrations.get(fd);
    if (known?.channel === channel && !known.gone) return known;
    this.drop(fd);
    this.#made += 1;
    const made = new Registration(this.map, fd, channel, this.#made, this.waits);
    this.#registrations.set(fd, made);
    this.listener?.changed(made);
    return made;
  }

  drop(fd: number): void {
    const known = this.#registrations.get(fd);
    if (known === undefined) return;
    this.#registrations.delete(fd);
    known.gone = true;
    this.listener?.removed(known);
  }

  /** All of the map's registrations as it is now, in its order. */
  all(): Registration[] {
    for (const fd of this.#registrations.keys()) {
      if (!this.map.has(fd)) this.drop(fd);
    }
    return Array.from(this.map, ([fd, channel]) => this.of(fd, channel));
  }

  /**
   * Tells `listener` of all channels and of every change from now on: the map's own `set`,
   * `delete` and `clear` are covered until `ignore`. A plain Map given as the map stays itself.
   */
  listen(listener: Listener): void {
    const { map } = this;
    for (const registration of this.all()) listener.changed(registration);
    this.listener = listener;
    const { set, delete: remove, clear } = map;
    this.#cover('set', (fd, channel) => {
      if (map.get(fd) === channel) this.drop(fd); // put there anew: the descriptor may be another
      set.call(map, fd, channel);
      const now = map.get(fd); // a map of another class may have put something else there
      if (now !== undefined) this.of(fd, now);
      return map;
    });
    this.#cover('delete', (fd) => {
      this.drop(fd);
      return remove.call(map, fd);
    });
    this.#cover('clear', () => {
      for (const fd of [...this.#registrations.keys()]) this.drop(fd);
      clear.call(map);
    });
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

  ignore(): void {
    this.listener = null;
    for (const uncover of this.#uncover.splice(0)) uncover();
  }
}
