import assert from 'node:assert/strict';
import { async_chat, type Terminator } from '@asyncore/chat';
import { loop, type Socket } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';

const lines: string[] = [];
const newline: Terminator = Buffer.from('\n');

class Lines extends async_chat {
  constructor(sock: Socket) {
    super(sock);
    this.set_terminator(newline);
  }
  override collect_incoming_data(data: Buffer): void {
    lines.push(data.toString());
  }
  override found_terminator(): void {
    if (lines.length === 2) this.close();
  }
  override handle_close(): void {
    this.close();
  }
}

const [a, b] = socketpair();
new Lines(a);
const sender = new Lines(b);
sender.push(Buffer.from('one\ntwo\n'));
loop({ timeout: 5 }).then(() => assert.deepEqual(lines, ['one', 'two']));
