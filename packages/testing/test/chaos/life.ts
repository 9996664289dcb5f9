import type { Pair, Stream } from './stream.js';

/** What has become of one connection of one channel. */
export class Life {
  /** How often it was told. */
  closes = 0;
  connects = 0;
  eofs = 0;
  errors = 0;
  writes = 0;
  isClosed = false;
  /** It ended in some other way than by sending all and closing. */
  isHard = false;
  /** It has said that it sends no more. */
  isTidy = false;
  /** When something last moved, in seconds. */
  moved: number;
  out: Stream | null = null;
  in: Stream | null = null;
  pair: Pair | null = null;

  constructor(now: number) {
    this.moved = now;
  }
}
