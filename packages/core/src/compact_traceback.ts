import { fileURLToPath } from 'node:url';

/** A place in a program, as `compact_traceback` gives it. */
export type frame = [file: string, function_name: string, line: string];

// "    at Socket.recv (file:///x/socket.js:67:16)", "    at file:///x/a.js:8:9", "    at async f (…)"
const FRAME = /^\s*at (?:async )?(?:(.*?) \()?(.*?):(\d+):\d+\)?$/;

/** Where this package is, and those it comes with. */
const around = fileURLToPath(new URL('../../', import.meta.url));
const OWN = /^(?:socket|core|chat|file)\/(?:dist|src)\//;

function isOwn([file]: frame): boolean {
  const path = file.startsWith(around)
    ? file.slice(around.length)
    : file.split('/@asyncore/').pop();
  return OWN.test(path ?? '');
}

/**
 * Where an error comes from, in one line: its innermost frame, its class, itself, and the frames
 * from the outermost in as `[file|function|line] …`. Node's own are left out, and those by which the
 * loop came to call a handler.
 */
export function compact_traceback(
  error: unknown,
): [where: frame, type: unknown, value: unknown, info: string] {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames: frame[] = [];
  for (const line of stack.split('\n')) {
    const [, name = '?', file, number] = FRAME.exec(line) ?? [];
    if (file !== undefined && !file.startsWith('node:')) {
      frames.unshift([file.replace(/^file:\/\//, ''), name, number]);
    }
  }
  const outermost = frames.findIndex((frame) => !isOwn(frame));
  const shown = frames.slice(Math.max(outermost, 0));
  const info = shown.map((frame) => `[${frame.join('|')}]`).join(' ');
  const type = error instanceof Object ? error.constructor : typeof error;
  return [frames.at(-1) ?? ['?', '?', '0'], type, error, info];
}
