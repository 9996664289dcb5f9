/** A datagram server that goes on after errors, two clients that connect to it and one that does not. */
import { dispatcher } from '@asyncore/core';
import { AF_INET, SOCK_DGRAM } from '@asyncore/socket';
import { codeOf } from '../record.mjs';
import { Watched } from '../watched.mjs';

const MESSAGES = 3;

class Server extends Watched(dispatcher) {
  constructor(record) {
    super(null, record.map);
    this.as(record, 'LISTENER', 'server');
    record.listeners.add(this);
    record.safely(
      () => {
        this.create_socket(AF_INET, SOCK_DGRAM);
        record.listening.add(this.fileno());
        this.bind(['127.0.0.1', 0]);
        this.address = this.getsockname();
      },
      'LISTENER',
      'server',
    );
    if (this.address) return;
    record.setup = 'no server';
    this.close();
  }
  writable() {
    return false;
  }
  handle_read() {
    const [data, from] = this.recvfrom(2000);
    this.record.got(`c${data.toString()[0]}`, 'server', `${data}|`);
    this.sendto(data, from);
  }
  handle_error(error) {
    this.tell(`error:${codeOf(error)}`);
  }
  whenClosed() {
    if (!this.record.done) this.tell('closed early');
  }
}

/** The same by recvmmsg and sendmmsg. What one of many answers meets does not keep the others back. */
class ManyServer extends Server {
  handle_read() {
    const datagrams = this.recvmmsg(8, 2000);
    for (const [data] of datagrams) {
      this.record.got(`c${data.toString()[0]}`, 'server', `${data}|`);
    }
    for (let sent = 0; sent < datagrams.length; ) {
      try {
        sent += this.sendmmsg(datagrams.slice(sent));
      } catch (error) {
        this.handle_error(error);
        sent += 1;
      }
    }
  }
}

class Client extends Watched(dispatcher) {
  constructor(record, server, i) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.i = i;
    this.connects_to = i < 2;
    this.to = server.address;
    this.count = 0;
    this.timeout = 0.1; // a datagram that an error has cost is not sent again
    const begun = record.safely(
      () => {
        this.create_socket(AF_INET, SOCK_DGRAM);
        if (this.connects_to) this.connect(this.to);
        this.next();
        return true;
      },
      this.conversation,
      'client',
    );
    if (!begun) record.safely(() => this.close());
  }
  next() {
    const message = Buffer.from(`${this.i}m${this.count}`);
    if (!this.connects_to) {
      this.sendto(message, this.to);
      return;
    }
    this.unsent = this.send(message) === 0;
    this._changed();
  }
  writable() {
    return this.connecting || this.unsent;
  }
  handle_write() {
    if (this.unsent) this.next();
  }
  handle_read() {
    const data = this.connects_to ? this.recv(2000) : this.recvfrom(2000)[0];
    if (data.length === 0) return;
    this.record.got(this.conversation, 'client', `${data}|`);
    this.count += 1;
    if (this.count < MESSAGES) this.next();
    else this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

export const udp = (record) => converse(record, new Server(record));
export const udp_many = (record) => converse(record, new ManyServer(record));

async function converse(record, server) {
  if (record.setup) return;
  for (const i of [0, 1, 2]) {
    const all = Array.from({ length: MESSAGES }, (_, k) => `${i}m${k}|`).join('');
    record.expect(`c${i}`);
    record.conversation(`c${i}`, { client: all, server: all });
  }
  for (const i of [0, 1, 2]) new Client(record, server, i);
  await record.serve();
}
