/** The load: each of these does one thing to a site's servers and ends when it is over. */
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { close_all, dispatcher, dispatcher_with_send, loop, poll2 } from '@asyncore/core';
import { file_dispatcher, file_wrapper } from '@asyncore/file';
import {
  AF_INET,
  AF_UNIX,
  close,
  pipe,
  read,
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

/** The server has a timeout. */
async function silent(site, random) {
  const client = new Client(site, site.impatient);
  const size = random(1000);
  if (size > 0) client.send(Buffer.alloc(size));
  await client.over;
  // Nothing: a thread held up for so long has not even sent it.
  expect([size, 0].includes(client.received), 'not all was echoed');
}

/** The server has `max_connections`: some have to wait. */
async function admitted(site) {
  const client = new Client(site, site.full);
  await client.over;
  expect(client.received === 1000, `${client.received} bytes instead of 1000`);
}

/** By name; some do not wait for the answer. */
async function named(site, random) {
  const client = new Client(site, ['127.1', site.echo[1]]); // no numeric address
  client.handle_connect = () => client.close();
  if (random(2)) client.close();
  await client.over;
}

let names = 0;

const datagrams = (where) => async (site, random) => {
  const client = new dispatcher(null, site.map);
  const isUnix = typeof site[where] === 'string';
  client.create_socket(isUnix ? AF_UNIX : AF_INET, SOCK_DGRAM);
  const name = `${site.path}.${++names}`;
  if (isUnix) client.bind(name);
  client.connect(site[where]);
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
  if (isUnix) rmSync(name);
};

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

/** A regular file through a pipe, by a FileHandle and by descriptors. */
async function copied(site) {
  const file = await open(process.execPath);
  const [reader, writer] = pipe();
  const from = new file_dispatcher(file, site.map);
  const into = new file_dispatcher(writer, site.map);
  const out = new file_dispatcher(reader, site.map);
  for (const fd of [reader, writer]) close(fd);
  const size = 300_000;
  let data = Buffer.alloc(0);
  let [taken, received] = [0, 0];
  from.readable = () => data.length === 0 && taken < size;
  from.writable = () => false;
  from.handle_read = () => {
    data = from.recv(Math.min(50_000, size - taken));
    taken += data.length;
    into._changed();
  };
  into.readable = () => false;
  into.writable = () => data.length > 0 || taken === size;
  into.handle_write = () => {
    data = data.subarray(into.send(data));
    if (data.length === 0 && taken === size) into.close();
    from._changed();
  };
  out.writable = () => false;
  await new Promise((ended) => {
    out.handle_read = () => {
      received += out.recv(65536).length;
    };
    out.handle_close = () => {
      out.close();
      ended();
    };
  });
  from.close();
  await file.close();
  expect(received === size, `${received} bytes were copied`);
}

/** A pipe's end goes through a Unix socket to another channel. */
async function passed() {
  const [ours, theirs] = socketpair();
  const [reader, writer] = pipe();
  ours.send_fds([Buffer.from('x')], [writer]);
  const [, [received]] = theirs.recv_fds(10, 1);
  close(writer);
  write(received, Buffer.from('hello'));
  close(received);
  expect(read(reader, 10).toString() === 'hello', 'another descriptor was passed');
  for (const each of [ours, theirs]) each.close();
  close(reader);
}

/** Nobody closes them: the collector has to. */
async function forgotten() {
  new Socket();
  new file_wrapper(0);
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
  silent,
  admitted,
  named,
  datagrams: datagrams('datagrams'),
  unix_datagrams: datagrams('unixDatagrams'),
  piped,
  copied,
  passed,
  forgotten,
  brief_loop,
  pass,
};
