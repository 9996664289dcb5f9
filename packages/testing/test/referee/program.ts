/** Random programs of system calls on up to four sockets. */

import { C } from '../../dist/kernel/numbers.js';
import { random_by } from '../../dist/random.js';
import type { Step } from './machine.js';

const CALLS = [
  ...['send', 'send', 'recv', 'recv', 'recv', 'peek', 'shutdown', 'close', 'error', 'peername'],
  ...['unread', 'linger', 'connect', 'refused', 'accept', 'socket', 'sendfile'],
];
const URGENT = ['urgent', 'urgent', 'recv_urgent', 'recv_urgent', 'inline', 'recv', 'send'];

/** A program by its seed; a few of them have urgent data in it. */
export function program(seed: number): Step[] {
  const random = random_by(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)];
  const steps: Step[] = [
    ['listener', 'L', 0],
    ['socket', 'a', 0],
  ];
  if (random() < 0.8) steps.push(['connect', 'a', 0], ['accept', 'A', 0]);
  const calls = random() < 0.2 ? [...CALLS, ...URGENT] : CALLS;
  for (let left = 3 + Math.floor(random() * 14); left > 0; left--) {
    const who = pick(['a', 'A', 'a', 'A', 'b', 'B']);
    const call = pick(calls);
    if (call === 'accept') steps.push([call, pick(['A', 'B']), 0]);
    else if (call === 'socket') steps.push([call, 'b', 0]);
    else if (call === 'close' && random() < 0.1) steps.push([call, 'L', 0]);
    else steps.push([call, who, call === 'shutdown' ? pick([0, 1, 1, 2]) : pick([1, 3, 10, 500])]);
  }
  return sensible(steps);
}

const IN_PAIRS = [
  ...['send', 'send', 'recv', 'recv', 'recv', 'peek', 'shutdown', 'close', 'error', 'peername'],
  ...['unread', 'meet', 'dup', 'read', 'write', 'sendfile', 'send_many', 'recv_many', 'recv_many'],
];

/** One on the two ends of a socketpair of some type, of a pipe, or on two UDP sockets. */
export function program_of_pairs(seed: number): Step[] {
  const random = random_by(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)];
  const beginning = pick<Step>([
    ['pair', 'a', C.SOCK_STREAM],
    ['pair', 'a', C.SOCK_DGRAM],
    ['pair', 'a', C.SOCK_SEQPACKET],
    ['pipe', 'a', 0],
    ['udp', 'a', 0],
  ]);
  const steps = [beginning];
  const calls =
    beginning[0] === 'pipe'
      ? ['read', 'read', 'write', 'write', 'close', 'unread', 'dup']
      : IN_PAIRS;
  const open = new Set(['a', 'A']);
  for (let left = 3 + Math.floor(random() * 14); left > 0; left--) {
    const call = pick(calls);
    const who = pick(['a', 'A', "a'", "A'"]);
    if (call === 'dup') {
      if (who.length > 1 || open.has(`${who}'`) || !open.has(who)) continue;
      open.add(`${who}'`);
    }
    if (call === 'close') open.delete(who);
    steps.push([call, who, call === 'shutdown' ? pick([0, 1, 1, 2]) : pick([1, 3, 10, 500])]);
  }
  return steps;
}

/** Without those that would put a socket in the place of one that is open. */
function sensible(steps: Step[]): Step[] {
  const open = new Set<string>();
  return steps.filter(([call, who]) => {
    if (call === 'close') open.delete(who);
    const isNew = ['listener', 'socket', 'accept'].includes(call);
    if (isNew && open.has(who)) return false;
    if (call === 'accept' && !open.has('L')) return false;
    if (isNew) open.add(who);
    return true;
  });
}
