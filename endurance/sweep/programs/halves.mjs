/** Halves ended one after the other, a hang-up told to a channel that does not read, an urgent byte. */
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import { AF_INET, MSG_OOB, SHUT_WR, socketpair } from '@asyncore/socket';
import { codeOf } from '../record.mjs';
import { Listener, Watched } from '../watched.mjs';

/** How long a client that was closed may still be accepted, in milliseconds. */
const LAST = 150;

/** `a` sends and ends its half; `b` answers after that. */
class Half extends Watched(dispatcher_with_send) {
  handle_read() {
    const data = this.recv(100);
    if (data.length > 0) this.record.got(this.conversation, this.side, data.toString());
  }
  handle_eof() {
    this.tell('eof');
    if (this.side === 'b') {
      this.send(Buffer.from('reply after eof'));
      this.close_when_done();
    } else {
      this.handle_close_event();
    }
  }
  whenClosed() {
    this.record.over(`${this.conversation} ${this.side}`);
  }
}

/** Has no handle_read, so that it is watched for a hang-up only. */
class Deaf extends Watched(dispatcher) {
  writable() {
    return false;
  }
  whenClosed() {
    this.record.over(`${this.conversation} ${this.side}`);
  }
}

/** Sends a byte and closes. */
class Brief extends Watched(dispatcher) {
  handle_read() {
    this.recv(10);
  }
  handle_write() {
    if (this.send(Buffer.from('z')) === 1) this.close();
  }
  whenClosed() {
    this.record.over(`${this.conversation} ${this.side}`);
  }
}

/** Both ends of a pair, as channels of these classes; when one cannot be made, neither is there. */
function pair(record, name, classes) {
  const sides = Object.keys(classes);
  record.expect(...sides.map((side) => `${name} ${side}`));
  const sockets = record.safely(() => socketpair(), name, 'setup') ?? [];
  const channels = [];
  const made = record.safely(
    () => {
      for (const [i, side] of sides.entries()) {
        if (!sockets[i]) continue;
        channels.push(new classes[side](sockets[i], record.map).as(record, name, side));
      }
      return channels;
    },
    name,
    'setup',
  );
  if (made?.length === sides.length) return made;
  for (const each of [...channels, ...sockets]) record.safely(() => each.close());
  for (const side of sides) record.over(`${name} ${side}`);
  return null;
}

/** Reads the urgent byte where it is told of one. */
class Urgent extends Watched(dispatcher) {
  writable() {
    return false;
  }
  handle_expt() {
    this.tell(`urgent:${this.urgentByte()}`);
  }
  urgentByte() {
    for (let tries = 1; ; tries++) {
      try {
        return this.socket.recv(1, MSG_OOB).toString();
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN' || tries === 6) throw error;
      }
    }
  }
  handle_read() {
    const data = this.recv(1);
    if (data.length > 0) this.record.got('urgent', 'server', data.toString());
  }
  whenClosed() {
    this.record.over('urgent server');
  }
}

/** Sends an `a`, an urgent byte, a `b`, and ends its half. */
class UrgentClient extends Watched(dispatcher) {
  constructor(record, listener) {
    super(null, record.map);
    this.as(record, 'urgent', 'client');
    this.step = 0;
    if (!this.begin(AF_INET, listener.address)) record.over('urgent server');
  }
  writable() {
    return !this.connected || this.step < 4;
  }
  handle_write() {
    if (this.step === 0 && this.send(Buffer.from('a')) === 1) this.step = 1;
    else if (this.step === 1 && this.sendUrgent()) this.step = 2;
    else if (this.step === 2 && this.send(Buffer.from('b')) === 1) this.step = 3;
    else if (this.step === 3) {
      this.step = 4;
      this.shutdown(SHUT_WR);
    }
  }
  /** False when there is no room: the socket's own send says so, and leaves it to the program. */
  sendUrgent() {
    try {
      return this.socket.send(Buffer.from('!'), MSG_OOB) === 1;
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw error;
      return false;
    }
  }
  handle_read() {
    this.recv(10);
  }
  whenClosed() {
    const { record } = this;
    record.over('urgent client');
    setTimeout(() => record.accepted || record.over('urgent server'), LAST);
  }
}

function urgent(record) {
  const accept = (sock) => {
    record.accepted = true;
    try {
      new Urgent(sock, record.map).as(record, 'urgent', 'server');
    } catch (error) {
      record.over('urgent server');
      throw error;
    }
  };
  const listener = new Listener(record, AF_INET, ['127.0.0.1', 0], accept);
  if (!record.setup) {
    new UrgentClient(record, listener);
    return;
  }
  record.setup = null;
  record.tell('urgent', 'setup', 'thrown');
  record.over('urgent client');
  record.over('urgent server');
}

export async function halves(record) {
  record.inNode = true;
  record.conversation('half', { a: 'reply after eof', b: 'first' });
  record.conversation('deaf', {});
  record.conversation('urgent', { server: 'ab' });
  record.mustTell = { deaf: 'deaf' };
  record.expect('urgent client', 'urgent server');
  const [b, a] = pair(record, 'half', { b: Half, a: Half }) ?? [];
  const begin = () => {
    a.send(Buffer.from('first'));
    a.shutdown(SHUT_WR); // after what was sent
    return true;
  };
  if (a && !record.safely(begin, 'half', 'a')) {
    for (const half of [a, b]) record.safely(() => half.close());
  }
  pair(record, 'deaf', { deaf: Deaf, other: Brief });
  urgent(record);
  await record.serve();
}
