/**
 * Output waits until the handler that gave it returns, so that what a handler sends in many pieces,
 * to whichever channels, goes out in few system calls.
 */
import { is_exit } from '../exit_now.js';

/** Output that waits for a handler to return. */
export interface Gathered {
  /** Sends what waits, as far as the kernel takes it. Throws only what is to leave the loop. */
  flush(): void;
}

/** How many handlers are running, one within the other. */
let depth = 0;
/** The outputs that wait: mostly of one channel, seldom of more. */
let first: Gathered | null = null;
const others: Gathered[] = [];
let flushesAtExit = false;

/** Has `output` flushed when the running handler returns. False if no handler runs. */
export function gather(output: Gathered): boolean {
  if (depth === 0) return false;
  if (first === null) first = output;
  else others.push(output);
  if (!flushesAtExit) flushAtExit();
  return true;
}

/** For process.exit() in a handler. */
function flushAtExit(): void {
  flushesAtExit = true;
  process.on('exit', flushAll);
}

/** Runs `body` as a handler: what it gives goes out when it returns, whether it throws or not. */
export function gathering(body: () => void): void {
  beginHandler();
  try {
    body();
  } catch (error) {
    endHandler(error);
    throw error;
  }
  endHandler();
}

/** A handler begins. Each call needs one of `endHandler`. */
export function beginHandler(): void {
  depth += 1;
}

/**
 * The handler has returned, or thrown `error`. Throws what flushing throws, unless `error` takes
 * precedence.
 */
export function endHandler(error?: unknown): void {
  depth -= 1;
  if (first === null) return;
  try {
    flushAll();
  } catch (escaped) {
    throw weightier(error, escaped);
  }
}

function flushAll(): void {
  if (first === null) return;
  const only = first;
  first = null;
  if (others.length === 0) only.flush();
  else flushEach([only, ...others.splice(0)]);
}

/** Flushes each of them, even if another one throws. */
function flushEach(outputs: readonly Gathered[]): void {
  let escaped: unknown;
  let hasEscaped = false;
  for (const output of outputs) {
    try {
      output.flush();
    } catch (error) {
      escaped = hasEscaped ? weightier(escaped, error) : error;
      hasEscaped = true;
    }
  }
  if (hasEscaped) throw escaped;
}

/** Which of two errors is thrown: the first one, unless only the second is an ExitNow. */
function weightier(first: unknown, second: unknown): unknown {
  return first === undefined || (is_exit(second) && !is_exit(first)) ? second : first;
}
