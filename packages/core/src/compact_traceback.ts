import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

/** A place in a program, as `compact_traceback` gives it. */
export type frame = [file: string, function_name: string, line: string];

/** The folder of this package and its sister packages. A bundle in CommonJS has no import.meta.url. */
const { url } = import.meta as { url?: string };
const around = url === undefined ? '' : fileURLToPath(new URL('../../', url));
const OWN = /^(?:socket|core|chat|file)\/(?:dist|src)\//;

function isOwn([file]: frame): boolean {
  const path = file.startsWith(around)
    ? file.slice(around.length)
    : file.slice(file.lastIndexOf('/@asyncore/') + '/@asyncore/'.length);
  return OWN.test(path);
}

/**
 * Where an error comes from: its innermost frame, its class, the error itself, and one line with
 * all frames from the outermost to the innermost, `[file|function|line] …`. Node's own frames are
 * left out, and those by which the loop came to call a handler. It never throws: what cannot be
 * read of an error is left out.
 */
export function compact_traceback(
  error: unknown,
): [where: frame, type: unknown, value: unknown, info: string] {
  const frames = framesOf(error);
  const outermost = frames.findIndex((frame) => !isOwn(frame));
  const shown = frames.slice(Math.max(outermost, 0));
  const info = shown.map((frame) => `[${frame.join('|')}]`).join(' ');
  return [frames.at(-1) ?? ['?', '?', '0'], typeOf(error), error, info];
}

/** What `handle_error` logs of an error: `Error:its message [file|function|line] …`. It never throws. */
export function condensed(error: unknown): string {
  const [, type, , info] = compact_traceback(error);
  return `${nameOf(type)}:${textOf(error)}${info === '' ? '' : ` ${info}`}`;
}

function nameOf(type: unknown): string {
  try {
    return String(typeof type === 'function' ? type.name : type);
  } catch {
    return typeof type;
  }
}

function textOf(error: unknown): string {
  try {
    return error instanceof Error
      ? String(error.message)
      : inspect(error, { breakLength: Infinity });
  } catch {
    return 'what it says cannot be read';
  }
}

/** From the outermost in. */
function framesOf(error: unknown): frame[] {
  const frames: frame[] = [];
  for (const line of traceOf(error).split('\n')) {
    const frame = frameIn(line);
    if (frame !== null) frames.push(frame);
  }
  return frames.reverse();
}

/**
 * The lines of an error's `stack` after its message. The message may have lines that look like
 * frames.
 */
function traceOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return '';
    const { stack, message } = error;
    if (typeof stack !== 'string') return '';
    if (typeof message !== 'string' || message === '') return stack;
    const start = stack.startsWith(message) ? 0 : stack.indexOf(': ') + 2;
    return stack.startsWith(message, start) ? stack.slice(start + message.length) : stack;
  } catch {
    return ''; // a getter or a proxy that throws
  }
}

function typeOf(error: unknown): unknown {
  try {
    return error instanceof Object ? error.constructor : typeof error;
  } catch {
    return typeof error;
  }
}

/**
 * Anybody may have written the line, so it is cut at fixed signs only:
 *
 *     "    at Socket.recv (file:///x/socket.js:67:16)"
 *     "    at async file:///x/a.js:8:9"
 */
function frameIn(line: string): frame | null {
  let place = line.trimStart();
  if (!place.startsWith('at ')) return null;
  place = place.slice(place.startsWith('at async ') ? 9 : 3);
  let name = '?';
  const open = place.endsWith(')') ? place.indexOf(' (') : -1;
  if (open >= 0) {
    name = place.slice(0, open);
    place = place.slice(open + 2, -1);
  }
  const column = place.lastIndexOf(':');
  const number = place.lastIndexOf(':', column - 1);
  if (number < 1 || !isNumber(place, number, column) || !isNumber(place, column, place.length)) {
    return null;
  }
  const file = place.slice(0, number);
  return file.startsWith('node:') ? null : [pathOf(file), name, place.slice(number + 1, column)];
}

/** Whether digits are between the colon at `colon` and `end`; a line number has no more than ten. */
function isNumber(text: string, colon: number, end: number): boolean {
  return end - colon <= 11 && /^\d+$/.test(text.slice(colon + 1, end));
}

function pathOf(file: string): string {
  if (!file.startsWith('file://')) return file;
  try {
    return fileURLToPath(file);
  } catch {
    return file;
  }
}
