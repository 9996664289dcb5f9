/** A server of lines, as a user would write it, for the tests to test. */
import { async_chat } from '@asyncore/chat';
import { dispatcher } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';

export class Calculator extends async_chat {
  override timeout = 30;

  constructor(sock: Socket) {
    super(sock);
    this.max_incoming = 1000;
    this.set_terminator('\r\n');
    this.push(Buffer.from('+ ready\r\n'));
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const [verb, a, b] = this._get_data().toString().split(' ');
    if (verb === 'add') this.push(Buffer.from(`= ${Number(a) + Number(b)}\r\n`));
    else if (verb === 'quit') this.#leave();
    else this.push(Buffer.from('- what?\r\n'));
  }

  #leave(): void {
    this.push(Buffer.from('+ bye\r\n'));
    this.close_when_done();
  }

  override log_info() {}
}

export class CalculatorServer extends dispatcher {
  constructor(port = 7000) {
    super();
    this.create_socket();
    this.set_reuse_addr();
    this.bind(['127.0.0.1', port]);
    this.listen();
  }

  override handle_accepted(sock: Socket) {
    new Calculator(sock);
  }
}
