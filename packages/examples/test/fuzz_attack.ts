/** What a hostile peer does to an example: anything at all, as a seed decides. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Random } from '@asyncore/test-support/random';

const LONGEST = 64 * 1024;
const LONGEST_DATAGRAM = 65507;

/** Something that a peer could say, and then something is done to it. */
export function input(random: Random, words: string[]): Buffer {
  const count = 1 + random.below(12);
  let bytes = Buffer.from(
    Array.from({ length: count }, () => random.pick(words)).join(''),
    'latin1',
  );
  for (let changes = random.below(6); changes > 0; changes--) {
    const at = random.below(bytes.length + 1);
    const to = at + random.below(random.pick([2, 10, bytes.length + 1]));
    const noise = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
    const number = Buffer.from(String(random.pick([0, -1, 1e9, 2 ** 31, 2 ** 53, 1e20, 'NaN'])));
    const word = Buffer.from(random.pick(words), 'latin1');
    const piece = random.pick([noise, number, word, bytes.subarray(at, to), Buffer.alloc(0)]);
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      piece,
      bytes.subarray(random.chance(0.5) ? at : to),
    ]);
  }
  return bytes.subarray(0, LONGEST);
}

/** How to leave. */
const WAYS = ['end', 'destroy', 'resetAndDestroy'] as const;

/**
 * What somebody does with a connection: says `bytes`, in pieces or at once, reads or does not, and leaves
 * in some way. All of it is decided here and now, whatever others do meanwhile.
 */
export function behaviour(
  random: Random,
  bytes: Buffer,
  ways: readonly (typeof WAYS)[number][] = WAYS,
): (socket: Socket) => Promise<void> {
  const isReading = random.chance(0.7);
  const cut = random.chance(0.5) ? bytes.length : random.below(bytes.length + 1);
  const leave = random.pick(ways);
  return async (socket) => {
    socket.on('error', () => {});
    if (isReading) socket.resume();
    await new Promise((done) => socket.write(bytes.subarray(0, cut), done));
    await new Promise((done) => socket.write(bytes.subarray(cut), done));
    socket[leave]();
    if (socket.destroyed) return;
    socket.resume();
    await Promise.race([
      new Promise((closed) => socket.on('close', closed)),
      // Proves nothing and is waited for by nothing: who waits for more does not close, so this peer leaves.
      new Promise((resolve) => setTimeout(resolve, 100)),
    ]);
    socket.destroy();
  };
}

/** A client that does so, to a TCP port or to a Unix socket's path. */
export function attack(random: Random, where: number | string, bytes: Buffer): Promise<void> {
  if (typeof where === 'number') return behaviour(random, bytes)(connect(where, '127.0.0.1'));
  return behaviour(random, bytes, ['end', 'destroy'])(connect(where)); // which cannot be reset
}

/** One that says it in datagrams, of which some are empty, and may be gone when it is answered. */
export async function attackByUDP(random: Random, port: number, bytes: Buffer): Promise<void> {
  const cuts = Array.from({ length: random.below(5) }, () => random.below(bytes.length + 1));
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  const isWaiting = random.chance(0.5);
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (let i = 1; i < places.length; i++) {
    const datagram = bytes.subarray(places[i - 1], places[i]).subarray(0, LONGEST_DATAGRAM);
    await new Promise((sent) => socket.send(datagram, port, '127.0.0.1', sent));
  }
  if (isWaiting) await Promise.race([once(socket, 'message'), new Promise(setImmediate)]);
  socket.close();
}
