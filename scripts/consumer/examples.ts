import assert from 'node:assert/strict';
import { EchoServer } from '@asyncore/examples';

const server = new EchoServer('127.0.0.1', 0);
assert.equal(server.getsockname()[0], '127.0.0.1');
server.close();
