import assert from 'node:assert/strict';
import { type Address, POLLIN, poll, Socket, socketpair } from '@asyncore/socket';

const [a, b] = socketpair();
assert.equal(a.send(Buffer.from('hello')), 5);
const poller = new poll();
poller.register(b.fileno(), POLLIN);
assert.deepEqual(poller.poll(1), [[b.fileno(), POLLIN]]);
assert.equal(b.recv(8192).toString(), 'hello');
a.close();
b.close();

const listener = new Socket();
listener.bind(['127.0.0.1', 0]);
const address: Address = listener.getsockname();
assert.equal(address[0], '127.0.0.1');
listener.close();
