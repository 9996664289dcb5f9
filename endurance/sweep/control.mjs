/** The file that the shim and the runner share: what the shim is to alter, and what it has counted. */
import { openSync, readSync, writeSync } from 'node:fs';
import { CALLS } from './calls.mjs';

const WORDS = 1024;
const COUNTS = 16;
// As in shim.c.
const ORDER = [
  ...['mode', 'call', 'first', 'times', 'outcome', 'argument', 'made', 'hits', 'descriptor'],
  ...['seed', 'permille'],
];
const ONE = 1;
const ALL = 2;

/** The exit code with which the runner asks to be begun again, after a run that left something behind. */
export const RESTART = 9;

export class Control {
  #file;

  constructor(path) {
    this.#file = openSync(path, 'r+');
  }

  #put(words) {
    const all = new Int32Array(WORDS);
    for (const [name, value] of Object.entries(words)) all[ORDER.indexOf(name)] = value;
    all[ORDER.indexOf('descriptor')] = -1;
    writeSync(this.#file, all, 0, all.byteLength, 0);
  }

  /** Counts anew, and alters nothing. */
  count() {
    this.#put({});
  }

  /** Alters the `n`th call of the outcome's kind. */
  alter({ call, times, is, argument, made }, n) {
    this.#put({
      mode: ONE,
      call: CALLS.indexOf(call),
      first: n,
      times: times === Infinity ? -1 : times,
      outcome: is,
      argument,
      made: Number(made),
    });
  }

  /** Alters so many of a thousand calls; which ones, the seed decides. */
  alterAny(seed, permille) {
    this.#put({ mode: ALL, seed, permille });
  }

  /** Ends it; gives how often each call was made, how many were altered, and the first one's descriptor. */
  end() {
    const all = new Int32Array(WORDS);
    readSync(this.#file, all, 0, all.byteLength, 0);
    this.count();
    return {
      counts: Object.fromEntries(CALLS.map((name, i) => [name, all[COUNTS + i]])),
      hits: all[ORDER.indexOf('hits')],
      descriptor: all[ORDER.indexOf('descriptor')],
    };
  }
}
