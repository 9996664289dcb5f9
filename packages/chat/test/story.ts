import { Random } from '@asyncore/test-support/random';

const ALPHABET = Buffer.from('ab\r\n');

/** The bytes that every end sends: what stands at a place tells nothing of what stands before it. */
export const STREAM = Buffer.alloc(1 << 22);
const chance = new Random(1);
for (let i = 0; i < STREAM.length; i++) STREAM[i] = chance.pick(ALPHABET);

export const TERMINATORS = [
  '\r\n',
  '\n',
  'b\r',
  'aab',
  ['\r\n', '\n'],
  ['ab', 'b\r\n'],
  1,
  7,
  5000,
  null,
];
/** So many bytes may be the beginning of one, and are waited with. */
export const HELD = 2;

/** Where a story tells what happened, and what was not to happen. */
export interface Journal {
  log(line: string): void;
  fail(why: string): void;
}

/** What the model knows of an end of a connection; a channel that begins another one begins another story. */
export class Story {
  peer: Story | null = null;
  /** Bytes that were given to it to send, and that came. */
  sent = 0;
  received = 0;
  closes = 0;
  /** It was closed by itself, or by its neighbours. */
  isClosed = false;
  /** It sends no more: after close_when_done or a timeout, or our half of the connection is ended. */
  isDone = false;
  isHalf = false;
  /** shutdown(2) was done, or waits for the output; where the peer had gone it fails. */
  isShut = false;
  /** The promise that a handler of its input has given, while that is pending. */
  pending: unknown = null;
  isPaused = false;
  isCollecting = false;
  /** Those that have not given all. */
  producers = 0;
  /** It ends well: everything it sent has to arrive. */
  isOrderly = false;
  /** How much its peer had sent when it closed. */
  peerSent = -1;
  /** When it last received, sent or connected. */
  movedAt = performance.now();

  constructor(
    readonly name: string,
    readonly round: Journal,
  ) {}

  get isOver(): boolean {
    return this.isClosed || this.closes > 0;
  }

  /** There is more to come. */
  get isBehind(): boolean {
    const { peer } = this;
    return !this.isOver && peer !== null && !peer.isOver && this.received < peer.sent - HELD;
  }

  /** The next bytes to be sent. */
  bytes(size: number): Buffer {
    const start = this.sent;
    this.sent = Math.min(start + size, STREAM.length);
    return STREAM.subarray(start, this.sent);
  }

  heard(what: string): void {
    this.round.log(`${this.name} ${what}`);
    if (this.isOver) this.round.fail(`${this.name}: ${what} after the end`);
  }

  /** It is told of input, which a handler that is async has to be done with first. */
  heardInput(what: string): void {
    this.heard(what);
    if (this.pending !== null) this.round.fail(`${this.name}: ${what} while a promise is pending`);
  }

  /** A connection that is no channel's any more. */
  gone(): void {
    this.closing();
    this.isClosed = true;
  }

  moved(): void {
    this.movedAt = performance.now();
  }

  came(data: Uint8Array): void {
    const expected = STREAM.subarray(this.received, this.received + data.length);
    if (Buffer.compare(data, expected) !== 0) this.round.fail(`${this.name}: other bytes came`);
    this.received += data.length;
    if (this.peer && this.received > this.peer.sent) this.round.fail(`${this.name}: too much came`);
  }

  /** Before the descriptor is closed, by whomever. */
  closing(): void {
    if (this.peerSent >= 0) return;
    this.peerSent = this.peer?.sent ?? 0;
    // What was not read makes a reset of the end, which may overtake what was sent.
    if (this.received !== this.peerSent) this.isOrderly = false;
  }
}
