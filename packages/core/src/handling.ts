import { BlockingIOError } from '@asyncore/socket';
import type { channel } from './channel.js';
import { is_disconnected } from './disconnected.js';
import { ExitNow } from './exit_now.js';
import type { Changing } from './plumbing.js';

/** A channel whose output waits for the handler to return. */
export interface sender extends Pick<channel, 'handle_close' | 'handle_error'> {
  /** Sends what is queued, as far as the kernel takes it. */
  initiate_send(): void;
}

type Erring = Pick<channel, 'handle_error'> & Partial<Pick<channel, 'handle_close'>>;

let depth = 0;
/** The channels with output to send when the handler returns: mostly one, seldom more. */
let first: sender | null = null;
const others: sender[] = [];

/** Takes what an async handler lets escape: the loop that called it. False when it cannot. */
export interface Escape {
  fail(error: unknown): boolean;
}
let escapeTo: Escape | null = null;

/** Runs `body` with `taker` as the one that later escapes go to. */
export function escapingTo<T>(taker: Escape | null, body: () => T): T {
  const before = escapeTo;
  escapeTo = taker;
  try {
    return body();
  } finally {
    escapeTo = before;
  }
}

/**
 * Runs one event's handlers: sends what they throw where it belongs, and then what they pushed, to
 * whichever channels, in as few system calls as possible.
 */
export function handling<C extends Erring, A = undefined>(
  channel: C,
  handlers: (channel: C, about: A) => void,
  about?: A,
): void {
  depth += 1;
  try {
    handlers(channel, about as A); // undefined where A is
  } catch (error) {
    failed(channel, error);
  } finally {
    depth -= 1;
    if (first !== null) flush(first);
  }
}

function gathering(body: () => void): void {
  depth += 1;
  try {
    body();
  } finally {
    depth -= 1;
    if (first !== null) flush(first);
  }
}

/** Whether `sender` may wait with its output: then it is sent when the handler returns. */
export function gather(sender: sender): boolean {
  if (depth === 0) return false;
  if (first === null) first = sender;
  else others.push(sender);
  return true;
}

function flush(sender: sender): void {
  first = null;
  if (others.length === 0) initiate(sender);
  else flushAll([sender, ...others.splice(0)]);
}

/** Each sender has its turn, also when what another one throws leaves the loop. */
function flushAll(senders: sender[]): void {
  const escaped: unknown[] = [];
  for (const sender of senders) {
    try {
      initiate(sender);
    } catch (error) {
      escaped.push(error);
    }
  }
  if (escaped.length > 0) throw escaped[0];
}

function initiate(sender: sender): void {
  try {
    sender.initiate_send();
  } catch (error) {
    failed(sender, error);
  }
}

/** What a handler threw: ExitNow goes on, would-block is no error, a lost peer closes. */
export function failed(channel: Erring, error: unknown): void {
  if (error instanceof ExitNow) throw error;
  if (error instanceof BlockingIOError) return;
  const { connected } = channel as { connected?: boolean };
  if (is_disconnected(error, connected === true)) {
    tellClosed(channel);
  } else {
    report(channel, error);
  }
}

/** Calls handle_error. What that lets escape goes on, as ExitNow does. */
export function report(channel: Erring, error: unknown): void {
  settle(channel, channel.handle_error(error), (_, escaped) => {
    throw escaped;
  });
}

/** Calls handle_close; a dispatcher sees to it that this happens once. */
export function tellClosed(channel: Erring & { handle_close_event?(): void }): void {
  if (channel.handle_close_event) {
    channel.handle_close_event();
    return;
  }
  try {
    settle(channel, channel.handle_close?.());
  } catch (error) {
    if (error instanceof ExitNow) throw error;
    report(channel, error);
  }
}

/**
 * A handler's result. If it is a promise, a rejection is treated as a thrown error is, and at its
 * end the loop asks the channel again, as after a handler that returns.
 */
export function settle<C extends Erring & Partial<Changing>>(
  channel: C,
  result: unknown,
  onError: (channel: C, error: unknown) => void = failed,
): void {
  if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return;
  const taker = escapeTo;
  const again = () => channel._changed?.();
  (result as PromiseLike<unknown>).then(again, (error: unknown) => {
    try {
      escapingTo(taker, () => gathering(() => onError(channel, error)));
    } catch (escaped) {
      if (!taker?.fail(escaped)) throw escaped;
    }
  });
}
