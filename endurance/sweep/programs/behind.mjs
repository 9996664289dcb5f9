/** A socket that is closed behind its channel's back while a duplicate of it lives, and a pair beside it. */
import { setTimeout as delay } from 'node:timers/promises';
import { dispatcher_with_send } from '@asyncore/core';
import { close, dup, socketpair } from '@asyncore/socket';
import { Watched } from '../watched.mjs';

const WORDS = ['one', 'two', 'three'];
/** In milliseconds: when the socket is closed, how often to look who was told, and when to give up. */
const FIRST = 2;
const LOOK = 4;
const GIVEN_UP = 1500;

class End extends Watched(dispatcher_with_send) {
  handle_read() {
    const data = this.recv(100);
    if (data.length === 0) return;
    this.record.got(this.conversation, this.side, data.toString());
    if (this.conversation !== 'neighbour' || this.side !== 'b') return;
    if (this.record.conversation('neighbour').got.b !== WORDS.join('')) return;
    this.send(Buffer.from('ok'));
    this.close_when_done();
  }
  whenClosed() {
    this.record.over(`${this.conversation} ${this.side}`);
  }
}

function pair(record, name) {
  const sockets = record.safely(() => socketpair(), name, 'setup') ?? [];
  return sockets.map((sock, i) => {
    const side = 'ab'[i];
    record.expect(`${name} ${side}`);
    const channel = record.safely(
      () => new End(sock, record.map).as(record, name, side),
      name,
      'setup',
    );
    if (channel) return channel;
    record.safely(() => sock.close());
    record.over(`${name} ${side}`);
    return null;
  });
}

const isOpen = (channel) => channel && !channel.isClosed;

export async function behind(record) {
  record.inNode = true;
  record.isTimed = true;
  record.conversation('closed', {});
  record.conversation('neighbour', { b: WORDS.join(''), a: 'ok' });
  const [closed, peer] = pair(record, 'closed');
  const neighbours = pair(record, 'neighbour');
  const safely = (work) => record.safely(work, 'timers', 'setup');
  let duplicate = -1;
  let isClosed = false;
  const closeBehind = () => {
    if (!isOpen(closed)) return;
    duplicate = dup(closed.fileno());
    record.mustTell = { closed: 'a' };
    isClosed = true;
    closed.socket.close();
    if (isOpen(peer)) peer.send(Buffer.from('to nobody'));
  };
  // One after the other: timers of different lengths need not keep their order.
  const say = ([word, ...rest]) => {
    if (isOpen(neighbours[0])) safely(() => neighbours[0].send(Buffer.from(word)));
    if (rest.length > 0) setTimeout(say, LOOK, rest);
  };
  setTimeout(say, 1, WORDS);
  const begun = performance.now();
  await Promise.all([record.serve(), play()]);

  /** Closes the socket, and ends the rest once the channel was told, or has had its time. */
  async function play() {
    const isLate = () => performance.now() - begun > GIVEN_UP;
    await delay(FIRST);
    safely(closeBehind);
    await delay(LOOK);
    while (isClosed && isOpen(closed) && !isLate()) await delay(LOOK);
    if (duplicate >= 0) safely(() => close(duplicate));
    for (const channel of [closed, peer]) if (isOpen(channel)) safely(() => channel.close());
    while (neighbours.some(isOpen) && !isLate()) await delay(LOOK);
    for (const channel of neighbours.filter(isOpen)) {
      channel.tell('given up');
      safely(() => channel.close());
    }
  }
}
