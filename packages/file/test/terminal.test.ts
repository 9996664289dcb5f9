/** At a real terminal, which the shell gets back as it was. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { hasPython, withPython } from './support.js';

const script = fileURLToPath(import.meta.resolve('@asyncore/test-support/in_terminal.py'));

/** Lets `program` run at a terminal where, at each of `steps`, somebody waits and types. */
function atTerminal(program: string, ...steps: [wait: string, type: string][]) {
  const code = `
    import { writeSync } from 'node:fs';
    import { dispatcher_with_send, loop, close_all } from '@asyncore/core';
    import { file_dispatcher, file_wrapper } from '@asyncore/file';
    ${program}`;
  const node = [process.execPath, '--input-type=module', '-e', code];
  const { stdout } = spawnSync('python3', [script, JSON.stringify(steps), ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return JSON.parse(stdout) as { code: number; shown: string; blocking: boolean[] };
}

/** Answers each line, until it is the end. */
const answering = `
  const output = new dispatcher_with_send(new file_wrapper(1));
  output.readable = () => false;
  const input = new file_dispatcher(0);
  input.handle_read = () => {
    const data = input.recv(1000);
    if (data.length > 0) output.send(Buffer.from('got ' + data));
  };
  input.handle_close = () => { input.close(); output.close(); };
  output.send(Buffer.from('ready'));
`;

describe.skipIf(!hasPython)(`a terminal${withPython}`, () => {
  it('is read and written, and blocks again when both channels are closed', () => {
    const { shown, blocking } = atTerminal(
      `${answering} await loop(); writeSync(1, 'closed'); setInterval(() => {}, 1000);`,
      ['ready', 'spam\n'],
      ['got spam\r\n', '\x04'],
      ['closed', '\x03'],
    );
    expect(shown).toBe('readyspam\r\ngot spam\r\nclosed^C');
    expect(blocking).toEqual([false, false, true, true]);
  });

  it('does not block when only one of the two is closed', () => {
    const { blocking } = atTerminal(
      `${answering}
      input.handle_read = () => { input.close(); output.send(Buffer.from('one')); };
      process.once('SIGINT', () => close_all());
      await loop();`,
      ['ready', '\n'],
      ['one', '\x03'],
    );
    expect(blocking).toEqual([false, false, true]);
  });

  it.each([
    ['Ctrl-C, by Node itself', '', -2],
    ['Ctrl-C with a handler', "process.once('SIGINT', () => close_all());", 0],
    ['Ctrl-C with a handler that exits', "process.once('SIGINT', () => process.exit(130));", 130],
  ])('blocks again after %s', (_, handler, expected) => {
    const { code, blocking } = atTerminal(`${handler} ${answering} await loop();`, [
      'ready',
      '\x03',
    ]);
    expect([code, blocking]).toEqual([expected, [false, true]]);
  });
});
