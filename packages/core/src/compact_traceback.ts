/** A place in a program, as `compact_traceback` gives it. */
export type frame = [file: string, function_name: string, line: string];

// "    at Socket.recv (file:///x/socket.js:67:16)", "    at file:///x/a.js:8:9", "    at async f (…)"
const FRAME = /^\s*at (?:async )?(?:(.*?) \()?(.*?):(\d+):\d+\)?$/;

/**
 * Where an error comes from, in one line: its innermost frame, its class, itself, and all frames
 * from the outermost in as `[file|function|line] …`. Node's own frames are left out.
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
  const info = frames.map((frame) => `[${frame.join('|')}]`).join(' ');
  const type = error instanceof Object ? error.constructor : typeof error;
  return [frames.at(-1) ?? ['?', '?', '0'], type, error, info];
}
