/** A process that has no descriptor left, and gets some back. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { onEveryPoller } from '../support.js';

onEveryPoller((use_poll) => {
  it('a file_dispatcher that finds none throws EMFILE, and leaves its file as it was', () => {
    const program = `
      import { loop, socket_map } from '@asyncore/core';
      import { file_dispatcher } from '@asyncore/file';
      import { close, dup, get_blocking, pipe, write } from '@asyncore/socket';
      const [reader, writer] = pipe();
      const held = [];
      try { for (;;) held.push(dup(0)); } catch {}
      try { new file_dispatcher(reader); } catch ({ message }) { console.log(message); }
      console.log(get_blocking(reader), socket_map.size);
      held.splice(0, 5).forEach(close);
      const channel = new file_dispatcher(reader);
      channel.handle_read = () => {
        console.log(String(channel.recv(10)));
        channel.close();
      };
      write(writer, Buffer.from('hello'));
      await loop({ use_poll: ${use_poll} });
      console.log(get_blocking(reader));`;
    const few = 'ulimit -n 256; exec "$0" --input-type=module --eval "$1"';
    const output = execFileSync('sh', ['-c', few, process.execPath, program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
    });
    expect(output.trim().split('\n')).toEqual(['dup EMFILE', 'true 0', 'hello', 'true']);
  });
});
