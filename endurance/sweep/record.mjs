/** One run of a program: its map, what each conversation was to carry and has carried, who was told what. */
import { loop, poll, poll2 } from '@asyncore/core';

const USE_POLL = { epoll: undefined, poll: true, select: false };
const SYNCHRONOUS = { 'poll()': poll, 'poll2()': poll2 };
/** How long a synchronous pass waits, in seconds; briefly where something else has to run in between. */
const WAIT = 0.5;
const BRIEF = 0.002;

/** The loop's option for a kind of pass. */
export const usePoll = (poller) => USE_POLL[poller];

/** The function that makes one synchronous pass, or undefined for those of the loop. */
export const passOf = (poller) => SYNCHRONOUS[poller];

export const codeOf = (error) => error?.code ?? error?.name ?? String(error);

export class Record {
  map = new Map();
  conversations = new Map();
  channels = new Set();
  listeners = new Set();
  /** The descriptors that listeners had. */
  listening = new Set();
  /** What went wrong whatever was altered: an uncaught error, a handler called twice. */
  problems = [];
  /** What threw where no conversation is. */
  thrown = [];
  /** What is not over yet. */
  awaited = new Set();
  /** By conversation, the side that has to be told something in every run. */
  mustTell = {};
  /** Why the program could not begin, or null. */
  setup = null;
  /** What the loop rejected with, or null. */
  loopError = null;
  /** The listeners are closed on purpose. */
  done = false;
  /** Timers and sockets of Node's own take part. */
  inNode = false;
  /** Timers decide what comes of it, so that a busy machine may change that. */
  isTimed = false;

  constructor(poller) {
    this.poller = poller;
  }

  /** `want`: by side, the text that it is to get. */
  conversation(name, want = {}) {
    let found = this.conversations.get(name);
    if (!found) {
      found = { name, want: {}, got: {}, told: {} };
      this.conversations.set(name, found);
    }
    Object.assign(found.want, want);
    return found;
  }

  tell(name, side, what) {
    const { told } = this.conversation(name);
    told[side] ??= [];
    told[side].push(what);
  }

  got(name, side, text) {
    const { got } = this.conversation(name);
    got[side] = (got[side] ?? '') + text;
  }

  /** What `work` gives, or null: what it throws is noted. */
  safely(work, name, side) {
    try {
      return work();
    } catch (error) {
      if (name) this.tell(name, side, `thrown:${codeOf(error)}`);
      else this.thrown.push(codeOf(error));
      return null;
    }
  }

  expect(...names) {
    for (const name of names) this.awaited.add(name);
  }

  /** When all that is awaited is over, the listeners close, and so ends the program. */
  over(name) {
    if (this.awaited.delete(name) && this.awaited.size === 0) this.finish();
  }

  finish() {
    this.done = true;
    for (const listener of this.listeners) this.safely(() => listener.close());
    this.whenDone?.();
  }

  /** Makes passes until `map` is empty. */
  async serve(map = this.map) {
    const pass = passOf(this.poller);
    try {
      if (pass === undefined) return await loop({ use_poll: usePoll(this.poller), map });
      while (map.size > 0) {
        pass(this.inNode ? BRIEF : WAIT, map);
        await new Promise(setImmediate);
        if (this.abandoned) return;
      }
    } catch (error) {
      this.loopError = codeOf(error);
      for (const channel of [...map.values()]) this.safely(() => channel.close());
      map.clear();
      if (!this.done) this.finish();
    }
  }
}
