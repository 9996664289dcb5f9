/** Peers by the thousand that read slowly, or write slowly: each may cost so much, and no more. */
// In a process of its own: it measures memory.
import { dispatcher } from '@asyncore/core';
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, type Socket, socketpair } from '@asyncore/socket';
import { gc } from '@asyncore/test-support/collect';
import { PATIENCE } from '@asyncore/test-support/stage';
import { describe, expect, it } from 'vitest';
import { b, Chat, Stage } from '../support.js';

/** Bytes of all buffers that are still needed. */
function held(): number {
  for (let i = 0; i < 3; i++) gc();
  return process.memoryUsage().arrayBuffers;
}

const KiB = 1024;
const REQUESTS = 40;
const ANSWER = 4 * KiB;

/** Answers each line with 4 KiB. */
class Answering extends Chat {
  override ac_out_high_water = 16 * KiB;
  answers = 0;

  override found_terminator(): void {
    this.answers += 1;
    this.push(Buffer.alloc(ANSWER));
  }
}

class Collecting extends Chat {
  override max_incoming = KiB;

  override collect_incoming_data(data: Buffer): void {
    this._collect_incoming_data(data);
  }
}

/** Only counts what comes, and not before it is told to read. */
class Reader extends dispatcher {
  isReading = false;
  received = 0;

  override readable(): boolean {
    return this.isReading;
  }

  override writable(): boolean {
    return false;
  }

  override handle_read(): void {
    this.received += this.recv(65536).length;
  }
}

/** A pair for which the kernel keeps little. */
function narrow(): [Socket, Socket] {
  const pair = socketpair();
  for (const end of pair) {
    end.setsockopt(SOL_SOCKET, SO_SNDBUF, 4 * KiB);
    end.setsockopt(SOL_SOCKET, SO_RCVBUF, 4 * KiB);
  }
  return pair;
}

/** Runs the loop until `happened` says so. It is one loop: to begin one for each pass asks all of them each time. */
async function runUntil(stage: Stage, happened: () => boolean): Promise<void> {
  const end = new AbortController();
  const limit = setTimeout(
    () => end.abort(new Error(`not until ${happened}`)),
    1000 * Math.max(50, PATIENCE),
  );
  const timer = setInterval(() => happened() && end.abort('happened'), 5);
  const ended = await stage.loop({ signal: end.signal }).catch((error: unknown) => error);
  clearInterval(timer);
  clearTimeout(limit);
  if (ended !== 'happened') throw ended ?? new Error('all are closed');
}

function lengthOf(pieces: Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

describe.each([
  ['select', false, 450], // FD_SETSIZE
  ['poll', true, 2000],
  ['default', undefined, 2000],
] as const)('%s', (_, use_poll, count) => {
  it(`${count} readers that do not read cost what the high-water mark allows`, {
    timeout: 60_000,
  }, async () => {
    const stage = new Stage(use_poll);
    const before = held();
    const chats: Answering[] = [];
    const readers = Array.from({ length: count }, () => {
      const [ours, theirs] = narrow();
      chats.push(new Answering(stage, '\n', ours));
      theirs.send(b('line\n'.repeat(REQUESTS)));
      return new Reader(theirs, stage.map);
    });
    await runUntil(stage, () => chats.every((chat) => chat.answers > 0));
    await stage.passes(5);
    expect(chats.every((chat) => chat.answers < REQUESTS / 2)).toBe(true);
    expect(held() - before).toBeLessThan(count * (16 + 2 * 4 + 4) * KiB);

    for (const reader of readers) reader.isReading = true;
    const all = REQUESTS * ANSWER;
    await runUntil(stage, () => readers.every(({ received }) => received === all));
    expect(held() - before).toBeLessThan(count * 4 * KiB);
  });

  it(`${count} writers of lines without end cost what max_incoming allows`, {
    timeout: 60_000,
  }, async () => {
    const stage = new Stage(use_poll);
    const before = held();
    const chats: Collecting[] = [];
    const writers = Array.from({ length: count }, () => {
      const [ours, theirs] = narrow();
      chats.push(new Collecting(stage, '\n', ours));
      return theirs;
    });
    for (let sent = 0; sent < 10; sent++) {
      for (const writer of writers) writer.send(b('x'.repeat(100)));
      const all = 100 * (sent + 1);
      await runUntil(stage, () => chats.every((chat) => lengthOf(chat.incoming) === all));
    }
    expect(held() - before).toBeLessThan(count * 4 * KiB);

    for (const writer of writers) writer.send(b('x'.repeat(100)));
    await stage.loop(); // all are closed then
    expect(chats.every(({ said }) => said.length === 2 && said[1] === 'close')).toBe(true);
    for (const writer of writers) writer.close();
  });
});
