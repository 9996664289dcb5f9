/**
 * This repository's servers, from the checkout given:
 *
 *     asyncore_echo.mjs ROOT stream|datagrams|batches BUFFER_SIZE epoll|poll|select
 *
 * The handler is the echo example's own, which reads 8 KiB; another buffer size takes one like it.
 */
import { checkout } from './checkout.mjs';
import { listening } from './listening.mjs';

const [root, protocol, bufferSize, poller] = process.argv.slice(2);
const library = await checkout(root);
const { dispatcher, dispatcher_with_send, EchoHandler, EchoServer, loop } = library;
const { AF_INET, IPPROTO_TCP, SOCK_DGRAM, TCP_NODELAY } = library;
/** A checkout of before `no_delay` leaves TCP_NODELAY to the program. */
const setsNoDelay = dispatcher.prototype.no_delay === true;

class LargeEchoHandler extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(Number(bufferSize));
    if (data.length > 0) this.send(data);
  }
}

const Handler = bufferSize === '8192' ? EchoHandler : LargeEchoHandler;

class Server extends EchoServer {
  handle_accepted(sock) {
    if (!setsNoDelay) sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    new Handler(sock);
  }
}

class DatagramServer extends dispatcher {
  constructor() {
    super();
    this.create_socket(AF_INET, SOCK_DGRAM);
    this.bind(['127.0.0.1', 0]);
  }

  handle_read() {
    const [data, address] = this.recvfrom(Number(bufferSize));
    this.sendto(data, address);
  }
}

class BatchServer extends DatagramServer {
  handle_read() {
    this.sendmmsg(this.recvmmsg(64, Number(bufferSize)));
  }
}

/** A checkout of before `recvmmsg` does what it can. */
const Batches = dispatcher.prototype.recvmmsg ? BatchServer : DatagramServer;
const make = {
  stream: () => new Server('127.0.0.1', 0),
  datagrams: () => new DatagramServer(),
  batches: () => new Batches(),
};
const server = make[protocol]();
listening(server.getsockname()[1]);
await loop({ use_poll: { epoll: null, poll: true, select: false }[poller] });
