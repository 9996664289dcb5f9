/** Attempts to connect: refused, served, by TCP and to a path, and one that is made again after a refusal. */
import { join } from 'node:path';
import { dispatcher } from '@asyncore/core';
import { AF_INET, AF_UNIX, Socket } from '@asyncore/socket';
import { codeOf } from '../record.mjs';
import { Listener, Watched } from '../watched.mjs';
import { Greeter } from './accept.mjs';
import { folder, socketPath } from './paths.mjs';

class Client extends Watched(dispatcher) {
  constructor(record, name, family, address, next = null) {
    super(null, record.map);
    this.as(record, name, 'client');
    this.next = next;
    this.begin(family, address);
  }
  writable() {
    return !this.connected;
  }
  handle_read() {
    this.record.got(this.conversation, 'client', this.recv(100).toString());
  }
  handle_connect_error(error) {
    this.tell(`connect_error:${codeOf(error)}`);
    const { next } = this;
    this.next = null;
    if (next) this.begin(AF_INET, next);
    else this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

let refusing = null;

/** A port that is bound and does not listen; made in the first run, in which nothing is altered. */
function refused() {
  if (refusing === null) {
    refusing = new Socket();
    refusing.bind(['127.0.0.1', 0]);
    refusing.address = refusing.getsockname();
  }
  return refusing.address;
}

export async function connect(record) {
  const greet = (sock) => void new Greeter(sock, record, 'greeter', 'ok');
  const tcp = new Listener(record, AF_INET, ['127.0.0.1', 0], greet);
  if (record.setup) return;
  const unix = new Listener(record, AF_UNIX, socketPath(), greet);
  if (record.setup) {
    tcp.close();
    return;
  }
  const nobody = refused();
  const wants = { refused: '', tcp: 'ok', unix: 'ok', nowhere: '', again: 'ok' };
  for (const [name, client] of Object.entries(wants)) {
    record.expect(name);
    record.conversation(name, { client });
  }
  record.mustTell = { refused: 'client', nowhere: 'client' };
  new Client(record, 'refused', AF_INET, nobody);
  new Client(record, 'tcp', AF_INET, tcp.address);
  new Client(record, 'unix', AF_UNIX, unix.address);
  new Client(record, 'nowhere', AF_UNIX, join(folder, 'nowhere'));
  new Client(record, 'again', AF_INET, nobody, tcp.address);
  await record.serve();
}
