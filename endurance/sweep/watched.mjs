/** Channels that write down what they are told. */
import { unlinkSync } from 'node:fs';
import { dispatcher } from '@asyncore/core';
import { AF_INET, AF_UNIX } from '@asyncore/socket';
import { codeOf } from './record.mjs';

/** A class of channels that writes into a record; `as` says whose conversation and which side it is. */
export const Watched = (Base) =>
  class extends Base {
    as(record, name, side) {
      this.record = record;
      this.conversation = name;
      this.side = side;
      record.channels.add(this);
      for (const what of this.early ?? []) record.tell(name, side, what);
      this.early = null;
      return this;
    }
    tell(what) {
      if (this.record && this.conversation) {
        this.record.tell(this.conversation, this.side, what);
      } else {
        this.early ??= [];
        this.early.push(what);
      }
    }
    set_socket(sock, map) {
      super.set_socket(sock, map);
      this.descriptors ??= [];
      this.descriptors.push(this._fileno);
    }
    handle_error(error) {
      this.tell(`error:${codeOf(error)}`);
      this.errors ??= [];
      this.errors.push(error?.stack);
      super.handle_error(error);
    }
    handle_close() {
      this.tell('close');
      super.handle_close();
    }
    handle_connect() {
      this.connects = (this.connects ?? 0) + 1;
      if (this.connects > 1) this.record?.problems.push('handle_connect came twice');
    }
    handle_connect_error(error) {
      this.tell(`connect_error:${codeOf(error)}`);
      super.handle_connect_error(error);
    }
    handle_expt() {
      this.tell('expt');
      super.handle_expt();
    }
    handle_timeout() {
      this.tell('timeout');
      super.handle_timeout();
    }
    log() {}
    log_info(message) {
      if (/unhandled (?!close|connect|write)/.test(String(message))) this.tell(`log:${message}`);
    }
    close() {
      try {
        super.close();
      } finally {
        if (!this.isClosed) {
          this.isClosed = true;
          this.whenClosed?.();
        }
      }
    }
    /** Makes its socket and connects to `address`; closes, and says so, when that fails at once. */
    begin(family, address, prepare = () => {}) {
      const begun = this.record.safely(
        () => {
          this.create_socket(family);
          prepare();
          this.connect(address);
          return true;
        },
        this.conversation,
        this.side,
      );
      if (!begun) this.record.safely(() => this.close());
      return begun === true;
    }
  };

/** Watched, and what it is told of does not close it. */
export const Stubborn = (Base) =>
  class extends Watched(Base) {
    handle_error(error) {
      this.tell(`error:${codeOf(error)}`);
      this.errors ??= [];
      this.errors.push(error?.stack);
    }
  };

/** A listener; `make` is given each socket that it accepts. Without one, `record.setup` says why. */
export class Listener extends Watched(dispatcher) {
  constructor(record, family, address, make, { limit = 0, keep_alive = null } = {}) {
    super(null, record.map);
    this.as(record, 'LISTENER', family === AF_UNIX ? 'unix' : 'server');
    this.make = make;
    record.listeners.add(this);
    record.safely(
      () => {
        this.max_connections = limit;
        this.create_socket(family);
        record.listening.add(this.fileno());
        if (family === AF_INET) this.set_reuse_addr();
        if (keep_alive) this.set_keep_alive(keep_alive);
        this.bind(address);
        this.listen();
        this.address = this.getsockname();
      },
      'LISTENER',
      'server',
    );
    if (!this.address) {
      record.setup = 'no listener';
      this.close();
    }
  }
  handle_accepted(sock, address) {
    this.make(sock, address);
  }
  whenClosed() {
    if (!this.record.done) this.tell('closed early');
    if (typeof this.address !== 'string') return;
    try {
      unlinkSync(this.address);
    } catch {
      // There is none where bind failed.
    }
  }
}
