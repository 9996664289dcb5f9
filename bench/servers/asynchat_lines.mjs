/** Lines sent back, on async_chat from the checkout given: `asynchat_lines.mjs ROOT`. */
import { checkout } from './checkout.mjs';
import { listening } from './listening.mjs';

const { AF_INET, async_chat, dispatcher, IPPROTO_TCP, loop, TCP_NODELAY } = await checkout(
  process.argv[2],
);
/** A checkout of before `no_delay` leaves TCP_NODELAY to the program. */
const setsNoDelay = dispatcher.prototype.no_delay === true;
const newline = Buffer.from('\n');

class Lines extends async_chat {
  constructor(sock) {
    super(sock);
    this.set_terminator(newline);
  }

  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    this.push(this._get_data());
    this.push(newline);
  }
}

class Server extends dispatcher {
  constructor() {
    super();
    this.create_socket(AF_INET);
    this.bind(['127.0.0.1', 0]);
    this.listen();
  }

  handle_accepted(sock) {
    if (!setsNoDelay) sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    new Lines(sock);
  }
}

const server = new Server();
listening(server.getsockname()[1]);
await loop();
