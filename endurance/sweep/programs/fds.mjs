/** Two clients that pass the writing end of a pipe to the server, which writes into it. */
import { dispatcher } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import { AF_UNIX, close, pipe, SHUT_WR, write } from '@asyncore/socket';
import { codeOf } from '../record.mjs';
import { Listener, Watched } from '../watched.mjs';
import { socketPath } from './paths.mjs';

const WORD = Buffer.from('through');
const TRIES = 20;

/** `work` once more for each EAGAIN: raw calls say that there is no room, and leave it to the program. */
function patiently(work) {
  for (let tries = 1; ; tries++) {
    try {
      return work();
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN' || tries === TRIES) throw error;
    }
  }
}

class Handler extends Watched(dispatcher) {
  writable() {
    return false;
  }
  handle_read() {
    let received;
    try {
      received = this.recv_fds(100, 4);
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return;
      throw error;
    }
    const [data, fds] = received;
    if (data.length === 0) {
      this.tell('eof');
      this.handle_close_event();
      return;
    }
    if (!this.conversation) this.as(this.of, `c${data.toString()[0]}`, 'server');
    this.of.got(this.conversation, 'server', data.toString());
    for (const fd of fds) this.writeTo(fd);
  }
  writeTo(fd) {
    try {
      for (let at = 0; at < WORD.length; ) at += patiently(() => write(fd, WORD.subarray(at)));
    } finally {
      this.of.safely(() => close(fd));
    }
  }
}

class Reader extends Watched(file_dispatcher) {
  writable() {
    return false;
  }
  handle_read() {
    this.record.got(this.conversation, 'pipe', this.recv(100).toString());
  }
  whenClosed() {
    this.record.over(`${this.conversation} pipe`);
  }
}

class Client extends Watched(dispatcher) {
  constructor(record, listener, i) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.i = i;
    this.begin(AF_UNIX, listener.address);
  }
  writable() {
    return !this.connected;
  }
  handle_connect() {
    super.handle_connect();
    const { record, conversation } = this;
    let ends = [];
    let reader = null;
    try {
      ends = pipe();
      reader = new Reader(ends[0], record.map).as(record, conversation, 'pipe');
      patiently(() => this.send_fds([Buffer.from(`${this.i}`)], [ends[1]]));
    } finally {
      for (const fd of ends) record.safely(() => close(fd));
      if (!reader) record.over(`${conversation} pipe`);
    }
    this.shutdown(SHUT_WR);
  }
  handle_read() {
    this.recv(10);
  }
  whenClosed() {
    if (!this.connects) this.record.over(`${this.conversation} pipe`);
    this.record.over(this.conversation);
  }
}

export async function fds(record) {
  const listener = new Listener(record, AF_UNIX, socketPath(), (sock) => {
    new Handler(sock, record.map).of = record;
  });
  if (record.setup) return;
  for (const i of [0, 1]) {
    record.expect(`c${i}`, `c${i} pipe`);
    record.conversation(`c${i}`, { server: `${i}`, pipe: 'through' });
  }
  for (const i of [0, 1]) new Client(record, listener, i);
  await record.serve();
}
