/** Loops that begin anew, of limited passes, and are ended by a signal. */
import { close_all, dispatcher_with_send, loop } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { codeOf, passOf, usePoll } from '../record.mjs';
import { Watched } from '../watched.mjs';

const WORD = 'to b';
const PASSES = 40;
/** In milliseconds: how long it goes on once the word is there, and if it is not. */
const LEAST = 5;
const MOST = 150;

class End extends Watched(dispatcher_with_send) {
  handle_read() {
    this.record.got(this.conversation, this.side, this.recv(10).toString());
  }
}

/** Makes passes until the word is there. */
function pass(record, once, map, isThere) {
  try {
    for (let i = 0; i < PASSES && !isThere(); i++) once(0, map);
  } catch (error) {
    record.loopError = codeOf(error);
  }
}

/** Loops until it is told to end: after the word is there. */
async function loopUntil(record, map, isThere, count) {
  const ending = new AbortController();
  const begun = performance.now();
  const look = setInterval(() => {
    const passed = performance.now() - begun;
    if (isThere() ? passed > LEAST : passed > MOST) ending.abort(new Error('enough'));
  }, 4);
  const options = { map, use_poll: usePoll(record.poller), signal: ending.signal, count };
  try {
    await loop({ ...options, timeout: 0.01 });
  } catch (error) {
    if (error.message !== 'enough') record.loopError = codeOf(error);
  }
  clearInterval(look);
}

async function round(record, name, count) {
  const sockets = record.safely(() => socketpair(), name, 'setup');
  if (!sockets) return;
  const map = new Map();
  const channels = record.safely(
    () => sockets.map((sock, i) => new End(sock, map).as(record, name, 'ab'[i])),
    name,
    'setup',
  );
  if (!channels) {
    for (const sock of sockets) record.safely(() => sock.close());
    return;
  }
  record.safely(() => channels[0].send(Buffer.from(WORD)), name, 'a');
  const isThere = () => record.conversation(name).got.b === WORD;
  const once = passOf(record.poller);
  if (once) pass(record, once, map, isThere);
  else await loopUntil(record, map, isThere, count);
  record.safely(() => close_all(map));
  if (channels.some((channel) => channel.fileno() >= 0)) {
    record.problems.push('close_all left one open');
  }
}

export async function again(record) {
  for (const [i, count] of [null, 12, null].entries()) {
    record.conversation(`c${i}`, { b: WORD });
    await round(record, `c${i}`, count);
  }
  record.done = true;
}
