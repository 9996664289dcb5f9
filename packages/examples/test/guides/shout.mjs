import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';

class Shout extends async_chat {
  timeout = 30; // seconds
  ac_out_high_water = 65536; // bytes that may wait; the channel stops reading above it

  collect_incoming_data(data) {
    this.push(Buffer.from(String(data).toUpperCase()));
  }

  handle_close() {
    if (this.close_reason) console.error(this.close_reason.message);
    this.close();
  }
}

class Server extends dispatcher {
  handle_accepted(sock) {
    new Shout(sock);
  }
}

new Server().create_server(['127.0.0.1', Number(process.argv[2] ?? 8080)]);
console.log('listening');
await loop();
