/**
 * Channels that stay open whatever they are told of, and send from timers as well as from handlers: an echo,
 * and a chat that answers with more than the buffers hold.
 */
import { async_chat } from '@asyncore/chat';
import { dispatcher_with_send } from '@asyncore/core';
import { AF_INET } from '@asyncore/socket';
import { Listener, Stubborn } from '../watched.mjs';
import { text } from './text.mjs';

const FIRST = 20;
const PIECE = 3000;
const PIECES = 3;
/** In milliseconds. */
const PAUSE = 3;
const LONG = 'x'.repeat(50_000);

class EchoHandler extends Stubborn(dispatcher_with_send) {
  handle_read() {
    const data = this.recv(8192);
    if (data.length === 0) return;
    if (!this.conversation) this.as(this.of, `c${data.toString('latin1', 0, 1)}`, 'server');
    this.of.got(this.conversation, 'server', data.toString('latin1'));
    this.send(data);
  }
}

class EchoClient extends Stubborn(dispatcher_with_send) {
  constructor(record, listener, i, want) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.want = want;
    this.received = 0;
    this.begin(AF_INET, listener.address);
  }
  handle_connect() {
    super.handle_connect();
    this.send(Buffer.from(this.want.slice(0, FIRST)));
    this.sendLater(0);
  }
  /** The rest, a piece at a time. */
  sendLater(i) {
    setTimeout(() => {
      if (this.isClosed) return;
      const begin = FIRST + i * PIECE;
      const end = i + 1 < PIECES ? begin + PIECE : this.want.length;
      const piece = Buffer.from(this.want.slice(begin, end));
      this.record.safely(() => this.send(piece), this.conversation, 'client');
      if (i + 1 < PIECES) this.sendLater(i + 1);
    }, PAUSE);
  }
  handle_read() {
    const data = this.recv(16_384);
    this.record.got(this.conversation, 'client', data.toString('latin1'));
    this.received += data.length;
    if (this.received >= this.want.length && !this.isClosed) this.close();
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

class ChatHandler extends Stubborn(async_chat) {
  constructor(sock, record) {
    super(sock, record.map);
    this.of = record;
    this.set_terminator('\n');
    this.use_encoding = true;
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const line = this._get_data().toString('latin1');
    if (!this.conversation) this.as(this.of, `c${line[0]}`, 'server');
    this.of.got(this.conversation, 'server', `${line}|`);
    if (line.endsWith('q')) {
      this.push('bye\n');
      this.close_when_done();
      return;
    }
    this.push(`re ${line}\n`);
    this.push_with_producer(
      (function* () {
        yield Buffer.from(LONG);
        yield Buffer.from(`${line}\n`);
      })(),
    );
  }
}

class ChatClient extends Stubborn(async_chat) {
  constructor(record, listener, i) {
    super(null, record.map);
    this.as(record, `c${i}`, 'client');
    this.i = i;
    this.set_terminator('\n');
    this.use_encoding = true;
    this.begin(AF_INET, listener.address);
  }
  handle_connect() {
    super.handle_connect();
    this.push(`${this.i}a\n`);
    this.pushLater(['b', 'q']);
  }
  /** One after the other: timers of different lengths need not keep their order. */
  pushLater([line, ...rest]) {
    setTimeout(() => {
      if (this.isClosed) return;
      this.record.safely(() => this.push(`${this.i}${line}\n`), this.conversation, 'client');
      if (rest.length > 0) this.pushLater(rest);
    }, PAUSE);
  }
  collect_incoming_data(data) {
    this._collect_incoming_data(data);
  }
  found_terminator() {
    const line = this._get_data().toString('latin1');
    this.record.got(this.conversation, 'client', `${line}|`);
  }
  whenClosed() {
    this.record.over(this.conversation);
  }
}

export async function stubborn(record) {
  const any = ['127.0.0.1', 0];
  const echo = new Listener(record, AF_INET, any, (sock) => {
    new EchoHandler(sock, record.map).of = record;
  });
  if (record.setup) return;
  const chat = new Listener(record, AF_INET, any, (sock) => void new ChatHandler(sock, record));
  if (record.setup) {
    echo.close();
    return;
  }
  record.inNode = true;
  record.expect('c0', 'c1', 'c2', 'c3');
  for (const [i, size] of [8000, 14_000].entries()) {
    const want = text(`${i}`, size);
    record.conversation(`c${i}`, { client: want, server: want });
    new EchoClient(record, echo, i, want);
  }
  for (const i of [2, 3]) {
    const answer = (line) => `re ${line}|${LONG}${line}|`;
    record.conversation(`c${i}`, {
      server: `${i}a|${i}b|${i}q|`,
      client: `${answer(`${i}a`)}${answer(`${i}b`)}bye|`,
    });
    new ChatClient(record, chat, i);
  }
  await record.serve();
}
