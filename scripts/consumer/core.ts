import assert from 'node:assert/strict';
import { dispatcher_with_send, loop, socket_map } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';

class Echo extends dispatcher_with_send {
  override handle_read(): void {
    this.send(this.recv(8192));
  }
}

class Client extends dispatcher_with_send {
  heard = '';
  override handle_read(): void {
    this.heard += this.recv(8192).toString();
    if (this.heard === 'hello') this.close();
  }
}

const [a, b] = socketpair();
new Echo(a);
const client = new Client(b);
client.send(Buffer.from('hello'));
loop({ timeout: 5 }).then(() => {
  assert.equal(client.heard, 'hello');
  assert.equal(socket_map.size, 0);
});
