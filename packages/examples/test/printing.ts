import type { ChildProcessWithoutNullStreams } from 'node:child_process';

/** Waits until a program has printed `text`, and gives all that it has printed. */
export function printing(child: ChildProcessWithoutNullStreams): (text: string) => Promise<string> {
  let printed = '';
  let look = () => {};
  child.stdout.on('data', (data) => {
    printed += data;
    look();
  });
  child.stdout.on('end', () => look());
  return (text) =>
    new Promise((resolve, reject) => {
      look = () => {
        if (printed.includes(text)) resolve(printed);
        else if (child.stdout.readableEnded) reject(new Error(`no ${text}, but: ${printed}`));
      };
      look();
    });
}
