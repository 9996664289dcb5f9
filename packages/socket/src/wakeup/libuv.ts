import { loadBinary } from '../binary.js';
import { checked } from '../os_error.js';
import { LookAgain } from './look_again.js';
import { BEFORE_WAITING, NOTHING, type Pending, type Wakeup } from './wakeup.js';

/** The functions of native/wakeup.c, which needs libuv. */
interface Binary {
  watcher_start(
    queue: number,
    words: Int32Array,
    ready: () => boolean,
    prepare: () => void,
  ): number;
  watcher_stop(id: number): number;
  watcher_keep_alive(id: number, on: number): number;
}

/** Loaded when the first loop starts, so that sockets alone need no libuv. */
let binary: Binary | undefined;

/** Bun ends the process at the first call of libuv, and Deno when the binary is loaded. */
function load(): Binary {
  const { bun, deno } = process.versions;
  if (bun === undefined && deno === undefined) return loadBinary<Binary>('wakeup');
  const runtime = bun === undefined ? `Deno ${deno}` : `Bun ${bun}`;
  throw new Error(
    `a loop needs libuv, which ${runtime} lacks: run the program with Node.js, or use poll() and poll2() in place of loop()`,
  );
}

/** Calls of `prepare` in one turn, so that a chain of promises cannot hold up Node for ever. */
const MOST_CALLS = 1000;

// The words of memory that wakeup.c reads, by index.
const WANTED = 0;
const AT_ONCE = 1;
const CALLS = 2;
const ELAPSED = 3;

/** By Node's own event loop. */
export class LibuvWakeup implements Wakeup {
  #words = new Int32Array(4);
  #id: number;
  #looks = new LookAgain();
  /** The next call of `ready` is another look. */
  #again = false;

  constructor(queue: number, ready: (again: boolean) => unknown, prepare: () => void) {
    binary ??= load();
    this.#id = checked(
      'poll',
      binary.watcher_start(
        queue,
        this.#words,
        () => this.#ready(ready),
        () => {
          if (++this.#words[CALLS] >= MOST_CALLS) this.#words[AT_ONCE] = 0;
          prepare();
        },
      ),
    );
  }

  set pending(when: Pending) {
    this.#words[WANTED] = when === NOTHING ? 0 : 1;
    this.#words[AT_ONCE] = when === BEFORE_WAITING && this.#words[CALLS] < MOST_CALLS ? 1 : 0;
  }

  keep_alive(on: boolean): void {
    binary?.watcher_keep_alive(this.#id, on ? 1 : 0);
  }

  close(): void {
    binary?.watcher_stop(this.#id);
  }

  #ready(ready: (again: boolean) => unknown): boolean {
    const again = this.#again;
    this.#again = false;
    // What microtasks ask for comes first.
    if (again && (this.#words[WANTED] !== 0 || this.#looks.isLate(this.#words[ELAPSED]))) {
      return false;
    }
    const found = ready(again) === true;
    this.#again = this.#looks.isWorthIt(again, found) && this.#words[WANTED] === 0;
    return this.#again;
  }
}
