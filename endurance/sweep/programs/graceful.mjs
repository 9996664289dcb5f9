/** A server that stops while it is busy: it takes who waits, closes its listener, and answers all. */
import { async_chat } from '@asyncore/chat';
import { poll, poll2 } from '@asyncore/core';
import { AF_INET } from '@asyncore/socket';
import { Listener, Watched } from '../watched.mjs';

const CLIENTS = 4;
/** It stops after so many lines, or so many milliseconds. */
const ENOUGH = 2;
const LATEST = 80;
/** So often accept may find nobody, or fail, before the server believes that nobody waits. */
const TRIES = 5;

class Handler extends Watched(async_chat) {
  constructor(sock, server) {
    super(sock, server.record.map);
    this.server = server;
    this.set_terminator('\n');
    this.use_encoding = true;
    server.handlers.add(this);
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const { record } = this.server;
    const line = this._get_data().toString();
    if (!this.conversation) this.as(record, `c${line}`, 'server');
    record.got(this.conversation, 'server', line);
    this.push(`done ${line}\n`);
    if (this.isLast) this.close_when_done();
    this.server.answered();
  }
  finish() {
    this.isLast = true;
    if (this.conversation) this.close_when_done();
  }
  whenClosed() {
    this.server.handlers.delete(this);
  }
}

class Client extends Watched(async_chat) {
  constructor(server, i) {
    super(null, server.record.map);
    this.server = server;
    this.as(server.record, `c${i}`, 'client');
    this.i = i;
    this.set_terminator('\n');
    this.use_encoding = true;
    this.begin(AF_INET, server.listener.address);
  }
  handle_connect() {
    super.handle_connect();
    this.push(`${this.i}\n`);
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    this.record.got(this.conversation, 'client', this._get_data().toString());
  }
  whenClosed() {
    this.record.over(this.conversation);
    this.server.left(this.conversation);
  }
}

class Server {
  handlers = new Set();
  lines = 0;
  gone = 0;

  constructor(record) {
    this.record = record;
    const make = (sock) => void new Handler(sock, this);
    this.listener = new Listener(record, AF_INET, ['127.0.0.1', 0], make);
  }

  answered() {
    this.lines += 1;
    if (this.lines === ENOUGH) this.stop();
  }

  left() {
    this.gone += 1;
    if (this.gone === CLIENTS) this.stop();
  }

  stopLater() {
    this.timer = setTimeout(() => this.stop(), LATEST);
  }

  stop() {
    clearTimeout(this.timer);
    if (this.isStopped) return;
    this.isStopped = true;
    const { record, listener } = this;
    record.done = true;
    for (let tries = 0; tries < TRIES; ) {
      const pair = record.safely(() => listener.accept());
      if (pair === null) tries += 1;
      else record.safely(() => listener.handle_accepted(pair[0]), 'LISTENER', 'stop');
    }
    record.safely(() => listener.close(), 'LISTENER', 'stop');
    const pass = record.poller === 'poll()' || record.poller === 'select' ? poll : poll2;
    record.safely(() => pass(0, record.map), 'LISTENER', 'stop');
    for (const handler of this.handlers) handler.finish();
  }
}

export async function graceful(record) {
  const server = new Server(record);
  if (record.setup) return;
  record.inNode = true;
  server.stopLater();
  for (let i = 0; i < CLIENTS; i++) {
    record.expect(`c${i}`);
    record.conversation(`c${i}`, { client: `done ${i}`, server: `${i}` });
  }
  for (let i = 0; i < CLIENTS; i++) new Client(server, i);
  await record.serve();
}
