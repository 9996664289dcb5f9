/**
 * Lets bc calculate, or another program answer, through its pipes.
 *
 *     child_pipes [--command 'bc -q'] LINE...
 *
 * The pipes are the system's own: no stream of Node's stands between the loop and the child. An
 * async_chat on each end sends the lines as fast as the child takes them and prints its answers.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { loop } from '@asyncore/core';
import { file_wrapper } from '@asyncore/file';
import { close, pipe } from '@asyncore/socket';

/** What a child reads. */
class ToChild extends async_chat<file_wrapper> {
  readable() {
    return false;
  }
}

/** What a child prints. */
class FromChild extends async_chat<file_wrapper> {
  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    console.log(String(this._get_data()));
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals: lines } = parseArgs({
    args,
    allowPositionals: true,
    options: { command: { type: 'string', default: 'bc -q' } },
  });
  if (lines.length === 0) throw new Error("usage: child_pipes [--command 'bc -q'] LINE...");
  const [command, ...rest] = values.command.split(' ');
  const [input, toChild] = pipe();
  const [fromChild, output] = pipe();
  const child = spawn(command, rest, { stdio: [input, output, 'inherit'] });
  const exited = once(child, 'exit');

  const answers = new FromChild(new file_wrapper(fromChild));
  answers.set_terminator('\n');
  const questions = new ToChild(new file_wrapper(toChild));
  // The channels have duplicates and the child has its own. Nobody else may hold an end, or the
  // other end would never come to the end of the file.
  for (const fd of [input, output, fromChild, toChild]) close(fd);

  for (const line of lines) questions.push(Buffer.from(`${line}\n`));
  questions.close_when_done();
  const [[code, signal]] = await Promise.all([exited, loop()]);
  if (code !== 0) throw new Error(`${command} failed: ${signal ?? code}`);
}
