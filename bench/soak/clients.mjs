/** The load: each of these does one thing to a site's servers and ends when it is over. */
import { close_all, dispatcher, dispatcher_with_send, loop, poll2 } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import {
  AF_INET,
  AF_UNIX,
  close,
  pipe,
  SHUT_WR,
  SO_LINGER,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
  write,
} from '@asyncore/socket';

const LONGEST = 20_000;

/** A connection that counts what comes; `over` resolves when it is closed, however that came. */
class Client extends dispatcher_with_send {
  received = 0;
  pieces = [];
  constructor(site, address) {
    super(null, site.map);
    this.over = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.late = setTimeout(
      () => this.fail(new Error(`still ${this} after ${LONGEST} ms`)),
      LONGEST,
    );
    this.create_socket(typeof address === 'string' ? AF_UNIX : AF_INET);
    try {
      this.connect(address);
    } catch (error) {
      this.handle_connect_error(error);
    }
  }
  handle_connect() {}
  handle_read() {
    const data = this.recv(this.portion ?? 65536);
    this.received += data.length;
    if (this.keeps) this.pieces.push(data);
    if (data.length > 0) this.handle_data?.();
  }
  get text() {
    return String(Buffer.concat(this.pieces));
  }
  fail(error) {
    this.reject(error);
    this.close();
  }
  close() {
    clearTimeout(this.late);
    super.close();
    this.resolve();
  }
  reset() {
    // It may be gone already.
    if (this.fileno() >= 0) this.setsockopt(SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]));
    this.close();
  }
  handle_error(error) {
    this.fail(error);
  }
  log_info() {}
}

function expect(truth, what) {
  if (!truth) throw new Error(what);
}

const echo = (where) => async (site, random) => {
  const client = new Client(site, site[where]);
  const data = Buffer.alloc(1 + random(200_000), 'echo');
  client.keeps = true;
  client.send(data);
  client.handle_data = () => {
    if (client.received >= data.length) client.close();
  };
  await client.over;
  expect(Buffer.concat(client.pieces).equals(data), 'the echo is another');
};

/** Ends its own half, and reads to the end. */
async function half_closed(site, random) {
  const client = new Client(site, site.echo);
  const data = Buffer.alloc(1 + random(4000));
  client.handle_connect = () => {
    client.send(data);
    client.initiate_send();
    client.shutdown(SHUT_WR);
  };
  await client.over;
  expect(client.received === data.length, 'not all was echoed');
}

async function reset_midway(site, random) {
  const client = new Client(site, site.echo);
  client.send(Buffer.alloc(500_000));
  const enough = random(200_000);
  client.handle_data = () => {
    if (client.received > enough) client.reset();
  };
  await client.over;
}

async function vanished(site, random) {
  const client = new Client(site, site.echo);
  client.handle_connect = () => setTimeout(() => client.reset(), random(5));
  await client.over;
}

async function member(site, random) {
  const client = new Client(site, site.room);
  const name = `member ${random(1e9)}`;
  client.keeps = true;
  client.send(Buffer.from(`${name}\nand a half`));
  client.handle_data = () => {
    if (!client.text.includes(name)) return;
    if (random(2)) client.reset();
    else client.close();
  };
  await client.over;
  expect(client.text.includes(name), 'the room is silent');
}

/** The member's handler throws, or its line is too long: the server closes the connection. */
const expelled = (what) => async (site) => {
  const client = new Client(site, site.room);
  client.send(Buffer.from(what));
  await client.over;
};

async function pages(site, random) {
  const client = new Client(site, site.pages);
  const sizes = Array.from({ length: 1 + random(8) }, () => random(100_000));
  sizes.forEach((size, i) => {
    client.send(Buffer.from(`GET /${size}${i + 1 < sizes.length ? '' : ' close'}\r\n\r\n`));
  });
  await client.over;
  const expected = sizes.reduce((sum, size) => sum + size + `${size}\r\n`.length, 0);
  expect(client.received === expected, `${client.received} bytes instead of ${expected}`);
}

async function slow_reader(site, random) {
  const client = new Client(site, site.pages);
  client.portion = 8192;
  client.send(Buffer.from('GET /300000 close\r\n\r\n'));
  const reads = () => !client.pausing;
  client.readable = reads;
  client.handle_data = () => {
    client.pausing = true;
    setTimeout(() => {
      client.pausing = false;
      client._changed();
    }, random(3));
  };
  await client.over;
  expect(client.received === 300_000 + '300000\r\n'.length, 'the page is cut');
}

async function abandoned_page(site, random) {
  const client = new Client(site, site.pages);
  client.send(Buffer.from('GET /9000000\r\n\r\n'));
  client.handle_data = () => {
    if (client.received > 100_000) random(2) ? client.reset() : client.close();
  };
  await client.over;
}

async function slow_writer(site) {
  const client = new Client(site, site.pages);
  const request = Buffer.from('GET /10 close\r\n\r\n');
  for (const byte of request) {
    await new Promise(setImmediate);
    client.send(Buffer.of(byte));
  }
  await client.over;
  expect(client.received === 14, 'the page is cut');
}

async function refused(site) {
  const nobody = new Socket();
  nobody.bind(['127.0.0.1', 0]);
  const address = nobody.getsockname();
  nobody.close();
  const client = new Client(site, address);
  await client.over.then(
    () => expect(false, 'somebody is there'),
    (error) => expect(error.code === 'ECONNREFUSED', error.message),
  );
}

async function datagrams(site, random) {
  const client = new dispatcher(null, site.map);
  client.create_socket(AF_INET, SOCK_DGRAM);
  client.connect(site.datagrams);
  await new Promise((answered) => {
    // One may be lost, as datagrams are.
    const late = setTimeout(answered, 1000);
    client.handle_read = () => {
      client.recv(65536);
      clearTimeout(late);
      answered();
    };
    client.handle_connect = () => {};
    client.writable = () => false;
    client.send(Buffer.alloc(random(1000)));
  });
  client.close();
}

async function piped(site, random) {
  const [reader, writer] = pipe();
  const channel = new file_dispatcher(reader, site.map);
  close(reader);
  const size = 1 + random(60_000);
  let received = 0;
  await new Promise((ended) => {
    channel.handle_read = () => {
      received += channel.recv(8192).length;
    };
    channel.handle_close = () => {
      channel.close();
      ended();
    };
    channel.writable = () => false;
    write(writer, Buffer.alloc(size));
    close(writer);
  });
  expect(received === size, 'the pipe leaks');
}

/** A loop of its own on a map of its own, ended by a signal or by its count. */
async function brief_loop({ use_poll }, random) {
  const map = new Map();
  for (const sock of socketpair()) {
    const channel = new dispatcher_with_send(sock, map);
    channel.handle_read = () => void channel.send(channel.recv(100));
    channel.send(Buffer.alloc(10));
  }
  const end = new AbortController();
  if (random(2)) setTimeout(() => end.abort(), random(10));
  const settings = { use_poll, map, signal: end.signal, count: 1 + random(100) };
  await loop(settings).catch(() => expect(end.signal.aborted, 'the loop failed'));
  close_all(map);
}

/** A blocking pass among the loops. */
async function pass(site) {
  poll2(0, site.map);
}

export const clients = {
  echo: echo('echo'),
  unix_echo: echo('unix'),
  half_closed,
  reset_midway,
  vanished,
  member,
  thrown_out: expelled('throw\n'),
  too_long: expelled('x'.repeat(2000)),
  pages,
  slow_reader,
  abandoned_page,
  slow_writer,
  refused,
  datagrams,
  piped,
  brief_loop,
  pass,
};
