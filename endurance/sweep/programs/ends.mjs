/** Ends of conversations that several programs have. `watch` is Watched or Stubborn. */
import { async_chat } from '@asyncore/chat';
import { dispatcher_with_send } from '@asyncore/core';

/** Sends back what it gets. The first character that it gets is the conversation's number. */
export const Echoes = (watch) =>
  class extends watch(dispatcher_with_send) {
    constructor(sock, record) {
      super(sock, record.map);
      this.of = record;
    }
    handle_read() {
      const data = this.recv(8192);
      if (data.length === 0) return;
      if (!this.conversation) this.as(this.of, `c${data.toString('latin1', 0, 1)}`, 'server');
      this.of.got(this.conversation, 'server', data.toString('latin1'));
      this.send(data);
    }
  };

/** Client `i` of an echo, which closes when it has got `want` back. */
export const Asks = (watch) =>
  class extends watch(dispatcher_with_send) {
    constructor(record, listener, i, want, prepare = () => {}) {
      super(null, record.map);
      this.as(record, `c${i}`, 'client');
      this.want = want;
      this.received = 0;
      this.begin(listener.socket.family, listener.address, () => prepare(this));
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
  };

/** An end that speaks in lines. */
const Speaks = (watch, terminator) =>
  class extends watch(async_chat) {
    constructor(sock, record) {
      super(sock, record.map);
      this.set_terminator(terminator);
      this.use_encoding = true;
    }
    collect_incoming_data(data) {
      this._collect_incoming_data(data);
    }
    line() {
      return this._get_data().toString('latin1');
    }
  };

/** A server's end: `numberOf` finds the conversation's number in a line, `answer` is called for each. */
export const Answers = (watch, terminator, numberOf) =>
  class extends Speaks(watch, terminator) {
    constructor(sock, record) {
      super(sock, record);
      this.of = record;
    }
    found_terminator() {
      const line = this.line();
      if (!this.conversation) this.as(this.of, `c${numberOf(line)}`, 'server');
      this.of.got(this.conversation, 'server', `${line}|`);
      this.answer(line);
    }
  };

/** Client `i` of such a server: `speak` is called once it is connected. */
export const Talks = (watch, terminator) =>
  class extends Speaks(watch, terminator) {
    constructor(record, listener, i, lines) {
      super(null, record);
      this.as(record, `c${i}`, 'client');
      this.lines = lines;
      this.begin(listener.socket.family, listener.address);
    }
    handle_connect() {
      super.handle_connect();
      this.speak(this.lines);
    }
    found_terminator() {
      this.record.got(this.conversation, 'client', `${this.line()}|`);
    }
    whenClosed() {
      this.record.over(this.conversation);
    }
  };
