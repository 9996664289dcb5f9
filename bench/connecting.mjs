/**
 * The processor time that a connection takes which is made by connect, by create_connection and by node:net,
 * and that a timer takes: both ends in one process, one connection after the other.
 *
 *     node bench/connecting.mjs [connections or timers]
 */
import net from 'node:net';
import { dispatcher, loop } from '@asyncore/core';

const count = Number(process.argv[2] ?? 3000);

class Listener extends dispatcher {
  handle_accepted(sock) {
    sock.close();
  }
}
const listener = new Listener();
listener.create_server(['127.0.0.1', 0]);
const [host, port] = listener.getsockname();
void loop();

/** A channel that is told of the end by its listener, which closes what it accepts. */
class Client extends dispatcher {
  constructor(ended) {
    super();
    this.ended = ended;
  }
  handle_connect() {}
  handle_read() {
    this.recv(1);
  }
  handle_close() {
    this.close();
    this.ended();
  }
}

const ways = {
  connect: (ended) => {
    const client = new Client(ended);
    client.create_socket();
    client.connect([host, port]);
  },
  'create_connection of an address': (ended) => new Client(ended).create_connection([host, port]),
  'create_connection of a name': (ended) =>
    new Client(ended).create_connection(['localhost', port]),
  'node:net': (ended) => void net.connect(port, host).resume().on('close', ended),
};

const owner = new dispatcher(null, new Map());
const nothing = () => {};
const timers = {
  call_later: () => owner.call_later(60, nothing),
  setTimeout: () => setTimeout(nothing, 60_000),
};

/** Microseconds of processor time that each of `count` takes. */
async function cost(all) {
  const start = process.cpuUsage();
  await all();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) / count).toFixed(2);
}

for (const round of [1, 2, 3, 4]) {
  for (const [name, begin] of Object.entries(ways)) {
    const all = async () => {
      for (let i = 0; i < count; i++) await new Promise(begin);
    };
    console.log(`${round} ${name}: ${await cost(all)} µs a connection, both ends`);
  }
  for (const [name, begin] of Object.entries(timers)) {
    const all = async () => {
      const made = Array.from({ length: count }, begin);
      for (const timer of made) timer.cancel ? timer.cancel() : clearTimeout(timer);
    };
    console.log(`${round} ${name}: ${await cost(all)} µs for one that is made and cancelled`);
  }
}
process.exit();
