/** What conversations leave behind: an echo of lines and its client, which gets data without end. */
import { leavesNothing } from '@asyncore/test-support/leaves_nothing';

leavesNothing(
  (use_poll) => `
    import { createReadStream } from 'node:fs';
    import { async_chat } from '${import.meta.resolve('@asyncore/chat')}';
    const run = (told) => {
      const server = new dispatcher(null, map);
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen();
      server.handle_accepted = (sock) => {
        const echo = new async_chat(sock, map);
        echo.timeout = 60;
        echo.set_terminator('\\n');
        echo.collect_incoming_data = (data) => echo._collect_incoming_data(data);
        echo.found_terminator = () => {
          echo.push(echo._get_data());
          echo.push_with_producer(createReadStream('/dev/zero'));
        };
      };
      const client = new async_chat(null, map);
      client.log_info = () => {};
      client.create_socket();
      client.connect(server.getsockname());
      client.handle_connect = () => client.push(Buffer.from('hello\\nand a half'));
      client.set_terminator(1e6);
      client.collect_incoming_data = () => {};
      client.found_terminator = told;
      return loop({ use_poll: ${use_poll}, map });
    };`,
);
