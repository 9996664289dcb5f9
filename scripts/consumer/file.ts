import assert from 'node:assert/strict';
import { loop } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import { close, pipe, write } from '@asyncore/socket';

let heard = '';

class Reader extends file_dispatcher {
  override handle_read(): void {
    heard += this.recv(8192).toString();
  }
  override handle_close(): void {
    this.close();
  }
}

const [reading, writing] = pipe();
new Reader(reading);
close(reading);
write(writing, Buffer.from('hello'));
close(writing);
loop({ timeout: 5 }).then(() => assert.equal(heard, 'hello'));
