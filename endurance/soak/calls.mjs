/**
 * Each kind of call a hundred thousand times: what C code keeps, be it a few bytes, is seen in the
 * process's memory then. The load of the soak is too varied for that.
 */
import {
  AF_INET,
  BlockingIOError,
  close,
  dup,
  epoll,
  get_blocking,
  new_wakeup,
  POLLIN,
  pipe,
  poll,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  select,
  set_blocking,
  socketpair,
  unread,
} from '@asyncore/socket';
import { memory } from './counts.mjs';

const TIMES = 100_000;
/** In bytes. The least that malloc gives is 32. */
const ALLOWED = 20;
/** A wakeup is gone a turn of Node's loop later. */
const AT_ONCE = 100;

const data = Buffer.alloc(10);

function calls() {
  const [a, b] = socketpair();
  const udp = new Socket(AF_INET, SOCK_DGRAM);
  udp.bind(['127.0.0.1', 0]);
  const address = udp.getsockname();
  const queue = new epoll();
  const pollers = [new select(), new poll(), queue];
  const all = {
    stream() {
      a.send(data);
      unread(b.fileno());
      b.recv(10);
    },
    message() {
      a.send_fds([data, data], [0]);
      for (const fd of b.recv_fds(100, 1)[1]) close(fd);
    },
    datagram() {
      udp.sendto(data, address);
      udp.recvfrom(10);
    },
    nothing() {
      try {
        a.recv(10);
      } catch (error) {
        if (!(error instanceof BlockingIOError)) throw error;
      }
    },
    options() {
      a.setsockopt(SOL_SOCKET, SO_RCVBUF, a.getsockopt(SOL_SOCKET, SO_RCVBUF));
      udp.getsockname();
      set_blocking(a.fileno(), get_blocking(a.fileno()));
    },
    pollers() {
      for (const poller of pollers) {
        poller.register(a.fileno(), POLLIN);
        poller.poll(0);
        poller.unregister(a.fileno());
      }
    },
    descriptors() {
      for (const fd of [...pipe(), dup(0)]) close(fd);
      for (const each of socketpair()) each.close();
    },
    wakeup() {
      new_wakeup(
        queue.fileno(),
        () => {},
        () => {},
      ).close();
    },
  };
  const end = () => {
    for (const each of [a, b, udp, ...pollers]) each.close();
  };
  return { all, end };
}

/** What the process has grown by per call, in bytes. */
async function growth(call, times) {
  const before = memory().rss;
  for (let i = 0; i < times; i++) {
    call();
    if (i % AT_ONCE === 0) await new Promise(setImmediate);
  }
  return (memory().rss - before) / times;
}

/** Gives the names of the calls that keep memory, before there is anything else to take it from. */
export async function leaking() {
  const { all, end } = calls();
  const found = [];
  for (const [name, call] of Object.entries(all)) {
    await growth(call, TIMES / 10);
    let tries = 6; // a leak is there each time, warming up is not
    while (tries > 0 && (await growth(call, TIMES)) > ALLOWED) tries -= 1;
    if (tries === 0) found.push(name);
  }
  end();
  return found;
}
