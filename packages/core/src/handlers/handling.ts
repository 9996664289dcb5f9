import type { Changing } from '../announced.js';
import type { channel } from '../channel.js';
import { erred } from '../diagnostics/life.js';
import { endpoint, type Served } from '../endpoint.js';
import { is_exit } from '../exit_now.js';
import { beginHandler, endHandler } from '../output/gathering.js';
import { is_disconnected } from './disconnected.js';
import { follow, isPending } from './promises.js';

/** The part of a channel that error handling needs. */
export type Erring = Pick<channel, 'handle_error'> & Partial<Served> & Partial<Changing>;

/**
 * Runs the handlers of one event. What they throw goes where it belongs: see `failed`. Then
 * everything that they sent, on whichever channels, goes out in as few system calls as possible.
 */
export function handling<C extends Erring>(channel: C, handlers: (channel: C) => void): void {
  beginHandler();
  try {
    handlers(channel);
  } catch (error) {
    failedWithin(channel, error);
  }
  endHandler();
}

/**
 * As `failed`, for what was thrown between `beginHandler` and `endHandler`. What is done for every event has
 * these two in place of `handling`, which V8 optimizes for a few functions only.
 */
export function failedWithin(channel: Erring, error: unknown): void {
  try {
    failed(channel, error);
  } catch (escaped) {
    endHandler(escaped);
    throw escaped;
  }
}

/**
 * Deals with what a handler threw, or its promise was rejected with (`late`). ExitNow is thrown
 * again, a lost peer closes the channel, a receive that found nothing is ignored, and anything else
 * goes to handle_error.
 */
export function failed(channel: Erring, error: unknown, late = false): void {
  if (is_exit(error)) throw error;
  const known = channel[endpoint];
  if (!isLegible(error)) {
    report(channel, error); // it is no error of a system call
  } else if (known !== undefined) {
    if (!known.takes(error, late)) report(channel, error);
  } else if (isNothingToRead(error)) {
    // The channel was woken although there was nothing to receive.
  } else if (is_disconnected(error, false)) {
    tellClosed(channel);
  } else {
    report(channel, error);
  }
}

/** Whether reading the class and the code of `error` works: getters, and a Proxy's traps, may throw. */
function isLegible(error: unknown): boolean {
  try {
    isOfReceive(error);
    isNothingToRead(error);
    return true;
  } catch {
    return false;
  }
}

const RECEIVES = new Set(['recv', 'recvfrom', 'recvmsg', 'recvmmsg', 'read']);

/** Whether a call that receives has failed with `error`. */
export function isOfReceive(error: unknown): boolean {
  return error instanceof Error && RECEIVES.has((error as NodeJS.ErrnoException).syscall ?? '');
}

/**
 * Whether `error` says that there was nothing to receive. The same code of a send counts as an
 * error, since data were not sent.
 */
export function isNothingToRead(error: unknown): boolean {
  const { code } = Object(error) as NodeJS.ErrnoException;
  return (code === 'EAGAIN' || code === 'EWOULDBLOCK') && isOfReceive(error);
}

/** Calls handle_error. What that throws ends the loop, as ExitNow does. */
export function report(channel: Erring, error: unknown): void {
  erred(channel, error);
  tellError(channel, error);
}

/** As `report`, for an error of which subscribers to asyncore:channel:error know already. */
export function tellError(channel: Erring, error: unknown): void {
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
    if (is_exit(error)) throw error;
    report(channel, error);
  }
}

function failedLate(channel: Erring, error: unknown): void {
  failed(channel, error, true);
}

/**
 * Deals with a handler's result, and gives whether it is a promise. If it is, `onError` gets what
 * it is rejected with, and once it is settled the loop asks the channel again, as after a handler
 * that returns. `done` is called before either.
 */
export function settle<C extends Erring>(
  channel: C,
  result: unknown,
  onError: (channel: C, error: unknown) => void = failedLate,
  done?: () => void,
): boolean {
  if (!isPending(result)) return false;
  const again = () => {
    done?.();
    channel._changed?.();
  };
  follow(result, again, (error) => onError(channel, error));
  return true;
}
