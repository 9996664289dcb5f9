/** What the soak loads: echoes, a room, a server of pages, one that is full, datagrams, in one map. */
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { AF_INET, AF_UNIX, SOCK_DGRAM } from '@asyncore/socket';

class Echo extends dispatcher_with_send {
  handle_read() {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }
  log_info() {}
}

/** Its handler is async, and it waits for nobody longer than a moment. */
class Impatient extends Echo {
  timeout = 0.2;
  async handle_read() {
    await null;
    super.handle_read();
  }
}

/** Says what it has to say and closes. */
class Brief extends dispatcher_with_send {
  constructor(sock, map) {
    super(sock, map);
    this.send(Buffer.alloc(1000));
    this.close_when_done();
  }
  handle_read() {
    this.recv(100);
  }
  log_info() {}
}

/** Every line goes to all members. A handler that throws is part of the load. */
class Member extends async_chat {
  constructor(sock, map, room) {
    super(sock, map);
    this.room = room;
    room.add(this);
    this.set_terminator('\n');
    this.max_incoming = 1000;
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const line = String(this._get_data());
    if (line === 'throw') throw new Error('asked for');
    for (const member of this.room) member.push(Buffer.from(`${line}\n`));
  }
  handle_close() {
    this.room.delete(this);
    this.close();
  }
  log_info() {}
}

const PIECE = Buffer.alloc(16384, 'x');

function* pieces(size) {
  for (let left = size; left > 0; left -= PIECE.length) yield PIECE.subarray(0, left);
}

async function* pieces_later(size) {
  for (const piece of pieces(size)) {
    await null;
    yield piece;
  }
}

/** `GET /SIZE` and a blank line: a length, and as many bytes. `GET /SIZE close` is the last one. */
class Pages extends async_chat {
  constructor(sock, map) {
    super(sock, map);
    this.ac_out_high_water = 1 << 17;
    this.set_terminator('\r\n\r\n');
    this.requests = 0;
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const [, path, close] = String(this._get_data()).split(' ');
    const size = Number(path.slice(1));
    this.push(Buffer.from(`${size}\r\n`));
    this.requests += 1;
    this.push_with_producer(this.requests % 2 ? pieces(size) : pieces_later(size));
    if (close) this.close_when_done();
  }
  log_info() {}
}

class Datagrams extends dispatcher {
  writable() {
    return false;
  }
  handle_read() {
    const [data, address] = this.recvfrom(65536);
    this.sendto(data, address);
  }
}

function listen(map, address, make, most = 0) {
  const server = new dispatcher(null, map);
  server.max_connections = most;
  server.create_socket(typeof address === 'string' ? AF_UNIX : AF_INET);
  server.set_reuse_addr();
  server.bind(address);
  server.listen(1024);
  server.handle_accepted = (sock) => void make(sock);
  return server.getsockname();
}

function datagrams(map, address) {
  const server = new Datagrams(null, map);
  server.create_socket(typeof address === 'string' ? AF_UNIX : AF_INET, SOCK_DGRAM);
  server.bind(address);
  return server.getsockname();
}

/** Opens all of them in `map`; gives where they are. `path` is for the Unix sockets. */
export function serve(map, path) {
  const room = new Set();
  const any = ['127.0.0.1', 0];
  const echo = (sock) => new Echo(sock, map);
  return {
    map,
    path,
    echo: listen(map, any, echo),
    unix: listen(map, path, echo),
    room: listen(map, any, (sock) => new Member(sock, map, room)),
    members: room,
    pages: listen(map, any, (sock) => new Pages(sock, map)),
    impatient: listen(map, any, (sock) => new Impatient(sock, map)),
    full: listen(map, any, (sock) => new Brief(sock, map), 3),
    datagrams: datagrams(map, any),
    unixDatagrams: datagrams(map, `${path}.datagrams`),
  };
}
