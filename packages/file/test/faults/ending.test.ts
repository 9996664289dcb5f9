/** What file channels leave behind that copy a regular file through a pipe. */
import { leavesNothing } from '@asyncore/test-support/leaves_nothing';

leavesNothing(
  (use_poll) => `
    import { open as open_file } from 'node:fs/promises';
    import { file_dispatcher } from '${import.meta.resolve('@asyncore/file')}';
    import { close, pipe } from '${import.meta.resolve('@asyncore/socket')}';
    const run = async (told) => {
      const file = await open_file(${JSON.stringify(import.meta.filename)});
      const [reader, writer] = pipe();
      const [from, into, out] = [file, writer, reader].map((each) => new file_dispatcher(each, map));
      for (const fd of [reader, writer]) close(fd);
      from.timeout = 60;
      from.writable = out.writable = into.readable = () => false;
      from.handle_read = () => {
        const data = from.recv(100);
        if (data.length > 0) into.send(data);
      };
      from.handle_close = () => told();
      out.handle_read = () => void out.recv(1000);
      into.writable = () => false;
      await loop({ use_poll: ${use_poll}, map });
      await file.close();
    };`,
);
